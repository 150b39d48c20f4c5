"""One thing of each kind, in files outside the package, as somebody plugs them in on the command line.

What is plugged in is the examples. Each kind works with several workers and after a stop as it works in one process.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from idml.adapters.keys import draw_seed
from idml.cli.main import main
from idml.store import RunStore
from idml.store.errors import StoreError

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = {
    "algorithm": "custom_algorithm.py:MeetInTheMiddle",
    "dataset": "custom_dataset.py:Stripes",
    "partition": "custom_partition.py:Skewed",
    "model": "custom_model.py:TwoLayers",
    "rule": "custom_rule.py:MedianLoss",
    "defence": "custom_defence.py:SameWay",
    "adversaries": "custom_adversary.py:Miser",
    "contacts": "custom_contacts.py:Circle",
}
METHODS = {
    "algorithm": "contribute",
    "dataset": "load",
    "partition": "deal",
    "model": "build",
    "rule": "harm",
    "defence": "takes",
    "adversaries": "contribute",
    "contacts": "contacts",
}
HEAVY = {"algorithm", "model", "rule", "adversaries"}
"""Kinds that do their work in workers."""
KEYS = {
    "width": 4,
    "devices": 8,
    "encounters": 80,
    "images_per_device": 100,
    "validation_images": 30,
    "baseline_devices": 1,
    "checkpoint_s": 0,
    "threads": 1,
}
# Each thing notes who calls it: the process, and the seed that it was given, if any.
SPY = """

def _spy(kind, method):
    import functools, os
    called = getattr(kind, method)
    @functools.wraps(called)
    def call(*arguments, **named):
        with open({log!r}, "a") as log:
            log.write(f"{key} {{os.getpid()}} {{named.get('seed')}}\\n")
        return called(*arguments, **named)
    setattr(kind, method, call)

_spy({name}, {method!r})
"""


def settings(names: dict[str, str], **more: Any) -> list[str]:
    """Options of the command line."""
    pairs = {**{key: name for key, name in names.items() if key != "adversaries"}, **KEYS, **more}
    if "adversaries" in names:
        pairs[f"adversaries.{names['adversaries']}"] = 2
    return [part for key, value in pairs.items() for part in ("--set", f"{key}={value}")]


def idml(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "idml.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**os.environ, **environment})


def results(directory: Path) -> tuple[dict[str, Any], list[bytes]]:
    """All that a run comes to: its summary but for the time, and its models."""
    with RunStore.open(directory) as store:
        summary = store.read_summary()
        assert summary is not None
        del summary["wall_s"], summary["made_by"]
        return summary, [store.model_path(record.device).read_bytes() for record in store.devices()]


def encounters(directory: Path) -> int:
    """How many a run has had so far."""
    try:
        with RunStore.open(directory) as store:
            return sum(1 for _ in store.encounters())
    except StoreError:  # it is not there yet
        return 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The examples, in a folder of somebody else."""
    for example in EXAMPLES.glob("custom_*.py"):
        shutil.copy(example, tmp_path)
    return tmp_path


def calls(log: Path) -> dict[str, set[tuple[int, str]]]:
    """By key, the processes that called the thing and the seeds that they gave it."""
    found: dict[str, set[tuple[int, str]]] = {key: set() for key in NAMES}
    for line in log.read_text().splitlines():
        key, process, seed = line.split()
        found[key].add((int(process), seed))
    return found


@pytest.mark.slow
def test_all_kinds_with_workers_and_after_a_stop_are_what_they_are_in_one_process(folder: Path) -> None:
    log = folder / "calls"
    for key, place in NAMES.items():
        file, _, name = place.partition(":")
        with (folder / file).open("a") as text:
            text.write(SPY.format(log=str(log), key=key, name=name, method=METHODS[key]))
    run = ["run", *settings(NAMES), "--no-report"]

    alone = idml(*run, "--out", "alone", cwd=folder)
    assert alone.returncode == 0, alone.stderr
    expected, models = results(folder / "alone")
    assert all(calls(log).values())
    log.unlink()

    with subprocess.Popen(
        [sys.executable, "-m", "idml.cli.main", *run, "--out", "stopped", "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    ) as process:
        while encounters(folder / "stopped") < 10:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "go on with: idml run --resume stopped" in process.stderr.read()
    assert process.returncode == 130
    called = calls(log)
    for key in NAMES:
        elsewhere = {process_id for process_id, _ in called[key]} - {process.pid}
        assert bool(elsewhere) == (key in HEAVY), key
    # With the seed of the run, not of the check before it.
    assert (process.pid, str(draw_seed(1, "partition"))) in called["partition"]

    resumed = idml("run", "--resume", "stopped", "--no-report", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    found, others = results(folder / "stopped")
    assert (found, others) == (expected, models)

    # It is these things that did it.
    assert {key: found["config"][key] for key in NAMES if key != "adversaries"} == {
        key: name for key, name in NAMES.items() if key != "adversaries"
    }
    assert found["config"]["adversaries"] == {NAMES["adversaries"]: 2}
    assert found["kinds"]["miser"]["devices"] == 2
    assert found["config"]["tolerance"] == 0.2
    assert sum(kind["discarded"] for kind in found["kinds"].values()) > 0
    with RunStore.open(folder / "stopped") as store:
        met = [(one.learner, one.neighbor) for one in store.encounters()]
        sizes = {record.images for record in store.devices()}
    assert met == [(index % 8, (index % 8 + 1 + index // 8 % 7) % 8) for index in range(80)]
    assert sizes == {100}
    header = models[0][8 : 8 + int.from_bytes(models[0][:8], "little")]
    assert {tuple(one["shape"]) for one in json.loads(header).values()} == {(16, 64), (16,), (3, 16), (3,)}


@pytest.mark.parametrize("key", ["rule", "defence", "adversaries", "contacts"])
def test_what_has_changed_is_not_gone_on_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    monkeypatch.chdir(folder)
    options = settings({"dataset": "digits", "model": "linear", key: NAMES[key]}, encounters=1)
    assert main(["run", *options, "--out", "run", "--no-report"]) == 0
    (folder / "run" / "summary.json").unlink()  # as if it had been stopped before its end
    file = folder / NAMES[key].partition(":")[0]
    content = file.read_text()
    file.write_text(content + "\n# another one\n")
    capsys.readouterr()
    assert main(["run", "--resume", "run"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"{NAMES[key]} has changed since the run began" in said[0]
    file.write_text(content)
    assert main(["run", "--resume", "run", "--no-report"]) == 0


@pytest.mark.parametrize("key", NAMES)
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nothing", "is 'nothing': choose "),
        ("nothing.py:Mine", "is 'nothing.py:Mine': there is no file nothing.py"),
        ("custom_rule.py:np.ndarray", "is 'custom_rule.py:np.ndarray': class ndarray is no "),
    ],
)
def test_a_wrong_name_is_told_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str, name: str, line: str
) -> None:
    monkeypatch.chdir(folder)
    assert main(["run", *settings({"dataset": "digits", key: name}), "--out", "run"]) == 2
    said = capsys.readouterr().err
    kind = "adversary" if key == "adversaries" else key
    assert said.startswith(f"idml: {kind} {line}")
    assert said.count("\n") == 1
    assert not (folder / "run").exists()


@pytest.mark.parametrize(
    ("key", "method", "answer", "line"),
    [
        ("rule", "harm", "None", "harm() returned None: return one number"),
        ("defence", "takes", "None", "takes() returned None: return True or False"),
        ("adversaries", "blind_vote", "'yes'", "blind_vote() returned 'yes': return True, False or None"),
        ("contacts", "contacts", "iter([])", "contacts() ended after 0 of 80 contacts"),
    ],
)
def test_what_would_break_a_run_is_told_before_it_begins(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key: str,
    method: str,
    answer: str,
    line: str,
) -> None:
    monkeypatch.chdir(folder)
    file, _, name = NAMES[key].partition(":")
    text = (folder / file).read_text()
    (folder / file).write_text(f"{text}\n{name}.{method} = lambda *_: {answer}\n")
    assert main(["run", *settings({"dataset": "digits", key: NAMES[key]}), "--out", "run"]) == 2
    said = capsys.readouterr().err
    kind = "adversary" if key == "adversaries" else key
    assert said.startswith(f"idml: {kind} is '{NAMES[key]}': {line}")
    assert said.count("\n") == 1
    assert not (folder / "run").exists()


def test_two_adversaries_of_one_kind_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    shutil.copy("custom_adversary.py", "other.py")
    both = ["--set", "adversaries.other.py:Miser=1", "--set", "adversaries.custom_adversary.py:Miser=1"]
    assert main(["run", "--set", "dataset=digits", *both, "--out", "run"]) == 2
    assert capsys.readouterr().err.startswith(
        "idml: adversaries other.py:Miser and custom_adversary.py:Miser have one kind, 'miser': "
    )


def test_a_table_names_an_adversary_in_a_file_and_its_attack_is_measured(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with (folder / "custom_adversary.py").open("a") as text:
        text.write("\nfrom idml.learning.data.poisons import Relabel\nMiser.poison = Relabel('all')\n")
    table = '[adversaries]\nsybil = 1\n"custom_adversary.py:Miser" = 2\n'
    (folder / "run.toml").write_text(f'dataset = "digits"\nmodel = "linear"\n{table}')
    assert main(["run", "run.toml", "--set", "devices=6", "--set", "encounters=2", "--out", "run", "--no-report"]) == 0
    summary, _ = results(folder / "run")
    assert {kind: of["devices"] for kind, of in summary["kinds"].items()} == {"honest": 3, "miser": 2, "sybil": 1}
    assert set(summary["attack_success"]) == {"miser", "sybil"}
    assert summary["config"]["adversaries"] == {"sybil": 1, "custom_adversary.py:Miser": 2}


@pytest.mark.parametrize("incentive", ["true", "false"])
def test_a_defence_is_given_as_many_updates_as_it_remembers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, incentive: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / "noting.py").write_text(
        "import idml\n"
        "class Noting(idml.Defence):\n"
        "    remembers = 2\n"
        "    def takes(self, update, recent):\n"
        "        if update.size == 650:  # not what the check shows\n"
        "            with open('seen', 'a') as seen:\n"
        "                seen.write(f'{len(recent)}\\n')\n"
        "        return bool(update.sum() > -1e9)\n"
    )
    options = settings({"dataset": "digits", "model": "linear", "defence": "noting.py:Noting"}, incentive=incentive)
    assert main(["run", *options, "--out", "run", "--no-report"]) == 0
    assert set((folder / "seen").read_text().split()) == {"0", "1", "2"}


@pytest.mark.slow
def test_what_an_installed_package_brings_is_listed_and_runs(tmp_path: Path) -> None:
    package = tmp_path / "packages"
    (package / "demo_rules-1.0.dist-info").mkdir(parents=True)
    shutil.copy(EXAMPLES / "custom_rule.py", package / "demo_rules.py")
    (package / "demo_rules-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: demo-rules\nVersion: 1.0\n"
    )
    (package / "demo_rules-1.0.dist-info" / "entry_points.txt").write_text(
        "[idml.rules]\nmedian = demo_rules:MedianLoss\n[idml.models]\nlost = demo_rules:Nothing\n"
    )
    listed = idml("list", cwd=tmp_path, PYTHONPATH=str(package))
    assert listed.returncode == 0, listed.stderr
    lines = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    assert ["median", "The median loss may rise by the tolerance, as a share of what it was. [demo-rules]"] in lines
    assert any(line[0] == "lost" and line[1].startswith("cannot be imported: ") for line in lines)
    run = [
        "run",
        *settings({"dataset": "digits", "rule": "median", "model": "linear"}),
        "--workers",
        "2",
        "--no-report",
    ]
    done = idml(*run, "--out", "run", cwd=tmp_path, PYTHONPATH=str(package))
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "run")[0]["config"]["rule"] == "median"
    # Where the package is not there, its name is none.
    gone = idml(*run, "--out", "other", cwd=tmp_path)
    assert gone.returncode == 2
    assert gone.stderr.startswith("idml: rule is 'median': choose paper, loss, ")
