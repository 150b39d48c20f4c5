"""The figures of an evaluation."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from idml.learning.judging.registry import RULES
from idml.reporting.captions import Caption
from idml.reporting.style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION, Chart, kind_label, styled
from idml.studies.error_rates import JudgedContribution
from idml.studies.rates import curve

_COLUMNS = 3
_SIDE = 190
_POINTS = 100
_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK)


def roc_figure(judged: Sequence[JudgedContribution], attacks: Sequence[str], where: str) -> Chart:
    """A curve for each rule in a panel for each attack: what a committee detects against what it wrongly rejects.

    Args:
        judged: see `idml.studies.error_rates.replay`.
        attacks: kinds of adversary.
        where: what was replayed, in a few words.
    """
    names = [name for name in RULES.built_in if all(name in one.harms for one in judged)]
    rows: list[dict[str, Any]] = []
    for kind in attacks:
        for name in names:
            found = curve(judged, name, [kind])
            step = max(1, len(found.limits) // _POINTS)
            points = zip(found.false_rejections[::step], found.detections[::step], strict=True)
            corners = [(1.0, 1.0), *points, (0.0, 0.0)]
            rows += [
                {"rule": name, "attack": kind_label(kind), "rejected": float(x), "detected": float(y), "order": order}
                for order, (x, y) in enumerate(corners)
            ]
    percent = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75])
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("rejected:Q", title="Honest work rejected", axis=percent),
            y=alt.Y("detected:Q", title="Attacks detected", axis=percent),
            color=alt.Color("rule:N", scale=alt.Scale(domain=names, range=list(_COLOURS[: len(names)]))),
            order="order:Q",
        )
        .properties(width=_SIDE, height=_SIDE)
        .facet(facet=alt.Facet("attack:N", title=None, sort=[kind_label(kind) for kind in attacks]), columns=_COLUMNS)
    )
    title = "What validation rules detect, at all tolerances"
    subtitle = f"Committees' verdicts on the same pairs of models; {where}. The further up and to the left, the better."
    return styled(chart, Caption(title, subtitle), _COLUMNS * _SIDE)
