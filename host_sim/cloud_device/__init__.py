"""A virtual device of a cloud: registered over the REST API, found by bootstrap, run on a virtual board.

    identity.py    the registration in its folder, so that the next start is the same device
    cli.py         `python -m host_sim device`

host_sim.cloud_client asks the cloud for it. It must never contain anything of the cloud: it works with one
that somebody else runs.
"""
