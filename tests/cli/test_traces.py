"""`idml traces` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .command import idml

EXAMPLE = Path(__file__).parents[2] / "examples" / "contacts.csv"


def test_info_tells_a_person_and_a_machine(tmp_path: Path) -> None:
    picture = tmp_path / "trace.png"
    told = idml("traces", "info", str(EXAMPLE), "--picture", str(picture))
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("contacts.csv: 611 contacts of 20 devices, 62 pairs, in 1.4 d\n")
    assert f"picture: {picture}" in told.stdout.replace("\n", "")
    assert picture.read_bytes().startswith(b"\x89PNG")
    facts = json.loads(idml("traces", "info", str(EXAMPLE), "--json", "--format", "csv").stdout)
    assert (facts["devices"], facts["contacts"], facts["duration_s"]["median"]) == (20, 611, 40)


def test_what_is_generated_can_be_looked_at_and_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("one.csv.gz", "two.csv.gz", "three.csv")]
    for path, seed in zip(paths, ("7", "7", "8"), strict=True):
        done = idml("traces", "generate", str(EXAMPLE), "--devices", "30", "--out", path, "--seed", seed)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(f" contacts of 30 devices: {path}\n")
    assert Path(paths[0]).read_bytes() == Path(paths[1]).read_bytes()
    facts = [json.loads(idml("traces", "info", path, "--json").stdout) for path in paths[1:]]
    assert facts[0] != facts[1]
    assert facts[0]["devices"] == facts[1]["devices"] == 30


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["info", "none.csv"], "idml: none.csv: No such file or directory"),
        (
            ["info", "bad.dat"],
            "idml: bad.dat:2: expected t i j in whole numbers between blanks, t in seconds, and perhaps",
        ),
        (
            ["info", "good.dat", "--format", "xml"],
            "idml: good.dat: format is 'xml': choose one of csv, malawi, hyccups, ",
        ),
        (["info", "good.dat", "--picture", "x.gif"], "idml: --picture is 'x.gif': name a .png, .svg or .pdf file"),
        (["info", "good.dat", "--picture", "no/x.png", "--json"], "idml: no/x.png: No such file or directory"),
        (["generate", "good.dat", "--devices", "1", "--out", "x"], "idml: --devices is 1: must be a whole number at "),
        (
            ["generate", "good.dat", "--devices", "2", "--out", "x", "--seed", "-1"],
            "idml: --seed is -1: must be a whole",
        ),
        (["generate", "good.dat", "--devices", "2", "--out", "no/x"], "idml: no/x: No such file or directory"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(tmp_path: Path, arguments: list[str], line: str) -> None:
    (tmp_path / "good.dat").write_text("20 1 2\n")
    (tmp_path / "bad.dat").write_text("20 1 2\n40 1 x\n")
    done = idml("traces", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_a_run_follows_a_trace_and_repeats_from_its_configuration(tmp_path: Path) -> None:
    keys = ["dataset=digits", "encounters=40", "images_per_device=40", f"contacts={EXAMPLE}", "link_bytes_s=2000"]
    settings = [part for key in keys for part in ("--set", key)]
    first = idml("run", *settings, "--json", "--quiet", "--out", str(tmp_path / "first"))
    assert first.returncode == 0, first.stderr
    again = idml("run", str(tmp_path / "first" / "config.toml"), "--json", "--quiet", "--out", str(tmp_path / "second"))
    one, two = json.loads(first.stdout), json.loads(again.stdout)
    assert one.pop("wall_s") > 0 < two.pop("wall_s")
    assert one.pop("made_by")["command"] != two.pop("made_by")["command"]
    assert one == two
    assert one["config"]["devices"] == 20
    assert 0 < one["cases"]["incomplete"] < 40
    assert (tmp_path / "first" / "report.html").is_file()


def test_a_trace_that_cannot_be_read_stops_a_run_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "bad.dat").write_text("20 1 2\n40 1\n")
    for name, line in (
        ("none.dat", "contacts is 'none.dat': choose even, "),
        ("bad.dat", "bad.dat:2: expected t i j "),
    ):
        done = idml("run", "--set", f"contacts={name}", "--out", "run", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith(f"idml: {line}")
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "run").exists()


def test_looking_at_a_trace_does_not_load_torch() -> None:
    code = (
        "import sys, idml.cli.main\n"
        f"idml.cli.main.main(['traces', 'info', {str(EXAMPLE)!r}, '--json'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
