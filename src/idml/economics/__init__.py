"""Computes what it pays to vote, to help and to collude under a task, how long stakes last, and what to choose.

All payoffs are exact: they come from the settlement function, weighted by the probability of each outcome of the votes.
"""

from idml.economics.advice import Advice, Criteria, advise
from idml.economics.collusion import Raid, Ring, ring_votes, rob_learner, rob_neighbor
from idml.economics.payoffs import SEALED, NeighborWork, Strategy, Verdicts, accepted, neighbor_value, vote_value
from idml.economics.regions import best_vote, best_work, honesty_threshold, junk_threshold, vote_lead
from idml.economics.stakes import Pledge, gains, losses, mean_rounds, round_moves

__all__ = [
    "SEALED",
    "Advice",
    "Criteria",
    "NeighborWork",
    "Pledge",
    "Raid",
    "Ring",
    "Strategy",
    "Verdicts",
    "accepted",
    "advise",
    "best_vote",
    "best_work",
    "gains",
    "honesty_threshold",
    "junk_threshold",
    "losses",
    "mean_rounds",
    "neighbor_value",
    "ring_votes",
    "rob_learner",
    "rob_neighbor",
    "round_moves",
    "vote_lead",
    "vote_value",
]
