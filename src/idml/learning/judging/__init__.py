"""How a contribution is judged: the rules of validators, what they look at, and a learner's own defences."""
