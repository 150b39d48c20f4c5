"""iDML's layer between the incentive and a learning algorithm (paper, Fig. 1): plug an algorithm in."""
