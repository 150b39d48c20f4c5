"""Who is asked to vote where anyone may."""

import numpy as np

from idml.adapters.keys import draw_seed
from idml.protocol.roles import Part
from idml.protocol.task import TaskParams
from idml.simulation.accounts import Accounts
from idml.simulation.contacts import Contact
from idml.simulation.devices import Device
from idml.simulation.setup import World

_DRAWS = 64


class OpenVoters:
    """Whom the parties ask: V eligible devices, drawn for each encounter; those of a party's ring before all others.

    Args:
        world: who takes part.
        accounts: who is staked; None without an incentive.
        task: the rules.
    """

    def __init__(self, world: World, accounts: Accounts | None, task: TaskParams) -> None:
        self._world = world
        self._accounts = accounts
        self._task = task

    def __call__(self, contact: Contact, encounter: int) -> list[int]:
        """Device numbers in the order of asking; none where a committee is drawn.

        Args:
            contact: who meets whom.
            encounter: how many the learner will have had.
        """
        task, accounts, devices = self._task, self._accounts, self._world.devices
        if task.committee_size or accounts is None:
            return []
        parties = (contact.learner, contact.neighbor)
        seed = draw_seed(*devices[contact.learner].encounter_key(self._world.settings.seed, encounter)("validators"))
        generator = np.random.default_rng(seed)
        # Nearly always a few draws do; only where hardly anyone is left, all are looked at.
        able = dict.fromkeys(
            index
            for index in (*self._friends(contact), *generator.integers(len(devices), size=_DRAWS).tolist())
            if index not in parties and accounts.eligible(index)
        )
        if len(able) < task.votes:
            able |= dict.fromkeys(
                index
                for index in generator.permutation(len(devices)).tolist()
                if index not in parties and accounts.eligible(index)
            )
        return list(able)[: task.votes]

    def _friends(self, contact: Contact) -> list[int]:
        """Those whom a party has vote before anyone else can."""
        devices = self._world.devices
        parts: tuple[tuple[Part, Device], ...] = (
            ("learner", devices[contact.learner]),
            ("neighbor", devices[contact.neighbor]),
        )
        kinds = {device.participant.asks_first(part) for part, device in parts} - {None}
        return [device.index for device in devices if device.participant.kind in kinds] if kinds else []
