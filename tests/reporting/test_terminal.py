"""The end of a run in a terminal: the numbers of the summary, in lines that fit."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from idml.reporting import summary_table
from idml.reporting.summary import duration, headlines, token_text


def shown(summary: dict[str, Any], width: int = 100) -> str:
    file = io.StringIO()
    Console(width=width, file=file).print(summary_table(summary))
    return file.getvalue()


def test_the_numbers_of_the_summary(run_directory: Path) -> None:
    summary = json.loads((run_directory / "summary.json").read_text())
    text = shown(summary)
    assert all(len(line) <= 100 for line in text.splitlines())
    for expected in (
        f"{summary['accuracy']['mean']:.1%}",
        "yes",
        f"{summary['cases']['2']} ",
        "accepted by all",
        "2 min 43 s",
    ):
        assert expected in text
    assert "Case 1" not in text


def test_an_empty_summary_is_no_error() -> None:
    assert shown({}).strip() in ("", "The run in numbers")
    assert headlines({}) == []


@given(st.tuples(*[st.integers(-10_000, 10_000).map(lambda tenths: tenths / 10)] * 3))
def test_earnings_lead_with_the_net_of_all_three_roles(amounts: tuple[float, float, float]) -> None:
    earnings = dict(zip(("learner", "neighbor", "validator"), amounts, strict=True))
    ((name, value, remark),) = headlines({"earnings": {"honest": earnings}})
    parts = [float(text) for text in re.findall(r"[+-][\d.]+", remark.replace("−", "-").replace(",", ""))]
    assert name == "Honest earnings, net"
    assert parts == pytest.approx(amounts)
    assert float(value.replace("−", "-").replace(",", "")) == pytest.approx(sum(parts), abs=0.051)


@given(st.integers(-(10**40), 10**40))
def test_token_text_is_exact(wei: int) -> None:
    whole, _, fraction = token_text(wei).replace(",", "").replace("−", "-").partition(".")
    negative = whole.startswith("-")
    back = abs(int(whole)) * 10**18 + int(fraction.ljust(18, "0"))
    assert (-back if negative else back) == wei


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.2 s"),
        (59.94, "59.9 s"),
        (60, "1 min 0 s"),
        (163.2, "2 min 43 s"),
        (3599.6, "1 h 0 min"),
        (7260, "2 h 1 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
