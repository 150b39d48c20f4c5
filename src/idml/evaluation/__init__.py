"""What the rules, the adversaries and the defences are worth: many runs and replays, measured alike.

import idml.evaluation.error_rates, idml.evaluation.attacks
"""
