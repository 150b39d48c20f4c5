"""Whole runs give the numbers and models that they gave where they were written down, whatever machine this is.

Where rules, defaults or what a result is were meant to change, write down what `python test_same_run.py all` prints.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import idml
from idml.learning.native.library import DEFINITION, instruction_set
from idml.store.records import EncounterRecord
from idml.store.run_store import RunStore

CHANGING = ("wall_s", "made_by", "gas", "config", "trained_on")
"""What a machine or the contract's code decides, and what names the run."""
GOLDEN: dict[int, dict[str, str]] = {
    1: {
        "poisoned": "c0fda0c354572332f13c12b73cf959b331461cf7c7ea4aa2cb560d575d7a9fca",
        "rings": "cbc9d271560f8afd6abf96296559604db678d054977aeed6db79af06446ebe7d",
        "denied": "0d5035c871e1fae7af2c95705453ae7bdb3b0bf20a101873b15cd16f0ed29a90",
        "denied_paper": "78320ee206408fc1bea5548e3bb91554d3e5eaab8ea02946dd69b568db98977c",
        "absent": "8a708678d67fee66f4b364318758f1e98e4792bcbbae97cb152c07b6e62a5be1",
        "sybils": "82483d295a92b7eb5bf2d883614d4cf4b9fbcdfc6a142c2ac4a56daef2371fcf",
        "trace": "ad062437891a2d4ec57c6bec2e18ce733e5bae7f5105cf381bbe951dcfaa6bde",
        "trace_paper": "c04b6d949f7a14d530a771dd5bc9c0eb36d13cf8a5ade2850983b6e7231463d2",
        "unpaid": "95872b049eabea9393dcc08f2cc15701fcd3c1a6552a5d54eede3044489c4ab8",
    },
}
"""By the version of what a result is, then by the run's name."""
FIRST = "poisoned"
"""The one that is played where playing takes minutes."""

LINEAR: dict[str, Any] = {
    "model": "linear",
    "devices": 12,
    "encounters": 240,
    "images_per_device": 80,
    "validation_images": 40,
    "baseline_devices": 1,
}
# Whoever keeps an encounter open keeps it open over a hundred contacts.
DRAGGING: dict[str, Any] = {"contact_interval_s": 5, "completion_window_s": 600, "voting_window_s": 1_200}
# A model takes ten seconds each way, and so does training on 80 images: see `write_trace`.
ON_TRACE: dict[str, Any] = {
    "contacts": "contacts.csv",
    "link_bytes_s": 265,
    "compute_images_s": 8,
    "completion_window_s": 300,
    "voting_window_s": 900,
}
# Nobody here returns random weights: the tails of normal numbers are the C library's.
SETTINGS: dict[str, dict[str, Any]] = {
    "poisoned": {
        "model": "small",
        "dropout": 0.1,
        "learning_rate": 0.1,
        "devices": 8,
        "encounters": 100,
        "images_per_device": 100,
        "validation_images": 50,
        "stake": 150,
        "reward": 40,
        "adversaries": {"label_flip_all": 2, "sign_flip": 1},
        "seed": 7,
    },
    "rings": {
        **LINEAR,
        "algorithm": "gossip",
        "preset": "paper",
        "reward": 15,
        "adversaries": {"copy_votes": 2, "collude_learner": 3, "invert": 1},
    },
    "denied": {**LINEAR, **DRAGGING, "adversaries": {"deny": 2, "silent_learner": 2, "withhold": 2, "swap": 2}},
    "denied_paper": {
        **LINEAR,
        **DRAGGING,
        "algorithm": "gossip",
        "preset": "paper",
        "adversaries": {"deny": 2, "silent_learner": 2, "withhold": 2, "swap": 2},
    },
    "absent": {
        **LINEAR,
        "algorithm": "gossip",
        "local_epochs": 1,
        "validators": 4,
        "committee": 6,
        "adversaries": {"no_show": 2, "withhold": 2, "swap": 2},
    },
    "sybils": {**LINEAR, "tolerance": 0, "reward": 60, "adversaries": {"sybil": 3, "drift": 1, "backdoor": 1}},
    "trace": {**LINEAR, **ON_TRACE, "reward": 40, "adversaries": {"scaling": 3, "deny": 1}},
    "trace_paper": {
        **LINEAR,
        **ON_TRACE,
        "algorithm": "gossip",
        "local_epochs": 1,
        "preset": "paper",
        "adversaries": {"deny": 2, "withhold": 1, "swap": 1, "copy_votes": 2},
    },
    "unpaid": {
        **LINEAR,
        **ON_TRACE,
        "incentive": False,
        "adversaries": {"no_show": 2, "withhold": 1, "swap": 1, "label_flip_all": 2},
    },
}


def write_trace(path: Path) -> None:
    """Contacts of twelve devices, several at a time, that last for all, two, one or none of an exchange's parts."""
    lengths, rows = (45, 36, 25, 15, 5), []
    for number in range(LINEAR["encounters"]):
        turn, one = divmod(number, 12)
        other = (one + 1 + turn % 5) % 12
        rows.append(f"{4 * number},{one},{other},{4 * number + lengths[number % 5]}\n")
    path.write_text("time_start,client1,client2,time_end\n" + "".join(rows))


class Story:
    """What happened in a run, by which it is told whether the run is one that is worth repeating."""

    def __init__(self, run: idml.Run) -> None:
        self.summary = run.summary
        with RunStore.open(run.directory) as store:
            self.kinds = {device.device: device.kind for device in store.devices()}
            self.encounters = [encounter for encounter in store.encounters() if encounter.status != "skipped"]
            done = [(tx.contact, tx.step) for tx in store.transactions() if tx.contact is not None]
        self.steps: dict[int, list[str]] = {}
        for contact, step in done:
            self.steps.setdefault(contact, []).append(step)
        last = {contact: place for place, (contact, _) in enumerate(done)}
        standing: set[int] = set()
        self.open_at_once = 0
        for place, (contact, _) in enumerate(done):
            standing.add(contact)
            self.open_at_once = max(self.open_at_once, len(standing))
            if last[contact] == place:
                standing.remove(contact)

    def between(self, learner: str, neighbor: str) -> list[EncounterRecord]:
        """The encounters between devices of two kinds; "": of any."""
        return [
            encounter
            for encounter in self.encounters
            if learner in ("", self.kinds[encounter.learner]) and neighbor in ("", self.kinds[encounter.neighbor])
        ]

    def endings(self, learner: str, neighbor: str) -> set[tuple[str, ...]]:
        """How encounters between two kinds ended: status and steps, but for votes, of each that was not broken off."""
        return {
            (encounter.status, *(step for step in self.steps.get(encounter.contact, ()) if step != "vote"))
            for encounter in self.between(learner, neighbor)
            if not encounter.reason
        }

    @property
    def breaks(self) -> int:
        """At how many stages exchanges were broken off."""
        return len({encounter.reason for encounter in self.encounters if encounter.reason})


def poisoned(story: Story) -> None:
    """Models are poisoned, votes differ and attackers fall out."""
    assert len(story.summary["expelled"]["attackers"]) == 3
    assert all(story.summary["cases"][case] for case in "2345")


def rings(story: Story) -> None:
    """Anyone may vote: a ring rejects whatever its own are helped with, copiers vote last, honest devices fall out."""
    for encounter in story.between("collude_learner", ""):
        assert not any(verdict for voter, verdict in encounter.votes if story.kinds[voter] == "collude_learner")
    helped = story.between("collude_learner", "honest")
    assert any(encounter.accepted is False and any(verdict for _, verdict in encounter.votes) for encounter in helped)
    copied = []
    for encounter in story.encounters:
        verdicts = [verdict for _, verdict in encounter.votes]
        copiers = [story.kinds[voter] == "copy_votes" for voter, _ in encounter.votes]
        assert copiers == sorted(copiers)
        for place in range(copiers.count(False), len(copiers)):
            assert verdicts[place] == (2 * sum(verdicts[:place]) >= place)
            copied.append(verdicts[place])
    assert set(copied) == {True, False}
    assert story.summary["expelled"]["honest"]


def denied(story: Story) -> None:
    """Learners deny or fall silent, and pay all the same: their neighbors contest, and a committee is drawn."""
    contested = ("report_neighbor", "report_learner", "contest", "draw")
    assert story.endings("deny", "honest") == {("settled", "open", *contested)}
    assert story.endings("honest", "swap") == {("settled", "open", *contested)}
    assert story.endings("silent_learner", "honest") == {("settled", "open", "report_neighbor", "contest", "draw")}
    assert story.endings("", "withhold") == {("incomplete", "open", "report_neighbor", "finalize")}
    assert story.open_at_once > 100


def denied_paper(story: Story) -> None:
    """Nobody can contest: whoever denies, falls silent, withholds or swaps leaves an incomplete encounter."""
    unsettled = ("incomplete", "open", "report_neighbor", "finalize")
    assert story.endings("silent_learner", "honest") == story.endings("", "withhold") == {unsettled}
    for learner, neighbor in (("deny", "honest"), ("honest", "swap")):
        assert story.endings(learner, neighbor) == {(*unsettled[:3], "report_learner", "finalize")}
    assert story.endings("honest", "honest") == {("settled", "open", "report_both")}
    assert story.open_at_once > 100


def absent(story: Story) -> None:
    """Neighbors accept and do not show up; four of a committee of six are enough to vote on what others bring."""
    assert story.endings("", "no_show") == {("incomplete", "open", "finalize")}
    assert story.endings("honest", "withhold") == {("incomplete", "open", "report_neighbor", "finalize")}
    assert any("contest" in steps for steps in story.endings("honest", "swap"))
    assert {len(encounter.votes) for encounter in story.encounters if encounter.status == "settled"} == {4}


def sybils(story: Story) -> None:
    """Attackers fall out, and some come back under another name and fall out again."""
    assert story.summary["kinds"]["sybil"]["expelled"] == 3
    assert story.summary["kinds"]["sybil"]["rejoined"] > 3
    assert len(story.summary["expelled"]["attackers"]) > 3
    assert all(story.summary["cases"][case] for case in "2345")


def trace(story: Story) -> None:
    """Exchanges break off at each of their stages while many encounters are open, and attackers fall out."""
    assert story.breaks == 3
    assert story.open_at_once > 20
    assert "settled" in {encounter.status for encounter in story.between("honest", "honest")}
    assert {"contest", "draw"} <= {step for steps in story.endings("deny", "honest") for step in steps}
    assert len(story.summary["expelled"]["attackers"]) == 3


def trace_paper(story: Story) -> None:
    """Exchanges in which nobody trains break off on either way; others are denied, withheld or swapped."""
    assert story.breaks == 2
    assert story.open_at_once > 20
    assert story.endings("honest", "honest") == {("settled", "open", "report_both")}
    for learner, neighbor in (("deny", "honest"), ("honest", "withhold"), ("honest", "swap")):
        assert {ending for ending, *_ in story.endings(learner, neighbor)} == {"incomplete"}
    assert all(story.summary["cases"][case] for case in "234")


def unpaid(story: Story) -> None:
    """No ledger: what is handed over is merged, poisoned or not, unless the exchange breaks off."""
    assert story.breaks == 3
    assert not story.steps
    for kind in ("no_show", "withhold", "swap", "label_flip_all", "honest"):
        merged = {encounter.accepted for encounter in story.between("", kind) if not encounter.reason}
        assert merged == {kind not in ("no_show", "withhold")}


STORIES: dict[str, Callable[[Story], None]] = {
    story.__name__: story
    for story in (poisoned, rings, denied, denied_paper, absent, sybils, trace, trace_paper, unpaid)
}


def settings_of(name: str, place: Path) -> dict[str, Any]:
    """The settings of a run, with the trace that it follows written into a directory."""
    settings = {"dataset": "digits", "backend": "native", "report": False, **SETTINGS[name]}
    if "contacts" in settings:
        settings["contacts"] = str(place / settings["contacts"])
        write_trace(Path(settings["contacts"]))
    return settings


def digest(name: str, run: idml.Run) -> str:
    """The digest of a run, in which what it is named for must have happened."""
    STORIES[name](Story(run))
    summary = {key: value for key, value in run.summary.items() if key not in CHANGING}
    models = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((run.directory / "models").iterdir())]
    return hashlib.sha256(json.dumps([summary, models], sort_keys=True).encode()).hexdigest()


def play(name: str, place: Path, workers: int = 1) -> str:
    """The digest of a run that is played in a directory in one go."""
    return digest(name, idml.run(place / "run", workers=workers, **settings_of(name, place)))


QUICK = ("poisoned", "denied", "trace_paper")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SETTINGS]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_what_it_was_on_another_machine(tmp_path: Path, name: str, workers: int) -> None:
    assert play(name, tmp_path, workers) == GOLDEN[DEFINITION][name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["denied", pytest.param("trace", marks=pytest.mark.slow), "trace_paper"])
def test_a_run_that_was_stopped_while_encounters_are_open_is_what_it_was(tmp_path: Path, name: str) -> None:
    def stop(snapshot: Any) -> None:
        if snapshot.contact == SETTINGS[name]["encounters"] // 2:
            raise idml.Stopped

    with pytest.raises(idml.Stopped):
        idml.run(tmp_path / "run", observer=stop, **settings_of(name, tmp_path))
    with RunStore.open(tmp_path / "run") as store:
        opened = sum(transaction.step == "open" for transaction in store.transactions())
        ended = sum(encounter.status != "skipped" for encounter in store.encounters())
    assert opened > ended > 0
    resumed = idml.resume(tmp_path / "run", report=False)
    assert digest(name, resumed) == GOLDEN[DEFINITION][name]


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="an emulated processor runs the Python of this one")
def test_a_run_is_the_same_on_an_older_processor() -> None:
    if shutil.which("qemu-x86_64") is None:
        pytest.skip("qemu-x86_64 is not here: apt-get install qemu-user")
    # One of 2013: AVX2, no AVX-512. It picks other code in this library, in numpy and in OpenBLAS.
    command = ["qemu-x86_64", "-cpu", "Haswell-noTSX", sys.executable, __file__]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1_500)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["x86_64_v3", FIRST, GOLDEN[DEFINITION][FIRST]]


if __name__ == "__main__":
    print(instruction_set())
    for name in SETTINGS if sys.argv[1:] == ["all"] else sys.argv[1:] or [FIRST]:
        with tempfile.TemporaryDirectory() as place:
            print(name, play(name, Path(place)), flush=True)
