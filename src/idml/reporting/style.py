"""How every figure looks: colours, type, titles, and bytes for paper and page."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import altair as alt
import vl_convert

from idml.reporting.captions import Caption
from idml.store import HONEST

INK, MUTED, GRID, PAPER = "#1f2328", "#59636e", "#d8dee4", "#ffffff"
"""Text and lines, secondary text, grid, background."""

# Okabe and Ito, "Color Universal Design" (2008): told apart under every common colour vision deficiency.
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
"""What a page on a dark ground shows instead of these colours; the others do on both."""

WIDTH = 720
"""Width of a plot in pixels, axes and labels not counted."""
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
# On the safe side: where none of these fonts is installed, the one that a browser takes instead may be wider.
_PIXELS_PER_CHARACTER = {15: 9.2, 12: 6.9}

Format = Literal["svg", "png", "pdf"]
Chart = alt.LayerChart | alt.FacetChart | alt.VConcatChart


def kind_colours(kinds: Sequence[str]) -> dict[str, str]:
    """A colour for each kind of device in `kinds`; honest devices always have the same one, as has a lone adversary."""
    attacking = sorted({kind for kind in kinds if kind != HONEST})
    colours = {kind: KIND_COLOURS[index % len(KIND_COLOURS)] for index, kind in enumerate(attacking)}
    return ({HONEST: HONEST_COLOUR} if HONEST in kinds else {}) | colours


def kind_label(kind: str) -> str:
    """`kind` in words."""
    return kind.replace("_", " ")


def describe(chart: Chart) -> str:
    """What a figure shows, in words, for those who cannot see it: its title and subtitle."""
    heading: Any = chart.title
    return ". ".join(" ".join(lines).rstrip(".") for lines in (heading.text, heading.subtitle)) + "."


def styled(chart: Chart, caption: Caption, width: int) -> Chart:
    """`chart` in the common style, with its caption above it, broken into lines that fit `width` pixels."""
    heading = alt.TitleParams(_wrap(caption.title, width, 15), subtitle=_wrap(caption.subtitle, width, 12))
    styled_chart: Chart = (
        chart.properties(title=heading, background=PAPER, padding=8)
        .configure(font=_FONT, aria=False)  # the report describes each figure as a whole
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
    """`chart` as a file, without browser or network; equal charts give equal SVG bytes on one machine.

    Raises ValueError for an unknown format.
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
