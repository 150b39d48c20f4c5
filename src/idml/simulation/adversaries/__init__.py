"""Alternative roles: what a participant does with its turn instead of what the protocol and honest work ask for.

Each adversary is one small class. Those of `work`, `data` and `votes` follow the protocol, so that only judging can
find them out; those of `breaches` act on the protocol itself, through the same roles and the same contract. One of your
own is a class as well, which a configuration names as `adversaries."my_file.py:Mine" = 3`; `check_adversary` says what
is wrong with it.
"""
