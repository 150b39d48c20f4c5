"""Studies of many runs: what validation rules, adversaries and defences come to, and in `paper` the paper's figures.

`batch` does the runs and keeps them, `fingerprint` says what made a kept one, and `scales` says how many there are.
`evaluation` is `idml evaluate` from end to end. `error_rates`, `replays` and `rates` judge rules; `attacks` compares
adversaries and defences.
"""
