"""How devices are measured: on as many images as the configuration says, or on as many as cost little."""

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

import idml
from idml.store.run_store import RunStore

SMALL: dict[str, Any] = {
    "dataset": "digits",
    "model": "linear",
    "devices": 10,
    "encounters": 40,
    "incentive": False,
    "baseline_devices": 3,
    "report": False,
}


@pytest.mark.parametrize(("asked", "measured"), [(50, 50), (100_000, 360)])
def test_every_point_rests_on_as_many_images(tmp_path: Path, asked: int, measured: int) -> None:
    """In all rounds, also the first and the last, and for those who train alone."""
    summary = idml.run(tmp_path / "run", test_images=asked, **SMALL).summary
    with RunStore.open(tmp_path / "run") as run:
        points, alone = run.accuracy(), run.baselines()
    assert {point.images for point in points} == {measured}
    assert [(point.round, point.device) for point in points] == [(at, one) for at in range(5) for one in range(10)]
    assert summary["accuracy"]["mean"] == pytest.approx(fmean(point.accuracy for point in points[-10:]))
    rounds = [point.round for point in alone]
    assert rounds == 3 * rounds[: len(rounds) // 3]
    assert summary["baseline"]["accuracy"] == pytest.approx(fmean(p.accuracy for p in alone if p.round == rounds[-1]))
    for accuracy in (*(point.accuracy for point in points), *(point.accuracy for point in alone)):
        assert accuracy * measured == pytest.approx(round(accuracy * measured), abs=1e-6)
    assert summary["config"]["test_images"] == asked


def test_without_a_number_a_run_is_what_it_was(tmp_path: Path) -> None:
    summary = idml.run(tmp_path / "run", **SMALL).summary
    with RunStore.open(tmp_path / "run") as run:
        alone, recorded = run.baselines(), run.config
    assert len(alone) == len({point.round for point in alone})
    assert "test_images" not in summary["config"]
    assert "test_images" not in recorded
