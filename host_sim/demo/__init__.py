"""The demonstration: broker, gateway and three virtual boards with the real firmware, and a story about them.

`stage` starts and ends everything, `story` is the story, `attacker` what it is defended against, `drawings`
and `screen` put it on a terminal, `stay` is what `--keep` adds.
"""
