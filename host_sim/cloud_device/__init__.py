"""A virtual device of a cloud: registered over the REST API, found by bootstrap, run on a virtual board.

    api.py         one request over HTTPS, and what a person can do about each way it fails
    bootstrap.py   the signed question for broker and CA, and the check of the signed answer
    identity.py    the registration in its folder, so that the next start is the same device
    cli.py         `python -m host_sim device`

It must never contain anything of the cloud: it works with one that somebody else runs.
"""
