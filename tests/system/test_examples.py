"""The examples that use other libraries, each run as it stands in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            **environment,
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_search_with_optuna_finds_a_learning_rate(tmp_path: Path) -> None:
    found = re.fullmatch(r"learning_rate (\S+): accuracy (\S+)%\n", run("optuna_search.py", tmp_path))
    assert found is not None
    assert 0.01 < float(found[1]) <= 1
    assert float(found[2]) > 85
    assert len(list(tmp_path.glob("runs/optuna-*/trial-*/summary.json"))) == 30


@pytest.mark.slow
def test_a_run_is_logged_to_weights_and_biases_without_a_network(tmp_path: Path) -> None:
    said = run("wandb_offline.py", tmp_path, WANDB_ERROR_REPORTING="false", WANDB_SILENT="true")
    assert re.fullmatch(r"report: runs/wandb-\S+/report\.html\n", said)
    (log,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    for word in (b"label_flip", b"encounters", b"final accuracy"):
        assert word in log.read_bytes()


@pytest.mark.slow
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbclient
    import nbformat

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    read: Any = nbformat.read
    notebook = read(EXAMPLES / "notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type == "error"]
    results = [output.data for output in outputs if output.output_type == "execute_result"]
    assert "label_flip" in results[0]["text/plain"]
    assert "harm" in results[1]["text/html"]
    assert "accuracy_mean" in results[2]["text/html"]
    assert "<svg" in results[-1]["image/svg+xml"]
