"""`make bench`: what things cost, each beside its floor or its peer in the same run.

Nothing here decides whether a test passes. It must never report a figure that was not measured in this run: a
row whose code or whose runtime is not there is left out, and the table says why.
"""
