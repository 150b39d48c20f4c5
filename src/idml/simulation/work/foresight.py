"""Guesses how a contact will go, so that its heavy work can begin early. A wrong guess costs time and nothing else."""

from collections.abc import Callable, Sequence

from idml.protocol.committee import Seat, draw_committee
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Terms, committee_seed
from idml.simulation.accounts import Accounts
from idml.simulation.contacts import Contact
from idml.simulation.setup import World
from idml.simulation.timing import ExchangeStage
from idml.simulation.work.ahead import ContactForecast
from idml.simulation.work.encounter import contributes


class Foresight:
    """A `Forecaster`. It guesses who will judge an encounter by drawing the committee in advance.

    It assumes that all devices took a seat in the order of their numbers, and that expelled devices have left theirs.

    Args:
        world: the devices and their contacts.
        accounts: the participants' accounts; None without an incentive.
        expelled: devices whose stake has fallen below the threshold. The run adds to this list.
        open_voters: returns whom a learner asks for votes if anyone may vote, by contact and number of the encounter.
    """

    def __init__(
        self,
        world: World,
        accounts: Accounts | None,
        expelled: Sequence[int],
        open_voters: Callable[[Contact, int], list[int]],
    ) -> None:
        self._world = world
        self._accounts = accounts
        self._expelled = expelled
        self._open_voters = open_voters
        self._task = world.config.task()
        self._numbers: dict[bytes, int] = {}
        self._seats: list[Seat] = []
        self._known: dict[tuple[int, int], ContactForecast] = {}
        self._turns = -1

    def __call__(self, contact: Contact, encounter: int) -> ContactForecast | None:
        """See `idml.simulation.work.ahead.Forecaster`."""
        stage = self._world.broken_off(contact)
        lasts = stage is None or (stage is ExchangeStage.RETURNING and self._accounts is not None)
        works = lasts and contributes(self._world.devices[contact.neighbor].participant, ZERO_WORD)
        if self._accounts is None:
            return ContactForecast(None, contributes=works, broken_off=stage is not None)
        if not self._accounts.eligible(contact.neighbor):
            return None
        turns = len(self._expelled) + sum(bool(device.since) for device in self._world.devices)
        if self._turns != turns:
            self._turns = turns
            self._numbers = {device.account: device.index for device in self._world.devices}
            self._known.clear()
            self._seats = [
                Seat(device.account, 0, 0, 1 if self._accounts.eligible(device.index) else 0)
                for device in self._world.devices
            ]
        key = contact.index, encounter
        if key not in self._known:
            voters = self._committee(contact, encounter) or self._open_voters(contact, encounter)
            self._known[key] = ContactForecast(tuple(voters), contributes=works, broken_off=stage is not None)
        return self._known[key]

    def _committee(self, contact: Contact, encounter: int) -> list[int]:
        if not self._task.committee_size:
            return []
        devices, settings = self._world.devices, self._world.settings
        learner, neighbor = devices[contact.learner], devices[contact.neighbor]
        key = learner.encounter_key(settings.seed, encounter)
        seed = committee_seed(learner.secret(key), neighbor.secret(key))
        terms = Terms(
            task=self._task.id,
            learner=learner.account,
            neighbor=neighbor.account,
            reward=0,
            model_before=ZERO_WORD,
            learner_commitment=ZERO_WORD,
            neighbor_commitment=ZERO_WORD,
            seats=len(self._seats),
            as_of=1,
            deadline=1,
            nonce=encounter,
        )
        return [self._numbers[member] for member in draw_committee(terms, seed, self._task.committee_size, self._seats)]
