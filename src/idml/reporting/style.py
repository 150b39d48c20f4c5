"""The common style of all figures: colours, fonts and titles, and how a figure becomes a file."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import altair as alt
import vl_convert

from idml.reporting.captions import Caption
from idml.store import HONEST

INK, MUTED, GRID, PAPER = "#1f2328", "#59636e", "#d8dee4", "#ffffff"
"""Colours of text and lines, of secondary text, of the grid and of the background."""

# Okabe and Ito, "Color Universal Design" (2008): colours that can be told apart with any common colour blindness.
BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"
SILVER = "#b3bcc6"

HONEST_COLOUR, ATTACKER_COLOUR = BLUE, VERMILLION
KIND_COLOURS = (VERMILLION, PURPLE, ORANGE, GREEN, MUTED, INK)
OUTCOME_COLOURS: Mapping[str, str] = {
    "accepted": GREEN,
    "taken without a vote": SKY,
    "rejected by vote": PURPLE,
    "no verdict": ORANGE,
    "not completed": MUTED,
    "skipped": SILVER,
}

DARK: Mapping[str, str] = {
    INK: "#e6edf3",
    MUTED: "#9ea7b3",
    GRID: "#3a424c",
    PAPER: "#161b22",
    BLUE: "#4aa3e0",
    VERMILLION: "#f0682a",
    SILVER: "#57606a",
}
"""The colours that replace these on a page with a dark background. All other colours serve on both."""

WIDTH = 720
"""Width of a plot in pixels, without axes and labels."""
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
# These are rather too large: if none of the fonts is installed, a browser may take a wider one.
_PIXELS_PER_CHARACTER = {15: 9.2, 12: 6.9}

Format = Literal["svg", "png", "pdf"]
Chart = alt.LayerChart | alt.FacetChart | alt.VConcatChart


def kind_colours(kinds: Sequence[str]) -> dict[str, str]:
    """Choose a colour for each kind of device.

    Honest devices always have the same colour. If there is only one kind of adversary, it has always the same colour,
    too.

    Args:
        kinds: the kinds that occur.
    """
    attacking = sorted({kind for kind in kinds if kind != HONEST})
    colours = {kind: KIND_COLOURS[index % len(KIND_COLOURS)] for index, kind in enumerate(attacking)}
    return ({HONEST: HONEST_COLOUR} if HONEST in kinds else {}) | colours


def kind_label(kind: str) -> str:
    """Name a kind of device in words."""
    return kind.replace("_", " ")


def describe(chart: Chart) -> str:
    """Say in words what a figure shows, for those who cannot see it: its title and its subtitle."""
    heading: Any = chart.title
    return ". ".join(" ".join(lines).rstrip(".") for lines in (heading.text, heading.subtitle)) + "."


def styled(chart: Chart, caption: Caption, width: int) -> Chart:
    """Give a chart the common style and its caption.

    Args:
        chart: the chart.
        caption: it stands above the chart, in lines that fit the width.
        width: width of the plot, in pixels.
    """
    heading = alt.TitleParams(_wrap(caption.title, width, 15), subtitle=_wrap(caption.subtitle, width, 12))
    styled_chart: Chart = (
        chart.properties(title=heading, background=PAPER, padding=8)
        .configure(font=_FONT, aria=False)  # no labels on single marks: the report describes each figure as a whole
        .configure_view(stroke=None)
        .configure_title(
            anchor="start", frame="group", fontSize=15, color=INK, subtitleFontSize=12, subtitleColor=MUTED,
            subtitlePadding=4, offset=12,
        )
        .configure_axis(
            labelColor=MUTED, titleColor=INK, labelFontSize=12, titleFontSize=12, titleFontWeight="normal",
            gridColor=GRID, domainColor=MUTED, tickColor=MUTED, titlePadding=8, labelFlush=False,
        )
        .configure_legend(
            orient="top", title=None, labelColor=INK, labelFontSize=12, labelLimit=0,
            symbolStrokeWidth=3, columnPadding=40, offset=8,
        )
    )  # fmt: skip
    return styled_chart


def render(chart: Chart, format: Format) -> bytes:
    """Turn a chart into the bytes of a file. This needs neither a browser nor a network.

    Args:
        chart: the chart.
        format: the kind of file. On one machine, equal charts give equal bytes of SVG.

    Raises:
        ValueError: for an unknown format.
    """
    specification = chart.to_dict()
    match format:
        case "svg":
            return vl_convert.vegalite_to_svg(specification).encode()
        case "png":
            return vl_convert.vegalite_to_png(specification, scale=2)
        case "pdf":
            return vl_convert.vegalite_to_pdf(specification)
        case _:
            raise ValueError(f"cannot render a figure as {format!r}: choose svg, png or pdf")


def _wrap(text: str, width: int, size: int) -> list[str]:
    return textwrap.wrap(text, max(20, int(width / _PIXELS_PER_CHARACTER[size])))
