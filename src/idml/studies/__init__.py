"""What rules, adversaries and defences are worth: many replays and runs, measured alike.

`command` does an evaluation from end to end; `error_rates` and `rates` judge rules, `attacks` runs adversaries.
"""
