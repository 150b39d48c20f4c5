"""What both parties and bystanders do alike: whom to ask to judge, how an encounter ended, what the time allows."""

from collections.abc import Sequence

from idml.protocol.encounter import BLOCKHASH_REACH, Encounter, Phase
from idml.protocol.events import Ended, Settled
from idml.protocol.roles.actions import Action, Draw, Finalize, Send, Submit
from idml.protocol.roles.conversation import ValidationRequest
from idml.protocol.task import TaskParams


def ask_to_judge(encounter: Encounter, task: TaskParams, result: bytes, validators: Sequence[bytes]) -> list[Action]:
    """Ask for votes on an encounter that is under validation, as either party does.

    Args:
        result: digest of what is to be judged, 32 bytes.
        validators: whom to ask where anyone may vote; otherwise the committee is asked.
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
