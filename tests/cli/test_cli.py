"""The command line as a user meets it: what it prints, where, and with which exit code."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from idml.store.run_store import RunStore

from .command import idml

TINY = ["--set", "dataset=digits", "--set", "devices=6", "--set", "encounters=12", "--set", "images_per_device=60"]


def test_a_run_leaves_all_that_it_promises(tmp_path: Path) -> None:
    done = idml("run", *TINY, "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert "round 2: 12 encounters, 0 skipped, accuracy 0." in done.stderr
    assert f"report: {tmp_path / 'run' / 'report.html'}" in done.stdout
    for name in ("config.toml", "run.sqlite", "summary.json", "report.html", "models/device-0000.safetensors"):
        assert (tmp_path / "run" / name).is_file(), name


@pytest.mark.slow
def test_json_goes_to_standard_output_alone_and_is_the_summary(tmp_path: Path) -> None:
    done = idml("run", *TINY, "--json", "--quiet", "--out", str(tmp_path / "run"))
    assert done.returncode == 0
    assert done.stderr == ""
    summary = json.loads(done.stdout)
    assert summary == json.loads((tmp_path / "run" / "summary.json").read_text())
    promised = "encounters skipped cases accuracy expelled tokens gas wall_s train_images eval_images"
    assert set(summary) >= set(promised.split())


@pytest.mark.slow
def test_a_written_configuration_repeats_the_run(tmp_path: Path) -> None:
    first = idml("run", *TINY, "--json", "--quiet", "--out", str(tmp_path / "first"))
    second = idml(
        "run", str(tmp_path / "first" / "config.toml"), "--json", "--quiet", "--out", str(tmp_path / "second")
    )
    one, two = json.loads(first.stdout), json.loads(second.stdout)
    for changing in ("wall_s", "made_by"):
        one.pop(changing), two.pop(changing)
    assert one == two


@pytest.mark.slow
def test_the_report_is_written_anew(tmp_path: Path) -> None:
    idml("run", *TINY, "--quiet", "--out", str(tmp_path / "run"))
    (tmp_path / "run" / "report.html").unlink()
    assert idml("report", str(tmp_path / "run")).returncode == 0
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.slow
def test_a_directory_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    idml("run", *TINY, "--quiet", "--out", str(tmp_path / "run"))
    before = (tmp_path / "run" / "run.sqlite").read_bytes()
    again = idml("run", *TINY, "--quiet", "--out", str(tmp_path / "run"))
    assert again.returncode == 1
    assert str(tmp_path / "run") in again.stderr
    assert again.stderr.count("\n") == 1
    assert (tmp_path / "run" / "run.sqlite").read_bytes() == before


def test_a_file_is_no_run_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = idml("run", *TINY, "--out", str(tmp_path / "file"))
    assert done.returncode == 1
    assert done.stderr == f"idml: {tmp_path / 'file'} is a file: name a directory with --out\n"
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("received += 1; return received", "contribute() changed one of its arguments"),
        ("return received.astype('float64')", "contribute() returned float64"),
        ("return received + np.random.rand(received.size).astype('float32')", "two results for equal arguments"),
    ],
)
def test_an_algorithm_is_checked_before_anything_runs(tmp_path: Path, body: str, message: str) -> None:
    (tmp_path / "own.py").write_text(
        "import idml, numpy as np\n"
        "class Own(idml.Adapter):\n"
        "    name = 'own'\n"
        f"    def contribute(self, received, own, training): {body}\n"
        "    def merge(self, current, result): return result\n"
    )
    done = idml("run", *TINY, "--set", "algorithm=own.py:Own", "--out", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def interrupt(folder: Path, *more: str, times: int = 1) -> tuple[int, str]:
    """Start a long run in `folder`, press Ctrl-C after two rounds; returns exit code and what it then said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "idml.cli.main", "run", *TINY, "--set", "encounters=9999", "--out", "run", *more],
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    with process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any(line.startswith("round 2") for line in lines)
        process.send_signal(signal.SIGINT)
        if times == 2:
            assert next(lines).startswith("idml: stopping")
            process.send_signal(signal.SIGINT)
        rest = "".join(lines)
    return process.returncode, rest


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, times: int) -> None:
    code, said = interrupt(tmp_path, times=times)
    assert code == 130
    assert said.endswith("idml: interrupted; go on with: idml run --resume run\n")
    assert "Traceback" not in said
    assert idml("report", "run", cwd=tmp_path).returncode == 0
    assert "encounters" in (tmp_path / "run" / "report.html").read_text().lower()
    if times == 1:
        assert "idml: stopping after this encounter; Ctrl-C again stops at once\n" in said
        with RunStore.open(tmp_path / "run") as store:
            contacts = len(store.encounters())
            assert store.recorded_checkpoint().rows["encounters"] == contacts


@pytest.mark.slow
def test_workers_do_not_hear_the_terminal(tmp_path: Path) -> None:
    code, said = interrupt(tmp_path, "--workers", "2")
    assert code == 130
    assert said.endswith("idml: interrupted; go on with: idml run --resume run\n")
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_run_for_a_gpu_says_that_there_is_none_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = idml("run", *TINY, "--executor", "cuda", "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "idml: executor is 'cuda': torch finds no CUDA device; training on the CPU instead\n"
    assert json.loads(done.stdout)["trained_on"] == "cpu"


@pytest.mark.slow
def test_what_cannot_be_resumed_is_said_in_one_line(tmp_path: Path) -> None:
    assert idml("run", *TINY, "--quiet", "--out", "run", cwd=tmp_path).returncode == 0
    for arguments, code, message in (
        (["--resume", "run"], 1, "idml: run holds a finished run: there is nothing to resume\n"),
        (["--resume", "none"], 1, "idml: none holds no run: there is no run.sqlite in it; "),
        (["--resume", "run", "--out", "other"], 2, "idml run: error: --resume writes where the run is: leave --out"),
    ):
        done = idml("run", *arguments, cwd=tmp_path)
        assert done.returncode == code
        assert done.stderr.splitlines()[-1].startswith(message.rstrip("\n"))
        assert code == 2 or done.stderr.count("\n") == 1
    (tmp_path / "run" / "summary.json").unlink()
    done = idml("run", "--resume", "run", "--set", "devices=7", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "idml: devices is 7: the run to resume has 6; leave it out\n")
    done = idml("run", "--resume", "run", *TINY, "--quiet", "--workers", "2", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


ALGORITHMS_THERE_ARE = "choose gossip, oppcl, FILE.py:NAME or PACKAGE.MODULE:NAME"


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["run", "--set", "devices=4"], 2, "idml: validators is 3: with 4 devices at most 2"),
        (
            ["run", "--set", "neighbor_share=1.1"],
            2,
            "idml: neighbor_share is 1.1: must be a number at least 0 and at most 1",
        ),
        (["run", "--set", "speed=9"], 2, "idml: speed is 9: unknown key"),
        (["run", "missing.toml"], 2, "idml: missing.toml: No such file or directory"),
        (["run", "--set", "algorithm=fedavg"], 2, f"idml: algorithm is 'fedavg': {ALGORITHMS_THERE_ARE}"),
        (["run", "--data-dir", "nowhere"], 2, "idml: data_dir is 'nowhere': there is no such folder"),
        (["run", "--set", "algorithm=3"], 2, f"idml: algorithm is '3': {ALGORITHMS_THERE_ARE}"),
        (["run", "--set", "dataset=digits", "--set", "images_per_device=9999"], 2, "idml: digits cannot be dealt out"),
        (["report", "nowhere"], 1, "idml: nowhere holds no run"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(tmp_path: Path, arguments: list[str], code: int, line: str) -> None:
    done = idml(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_help_is_worth_reading() -> None:
    overview = idml("--help")
    assert "examples:" in overview.stdout
    assert "exit codes:" in overview.stdout
    keys = idml("run", "--help")
    for key in ("seed", "tolerance", "adversaries", "stake_threshold", "local_epochs"):
        assert f"\n  {key} " in keys.stdout
    assert idml().returncode == 2
    assert idml("--version").stdout.startswith("idml 0.")


def test_importing_and_asking_for_help_load_neither_torch_nor_ray() -> None:
    code = "import sys, idml, idml.cli.main; sys.exit(bool({'torch', 'ray'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
