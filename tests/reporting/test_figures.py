"""Figures of runs of every shape: they render, say what the run holds, and are the same bytes each time."""

from __future__ import annotations

import hashlib
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import ttest_ind

from idml.reporting import accuracy_figure, cases_figure, earnings_figure, render, stakes_figure
from idml.reporting.style import DARK, OUTCOME_COLOURS, describe, kind_colours
from idml.store import HONEST, AccuracyPoint, BaselinePoint, DeviceRecord, ExpulsionRecord, RunStore, StakePoint

FIGURES = [accuracy_figure, stakes_figure, cases_figure, earnings_figure]
ALL_KINDS = ("label_flip", "random_weights", "free_rider", "always_yes", "always_no", "invert")


def texts(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture(
    scope="session",
    params=[
        {},
        {"incentive": False},
        {"attackers": 0},
        {"rounds": 1},
        {"rounds": 0, "finished": False},
        {"attackers": 12, "kinds": ALL_KINDS},
        {"attackers": 20, "finished": False},
        {"alone": 0},
        {"alone": 1},
        {"finished": False},
        {"rounds": 60},
    ],
    ids=lambda shape: ",".join(f"{key}={value}" for key, value in shape.items()) or "plain",
)
def any_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, write_run: Callable[..., Path]
) -> Path:
    shape = {"devices": 20, "attackers": 4, "rounds": 6, **request.param}
    return write_run(tmp_path_factory.mktemp("any") / "run", **shape)


@pytest.mark.parametrize("figure", FIGURES)
def test_a_run_of_any_shape_can_be_drawn(any_run: Path, figure: Any) -> None:
    with RunStore.open(any_run) as run:
        chart = figure(run, width=250)
    svg = render(chart, "svg")
    # Lines of a title are drawn one by one.
    shown = "".join(texts(svg)).replace(" ", "")
    words = describe(chart).split(". ")[0].replace(" ", "")
    assert words in shown
    broken = re.findall(r"NaN|undefined|null|Infinity", svg.decode())
    assert not broken


def test_the_titles_state_the_numbers_of_the_run(run_directory: Path) -> None:
    with RunStore.open(run_directory) as run:
        accuracy, stakes, cases, earnings = (describe(figure(run)) for figure in FIGURES)
        summary: Any = run.read_summary()
        honest = {device.device for device in run.devices() if device.kind == HONEST}
        earned = [e.total_wei for e in run.earnings() if e.device in honest]
        last = [point.accuracy for point in run.accuracy() if point.round == 20 and point.device in honest]
        alone = [point.accuracy for point in run.baselines() if point.round == 20]
    mean, baseline = summary["accuracy"]["mean"], summary["baseline"]["accuracy"]
    test = ttest_ind(last, alone, equal_var=False).confidence_interval()
    half = 100 * (test.high - test.low) / 2
    assert accuracy.startswith(
        f"Honest devices reach {mean:.1%} accuracy, {100 * (mean - baseline):.1f} ± {half:.1f} points above "
        "one device alone. Mean of 40 devices after each round, each on 10,000 test images; bands are 95% intervals."
    )
    assert stakes.startswith(
        f"{len(summary['expelled']['attackers'])} of 10 attackers and 0 of 40 honest devices expelled. "
    )
    assert re.match(r"Validators rejected \d% of honest and [78]\d% of attackers’ contributions\. ", cases)
    mean_net = sum(earned) / len(earned) / 10**18
    verb = "earn" if mean_net >= 0 else "lose"
    assert f"honest devices {verb} {abs(mean_net):,.1f} tokens on average, attackers lose " in earnings


def test_every_attacker_expelled_is_counted_at_its_round(run_directory: Path) -> None:
    with RunStore.open(run_directory) as run:
        shown = texts(render(accuracy_figure(run), "svg"))
        expelled = len(run.expulsions())
    assert sum(int(text[1:]) for text in shown if re.fullmatch(r"−\d+", text)) == expelled == 10


def test_numbers_of_expulsions_keep_apart_and_add_up(tmp_path: Path) -> None:
    with RunStore.create(tmp_path / "run", "") as run:
        run.append(*(DeviceRecord(device, "", "invert" if device else HONEST, 1) for device in range(50)))
        run.append(AccuracyPoint(0, 0, 0, 0.5, 1), AccuracyPoint(500, 0, 0, 0.5, 1))
        run.append(*(ExpulsionRecord(device, device, device, 3 * device) for device in range(50)))
        svg = render(accuracy_figure(run, width=250), "svg").decode()
    placed = [(float(x), int(n)) for x, n in re.findall(r'translate\(([\d.]+),[-\d.]+\)"[^>]*>−(\d+)<', svg)]
    assert sum(number for _, number in placed) == 50
    attackers = sorted(x for x, _ in placed)[1:]
    assert all(right - left > 20 for left, right in pairwise(attackers))


def test_rounds_are_whole_numbers(tmp_path: Path) -> None:
    for last in (1, 3, 40, 1234):
        with RunStore.create(tmp_path / str(last), "") as run:
            run.append(DeviceRecord(0, "", HONEST, 1), *(AccuracyPoint(r, 0, 0, 0.5, 1) for r in (0, last)))
            shown = [text.replace(",", "") for text in texts(render(accuracy_figure(run, width=250), "svg"))]
        ticks = [int(text) for text in shown if text.isdigit()]
        assert len(ticks) == len(set(ticks)) <= 10
        assert ticks[0] == 0


def test_the_threshold_of_the_run_is_shown(tmp_path: Path) -> None:
    with RunStore.create(tmp_path / "run", "", {"threshold_wei": str(25 * 10**17)}) as run:
        run.append(DeviceRecord(0, "", HONEST, 1), StakePoint(1, 0, 10**19), StakePoint(5, 0, 9 * 10**18))
        assert "threshold: 2.5 tokens" in texts(render(stakes_figure(run), "svg"))


def test_baselines_are_named_with_their_last_accuracy(tmp_path: Path) -> None:
    with RunStore.create(tmp_path / "run", "") as run:
        run.append(DeviceRecord(0, "", HONEST, 1), AccuracyPoint(0, 0, 0, 0.5, 1), AccuracyPoint(2, 0, 0, 0.6, 1))
        run.append(*(BaselinePoint(name, r, 0.7) for name in ("all data", "one device alone") for r in (0, 2)))
        chart = accuracy_figure(run)
    assert {"all data (70.0%)", "one device alone (70.0%)"} <= set(texts(render(chart, "svg")))
    assert "points" not in describe(chart).split(". ")[0], "one value has no interval, so nothing is claimed"
    assert "without an interval" in describe(chart)


PROGRAM = """
import hashlib, sys
from idml.reporting import *
from idml.store import RunStore
with RunStore.open(sys.argv[1]) as run:
    for figure in (accuracy_figure, stakes_figure, cases_figure, earnings_figure):
        print(hashlib.sha256(render(figure(run), "svg")).hexdigest())
"""


@pytest.mark.slow
def test_another_process_draws_the_same_bytes(run_directory: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, run_directory], stdout=subprocess.PIPE, text=True, check=True
    )
    with RunStore.open(run_directory) as run:
        here = [hashlib.sha256(render(figure(run), "svg")).hexdigest() for figure in FIGURES]
    assert answer.stdout.split() == here


def test_formats(run_directory: Path) -> None:
    with RunStore.open(run_directory) as run:
        chart = accuracy_figure(run, width=250)
    assert render(chart, "png").startswith(b"\x89PNG")
    assert render(chart, "pdf").startswith(b"%PDF")
    with pytest.raises(ValueError, match="cannot render a figure as 'gif': choose svg, png or pdf"):
        render(chart, "gif")  # type: ignore[arg-type]


def test_kinds_are_told_apart_and_honest_devices_look_the_same_everywhere() -> None:
    colours = kind_colours([*ALL_KINDS, HONEST])
    assert len(set(colours.values())) == 7
    assert colours[HONEST] == kind_colours([HONEST, "label_flip"])[HONEST]
    assert kind_colours(["label_flip", HONEST]) == kind_colours([HONEST, "label_flip", HONEST])
    assert len(set(OUTCOME_COLOURS.values())) == len(OUTCOME_COLOURS)


@pytest.mark.parametrize("shades", [{}, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("colours", [kind_colours([*ALL_KINDS, HONEST]), OUTCOME_COLOURS], ids=["kinds", "outcomes"])
def test_colours_in_one_figure_are_far_apart(colours: Mapping[str, str], shades: Mapping[str, str]) -> None:
    points = [bytes.fromhex(shades.get(colour, colour)[1:]) for colour in colours.values()]
    assert min(math.dist(one, other) for one, other in combinations(points, 2)) > 60
