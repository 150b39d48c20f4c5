"""The table of attacks: what runs say, over seeds; what was run is not run again, what was stopped goes on."""

import csv
import io
import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idml.cli.main import main
from idml.learning.data.datasets import find_dataset
from idml.learning.data.files import find_file
from idml.learning.judging.registry import RULES
from idml.learning.judging.validation import RULES_VERSION
from idml.simulation.config import ConfigError, make_config
from idml.simulation.runs import resume
from idml.store.run_reader import DATABASE
from idml.studies.attacks import PEACE, VARIANTS, AttackRow, AttackTable
from idml.studies.batch import RunBatch
from idml.studies.errors import StudyError
from idml.studies.evaluation import Evaluation
from idml.studies.scales import NATURAL_TRACE, SCALES, EvaluationSize
from idml.studies.tables import attacks_csv, attacks_markdown

from .conftest import Stopping

IN_THE_WAY = "file is a file, where a folder must be: choose another --out, or move the file"
SMOKE = SCALES["smoke"].evaluation
SMALL = replace(SMOKE, config={**SMOKE.config, "encounters": 20}, seeds=2)


def table(directory: Path, size: EvaluationSize = SMALL, kinds: Sequence[str] = ("random_weights",)) -> list[AttackRow]:
    wanted, batch = AttackTable(size, kinds, size.variants, {}), RunBatch(directory)
    batch.play(wanted.runs, 2, lambda _done, _total: None)
    return wanted.rows(batch)


@pytest.mark.slow
def test_rows_are_what_the_runs_say(tmp_path: Path) -> None:
    rows: list[Any] = list(table(tmp_path))
    assert [(row.kind, row.variant, row.seeds) for row in rows] == [
        (kind, variant, 2) for kind in (PEACE, "random_weights") for variant in ("none", "idml")
    ]
    unpaid, paid = rows[2:]
    assert [row.lost is None for row in rows] == [True, True, False, False]
    assert unpaid.lost.mean == pytest.approx(rows[0].accuracy.mean - unpaid.accuracy.mean)
    assert unpaid.earned is unpaid.expelled is None
    assert rows[0].accuracy.mean > unpaid.accuracy.mean
    texts = [(tmp_path / "runs" / f"random_weights-idml-{seed}" / "summary.json").read_text() for seed in (1, 2)]
    kinds = [json.loads(text)["kinds"]["random_weights"] for text in texts]
    assert paid.earned.mean == pytest.approx(sum(sum(kind["earnings"].values()) for kind in kinds) / 2)
    assert paid.expelled.mean == sum(kind["expelled"] for kind in kinds) / 6
    (head, *lines) = csv.reader(io.StringIO(attacks_csv(rows)))
    assert len(lines) == 4
    assert float(lines[3][head.index("earned")]) == pytest.approx(paid.earned.mean, rel=1e-5)
    first, second = attacks_markdown(rows).split("\n\n")
    assert (len(first.splitlines()), len(second.splitlines())) == (4, 4)
    assert second.startswith("| with idml |")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "recorded"),
    [
        ("UPDATE meta SET value = '0' WHERE key = 'rules_version'", "0"),
        ("DELETE FROM meta WHERE key = 'rules_version'", "1"),  # as before there was a number
    ],
)
def test_a_run_by_other_rules_is_neither_read_nor_gone_on_with(tmp_path: Path, spoil: str, recorded: str) -> None:
    size = replace(SMALL, seeds=1, variants=("idml",))
    table(tmp_path, size, [])
    run = tmp_path / "runs" / "nobody-idml-1"
    with closing(sqlite3.connect(run / DATABASE)) as database, database:
        database.execute(spoil)
    with pytest.raises(StudyError, match=f"was made with rules_version = '{recorded}', not '{RULES_VERSION}'"):
        table(tmp_path, size, [])
    (run / "summary.json").unlink()
    line = f"nobody-idml-1 was judged by version {recorded} of the rules, here is {RULES_VERSION}: "
    with pytest.raises(ConfigError, match=line):
        resume(run)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_scale_and_variant_is_a_sound_configuration(scale: str, variant: str) -> None:
    evaluation = SCALES[scale].evaluation
    for size in (evaluation, evaluation.for_table):
        make_config({**size.config, **VARIANTS[variant], "adversaries": {"label_flip": size.attackers}})
        assert set(size.variants) <= set(VARIANTS)


@pytest.mark.slow
def test_the_command_writes_tables_and_figures_though_it_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stop: Stopping
) -> None:
    options = ["--only", "noise,deny", "--seeds", "1"]
    done = stop(tmp_path, "evaluate", "all", *options)
    assert main(["evaluate", "all", "--out", str(tmp_path), *options, "--quiet"]) == 0
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in done.items())
    written = capsys.readouterr().out.split()
    assert [Path(path).name for path in written] == [
        "roc-digits-iid-oppcl.svg",
        "roc-digits-two-class-oppcl.svg",
        "rules.csv",
        "rules.md",
        "attacks.csv",
        "attacks.md",
        "adaptive.csv",
        "adaptive.md",
    ]
    assert all(Path(path).stat().st_size for path in written)
    with (tmp_path / "rules.csv").open() as file:
        assert {row["rule"] for row in csv.DictReader(file)} >= {"paper", "loss", "mcnemar"}
    with (tmp_path / "adaptive.csv").open() as file:
        known = {(row["kind"], row["variant"]): row for row in csv.DictReader(file)}
    drift, calm = (known[kind, "rule-loss"] for kind in ("drift", PEACE))
    assert float(drift["lost"]) == pytest.approx(float(calm["accuracy"]) - float(drift["accuracy"]), abs=1e-5)
    assert not calm["lost"]
    lines = (tmp_path / "adaptive.md").read_text().splitlines()
    assert len(lines) == 2 + 3 * (1 + len(RULES.built_in))


@pytest.mark.parametrize("arguments", [["--only", "lable_flip"], ["--seeds", "0"], ["--scale", "huge"]])
def test_what_is_wrong_on_the_command_line_is_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "all", *arguments]) == 2
    assert arguments[1] in capsys.readouterr().err


@pytest.mark.parametrize("what", ["rules", "adaptive"])
def test_only_chooses_rows_of_the_table_of_attacks(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", what, "--only", "noise"]) == 2
    assert capsys.readouterr().err.endswith(f"--only is for the table of attacks: leave it out with {what}\n")


@pytest.mark.parametrize("what", ["rules", "attacks", "adaptive", "all"])
@pytest.mark.parametrize(
    ("out", "data", "line"),
    [
        (
            "file",
            ".",
            "cannot write in file: file is a file, where a folder must be: choose another --out, or move the file",
        ),
        (
            "file/in",
            ".",
            "cannot write in file/in: file is a file, where a folder must be: choose another --out, or move the file",
        ),
        ("out", "none", "data_dir is 'none': there is no such folder"),
    ],
)
def test_a_wrong_folder_is_one_line_and_an_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
    out: str,
    data: str,
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    code = main(["evaluate", what, "--out", out, "--data-dir", data, "--quiet"])
    assert (code, capsys.readouterr().err) == (2 if data == "none" else 1, f"idml: {line}\n")


@pytest.mark.slow
def test_rules_are_judged_where_devices_are_people_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = {**(SCALES["laptop"].evaluation.natural or {}), "devices": 6, "encounters": 12, "width": 4}
    size = replace(SMOKE, datasets=(), natural=people, seeds=1)

    def evaluation(out: str, data_dir: str | None = None) -> Evaluation:
        return Evaluation(tmp_path / out, size, data_dir, 2, lambda _done, _total: None)

    if find_dataset("hapt") and find_file(NATURAL_TRACE):
        evaluation("there").rules()
        with (tmp_path / "there" / "rules.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {(row["dataset"], row["partition"], row["algorithm"]) for row in rows} == {
            ("hapt", "natural", "oppcl"),
            ("hapt", "natural", "gossip"),
        }
        assert {row["rule"] for row in rows} == set(RULES.built_in)
    data_dir = os.environ.get("IDML_DATA")
    monkeypatch.setenv("IDML_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if data_dir and (Path(data_dir) / NATURAL_TRACE).exists() and find_dataset("hapt", Path(data_dir)):
        again = evaluation("there", data_dir)
        assert again.without_natural is None
        again.rules()
    missing = evaluation("missing")
    assert missing.without_natural == f"natural data, as hapt or {NATURAL_TRACE} is in none of the data folders"
    missing.rules()
