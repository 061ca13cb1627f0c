"""What asks a cloud that somebody else runs: the HxTP Cloud API from a program's side.

    api.py            one request over HTTPS, and what a person can do about each way it fails
    registration.py   a new device: its ids and its secret
    bootstrap.py      the device's signed question for broker and CA, and the check of the signed answer

It must never import anything of the cloud that it asks.
"""
