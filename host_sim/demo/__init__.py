"""The demonstration: the reference cloud, three virtual boards with the real firmware, a story about them.

`stage` starts and ends everything, `story` is the story, `dashboard` watches, `attacker` is what it is all
defended against, `drawings` and `screen` put it on a terminal, `stay` is what `--keep` adds.
"""
