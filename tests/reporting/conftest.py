"""A run with plausible curves, written through the real store: random contacts, the five cases, stakes and gas."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from idml.store import (
    HONEST,
    AccuracyPoint,
    BaselinePoint,
    DeviceRecord,
    EarningsRecord,
    EncounterRecord,
    ExpulsionRecord,
    Record,
    RunStore,
    StakePoint,
    TransactionRecord,
)

TOKEN = 10**18
REWARD, VALIDATOR_POT, REJECT_POT = 20 * TOKEN, 4 * TOKEN, 8 * TOKEN
THRESHOLD = TARGET = 100 * TOKEN
GAS = {"buy": 68_000, "deposit": 52_000, "stake": 49_000, "open": 101_000, "report": 61_000, "vote": 44_000}
CONFIG = 'seed = 7\nalgorithm = "oppcl"\ndataset = "fashion-mnist"\nreward = 20\n\n[adversaries]\nlabel_flip = 10\n'


class Synthesis:
    """One synthetic run; every draw comes from one generator, so equal arguments give equal records."""

    def __init__(
        self,
        devices: int,
        attackers: int,
        rounds: int,
        kinds: Sequence[str],
        incentive: bool,
        alone: int,
        seed: int,
    ) -> None:
        self.random = random.Random(seed)
        self.devices, self.rounds, self.incentive, self.alone = devices, rounds, incentive, alone
        attacking = sorted(self.random.sample(range(devices), attackers))
        self.kinds = [HONEST] * devices
        for index, device in enumerate(attacking):
            self.kinds[device] = kinds[index % len(kinds)]
        self.block = 0
        self.stake = [200 * TOKEN] * devices
        self.earned = [[0, 0, 0] for _ in range(devices)]
        self.learned = [0.0] * devices
        self.expelled: dict[int, ExpulsionRecord] = {}
        self.cases: dict[str, int] = {**dict.fromkeys("12345", 0), "rejected": 0, "incomplete": 0}
        self.gas: dict[str, int] = {}
        self.opened = self.skipped = 0

    def step(self, step: str, sender: int, contact: int | None) -> TransactionRecord:
        self.block += 1
        gas = GAS[step] + self.random.randrange(-900, 900)
        self.gas[step] = self.gas.get(step, 0) + gas
        return TransactionRecord(self.block, self.block * 12, step, sender, contact, gas)

    def start(self) -> list[Record]:
        records: list[Record] = [
            DeviceRecord(device, f"0x{self.random.getrandbits(160):040x}", kind, 1200)
            for device, kind in enumerate(self.kinds)
        ]
        if self.incentive:
            for device in range(self.devices):
                records += [self.step(step, device, None) for step in ("buy", "deposit", "stake")]
                records.append(StakePoint(self.block, device, self.stake[device]))
        records += [self.measure(0, 0, device) for device in range(self.devices)]
        for _ in range(self.alone):
            level = 0.66 + (self.random.gauss(0, 0.01) if self.alone > 1 else 0)
            records += [
                BaselinePoint("one device alone", round_, 0.1 + level * (1 - math.exp(-round_ / 3)))
                for round_ in range(self.rounds + 1)
            ]
        return records

    def measure(self, round_: int, contact: int, device: int) -> AccuracyPoint:
        learned = max(0.0, self.learned[device])
        accuracy = 0.1 + 0.71 * (1 - math.exp(-learned / 3.5)) + self.random.gauss(0, 0.008)
        return AccuracyPoint(round_, contact, device, accuracy, 10_000)

    def contact(self, contact: int) -> list[Record]:
        round_ = contact // self.devices + 1
        learner, neighbor = self.random.sample(range(self.devices), 2)
        if not self.incentive:
            self.opened += 1
            self.learned[learner] += 1.0 if self.kinds[neighbor] == HONEST else -0.7
            return [
                EncounterRecord(contact, round_, contact * 60, 0, learner, neighbor, "unincentivized", accepted=True)
            ]
        if neighbor in self.expelled:
            self.skipped += 1
            reason = "the neighbor's stake is below the threshold"
            return [EncounterRecord(contact, round_, contact * 60, self.block, learner, neighbor, "skipped", reason)]
        return self.encounter(contact, round_, learner, neighbor)

    def encounter(self, contact: int, round_: int, learner: int, neighbor: int) -> list[Record]:
        self.opened += 1
        identity = f"0x{self.random.getrandbits(256):064x}"
        if self.random.random() < 0.01:
            self.cases["incomplete"] += 1
            opened = self.step("open", learner, contact)
            return [
                EncounterRecord(
                    contact, round_, contact * 60, self.block, learner, neighbor, "incomplete", encounter=identity,
                    gas=opened.gas_used,
                ),
                opened,
            ]  # fmt: skip
        eligible = [d for d in range(self.devices) if d not in (learner, neighbor) and d not in self.expelled]
        validators = self.random.sample(eligible, min(3, len(eligible)))
        good = 0.95 if self.kinds[neighbor] == HONEST else 0.12
        votes = tuple((d, self.kinds[d] != HONEST or self.random.random() < good) for d in validators)
        transactions = [self.step("open", learner, contact)]
        transactions += [self.step("report", party, contact) for party in (neighbor, learner)]
        transactions += [self.step("vote", d, contact) for d in validators]
        case, accepted, changed = self.settle(learner, neighbor, votes)
        self.cases[str(case)] += 1
        if accepted:
            self.learned[learner] += 1.0 if self.kinds[neighbor] == HONEST else -0.7
        records: list[Record] = [*transactions]
        records.append(
            EncounterRecord(
                contact,
                round_,
                contact * 60,
                self.block,
                learner,
                neighbor,
                "settled",
                "",
                case,
                accepted,
                votes,
                identity,
                "0x" + "ab" * 32,
                "0x" + "cd" * 32,
                sum(t.gas_used for t in transactions),
            )
        )
        records += [StakePoint(self.block, device, self.stake[device]) for device in changed]
        for device in changed:
            if self.stake[device] < THRESHOLD and device not in self.expelled:
                self.expelled[device] = ExpulsionRecord(device, self.block, contact, round_)
                records.append(self.expelled[device])
        return records

    def settle(self, learner: int, neighbor: int, votes: tuple[tuple[int, bool], ...]) -> tuple[int, bool, list[int]]:
        yes = [d for d, verdict in votes if verdict]
        no = [d for d, verdict in votes if not verdict]
        if not votes:
            self.pay(learner, 0, -REWARD)
            return 1, False, []
        accepted = len(yes) >= len(no)
        case = (2 if not no else 4) if accepted else (3 if not yes else 5)
        pot = VALIDATOR_POT if accepted else REJECT_POT
        winners, losers = (yes, no) if accepted else (no, yes)
        penalty = pot // len(votes)
        for d in losers:
            self.pay(d, 2, -penalty)
        for d in winners:
            self.pay(d, 2, (pot + len(losers) * penalty) // len(winners))
        self.pay(neighbor, 1, REWARD - VALIDATOR_POT if accepted else -REWARD)
        self.pay(learner, 0, -REWARD if accepted else 0)
        return case, accepted, [neighbor, *losers, *winners]

    def pay(self, device: int, role: int, amount: int) -> None:
        self.earned[device][role] += amount
        if role != 0 and (amount < 0 or self.stake[device] < TARGET):
            self.stake[device] = max(0, self.stake[device] + amount)

    def baseline(self, run: RunStore) -> dict[str, Any] | None:
        last = [point.accuracy for point in run.baselines() if point.round == self.rounds]
        return {"accuracy": sum(last) / len(last), "devices": len(last), "epochs": self.rounds} if last else None

    def summary(self, run: RunStore) -> dict[str, Any]:
        last = {point.device: point.accuracy for point in run.accuracy()}
        honest = [last[d] for d in range(self.devices) if self.kinds[d] == HONEST]
        supply = str(self.devices * 1_000_000 * TOKEN)
        out = sorted(self.expelled)
        return {
            "encounters": self.opened,
            "skipped": self.skipped,
            "cases": self.cases,
            "accuracy": {"mean": sum(honest) / len(honest), "min": min(honest), "max": max(honest)},
            "expelled": {
                "attackers": [d for d in out if self.kinds[d] != HONEST],
                "honest": [d for d in out if self.kinds[d] == HONEST],
            },
            "earnings": {
                "honest": {
                    role: sum(self.earned[d][place] for d in range(self.devices) if self.kinds[d] == HONEST)
                    / len(honest)
                    / TOKEN
                    for place, role in enumerate(("learner", "neighbor", "validator"))
                },
            },
            "tokens": {"supply": supply, "accounts": supply} if self.incentive else None,
            "gas": {
                "per_step": self.gas,
                "per_encounter": sum(g for s, g in self.gas.items() if s in ("open", "report", "vote"))
                // max(self.opened, 1),
            },
            "wall_s": 163.2,
            "train_images": 978_000,
            "eval_images": 489_000,
            "baseline": self.baseline(run),
            "seed": 7,
            "config": {"algorithm": "oppcl", "dataset": "fashion-mnist"},
        }


def write_synthetic_run(
    directory: Path,
    *,
    devices: int = 50,
    attackers: int = 10,
    rounds: int = 20,
    kinds: Sequence[str] = ("label_flip",),
    incentive: bool = True,
    alone: int = 10,
    finished: bool = True,
    seed: int = 7,
) -> Path:
    """Write a run into `directory` and return it."""
    run = Synthesis(devices, attackers, rounds, kinds, incentive, alone, seed)
    with RunStore.create(directory, CONFIG) as store:
        store.append(*run.start())
        for contact in range(devices * rounds):
            store.append(*run.contact(contact))
            if (contact + 1) % devices == 0:
                store.append(*(run.measure(contact // devices + 1, contact, device) for device in range(devices)))
        if finished:
            if incentive:
                store.append(*(EarningsRecord(device, *earned) for device, earned in enumerate(run.earned)))
            store.write_summary(run.summary(store))
    return directory


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    """`write_synthetic_run`, for runs of one's own shape."""
    return write_synthetic_run


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 50 devices, 10 of them attackers, over 20 rounds; not to be changed."""
    return write_synthetic_run(tmp_path_factory.mktemp("runs") / "run")
