"""What both parties and bystanders look at alike: how an encounter ended, and what the time allows."""

from idml.protocol.encounter import BLOCKHASH_REACH, Encounter, Phase
from idml.protocol.events import Ended, Ending, Settled
from idml.protocol.roles.actions import Action, Draw, Finalize, Submit
from idml.protocol.task import TaskParams


def describe(end: Settled | Ended) -> str:
    """How an encounter ended, in words."""
    if isinstance(end, Ended):
        return "incomplete" if end.ending is Ending.INCOMPLETE else "rejected"
    return "settled: " + ("unjudged" if end.accepted is None else "accepted" if end.accepted else "rejected")


def is_late(encounter: Encounter, task: TaskParams, now_s: int) -> bool:
    """Whether the last quarter of a party's window has begun and it may still act: time to stop waiting for others."""
    return encounter.progress.late_s(task) <= now_s <= encounter.progress.due_s(task)


def go_on_if_due(encounter: Encounter, task: TaskParams, now_s: int, block: int) -> list[Action]:
    """Ask for what anyone may do in a block of this time and number: draw a contested committee, or finalize."""
    progress = encounter.progress
    if progress.phase is Phase.CONTESTED and progress.seed_block < block <= progress.seed_block + BLOCKHASH_REACH:
        return [Submit(Draw())]
    return finalize_if_due(encounter, task, now_s, block)


def finalize_if_due(encounter: Encounter, task: TaskParams, now_s: int, block: int) -> list[Action]:
    """Ask to finalize an encounter if the ledger allows it in a block of this time and number."""
    return [Submit(Finalize())] if encounter.progress.finalizable(task, now_s, block) else []
