"""What several roles do in the same way: ask for votes, say how an encounter ended, and act when its time is up."""

from collections.abc import Sequence

from idml.protocol.encounter import BLOCKHASH_REACH, Encounter, Phase
from idml.protocol.events import Ended, Settled
from idml.protocol.roles.actions import Action, Draw, Finalize, Send, Submit
from idml.protocol.roles.conversation import ValidationRequest
from idml.protocol.task import TaskParams


def ask_to_judge(encounter: Encounter, task: TaskParams, result: bytes, validators: Sequence[bytes]) -> list[Action]:
    """Ask for votes on an encounter that is under validation, as either party does.

    Args:
        encounter: the encounter.
        task: its rules.
        result: digest of what is to be judged, 32 bytes.
        validators: addresses of those to ask if anyone may vote. If there is a committee, the committee is asked.
    """
    request = ValidationRequest(encounter.id, encounter.terms.model_before, result)
    judges = encounter.progress.committee if task.committee_size else validators
    return [Send(judge, request) for judge in judges]


def describe(end: Settled | Ended) -> str:
    """How an encounter ended, in words."""
    if isinstance(end, Ended):
        return end.ending.name.lower()
    return "settled: " + ("unjudged" if end.accepted is None else "accepted" if end.accepted else "rejected")


def is_late(encounter: Encounter, task: TaskParams, now_s: int) -> bool:
    """Whether a party should stop waiting for others: its window's last quarter has begun, and it may still act."""
    return encounter.progress.late_s(task) <= now_s <= encounter.progress.due_s(task)


def go_on_if_due(encounter: Encounter, task: TaskParams, now_s: int, block: int) -> list[Action]:
    """Ask for what anyone may do in a block of this time (s) and number: draw a contested committee, or finalize."""
    progress = encounter.progress
    if progress.phase is Phase.CONTESTED and progress.seed_block < block <= progress.seed_block + BLOCKHASH_REACH:
        return [Submit(Draw())]
    return finalize_if_due(encounter, task, now_s, block)


def finalize_if_due(encounter: Encounter, task: TaskParams, now_s: int, block: int) -> list[Action]:
    """Ask to finalize an encounter if the ledger allows it in a block of this time (s) and number."""
    return [Submit(Finalize())] if encounter.progress.finalizable(task, now_s, block) else []
