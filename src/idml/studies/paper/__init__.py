"""The paper's evaluation, computed anew: every figure and table, and what became of each claim."""
