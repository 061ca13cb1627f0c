"""What asks a cloud that somebody else runs: the HxTP Cloud API from a program's side.

    api.py            one request over HTTPS, and what a person can do about each way it fails
    options.py        which cloud is meant, its CA and the token: the same for every program
    client.py         what people do with it, as a library: `connect()`, find, register, command
    live.py           its WebSocket, on which a dashboard hears what happens
    registration.py   a new device: its ids and its secret
    bootstrap.py      the device's signed question for broker and CA, and the check of the signed answer
    flash.py          what its board needs besides the firmware
    cli.py            `python -m host_sim client`, with words.py, boards.py and watch.py

It must never import anything of the cloud that it asks, but to make a token from the data of a cloud on this
machine.
"""
