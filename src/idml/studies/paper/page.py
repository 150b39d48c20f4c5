"""The page that sets the paper's claims beside what was measured, and the files that go with it."""

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from idml.outside import read_text
from idml.reporting.style import DARK, WIDTH, Format, describe, render
from idml.reporting.tables import TableView
from idml.store.files import write_atomically
from idml.studies.errors import unwritable
from idml.studies.paper.departures import departures
from idml.studies.paper.section import Section, Verdict
from idml.studies.scales import Scale

PAGE, RESULTS = "index.html", "results.json"
_FORMATS: tuple[Format, ...] = ("svg", "pdf", "png")


def write_page(directory: Path, scale: Scale, sections: Sequence[Section], facts: Mapping[str, str]) -> Path:
    """Write `index.html`, `results.json`, and each figure and table as files of their own; returns the page's path.

    Args:
        directory: where to.
        scale: of what was computed.
        sections: in the order to be shown.
        facts: about the machine and the program, by name.

    Raises:
        StudyError: if it cannot be written.
    """
    shown = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for section in sections:
            figures = []
            for name, chart in section.charts.items():
                for kind in _FORMATS:
                    write_atomically(directory / f"{name}.{kind}", render(chart, kind))
                picture = Markup(read_text(directory / f"{name}.svg"))
                figures.append({"name": name, "words": describe(chart), "picture": picture})
            for number, table in enumerate(section.tables, start=1):
                write_atomically(directory / f"{section.key}-table{number}.csv", _csv(table).encode())
            shown.append({"section": section, "figures": figures})
        results = {"scale": scale.name, "facts": dict(facts), **{part.key: _results(part) for part in sections}}
        write_atomically(directory / RESULTS, (json.dumps(results, indent=1, allow_nan=False) + "\n").encode())
        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        template = resources.files(__package__).joinpath("page.html.j2").read_text("utf-8")
        scaled = any(section.scaled for section in sections)
        claims = [claim for section in sections for claim in section.claims]
        found = Counter(claim.verdict for claim in claims)
        page = environment.from_string(template).render(
            scale=scale,
            scaled=scaled,
            departures=departures(scale.paper) if scaled else [],
            facts=facts,
            shown=shown,
            claims=claims,
            unjudged=[one for section in sections for one in section.unjudged],
            counts={
                verdict: found[verdict] for verdict in Verdict if found[verdict] or verdict is not Verdict.UNJUDGED
            },
            formats=_FORMATS,
            dark=DARK,
            width=WIDTH,
        )
        write_atomically(directory / PAGE, page.encode())
    except OSError as error:
        raise unwritable(directory, error) from error
    return directory / PAGE


def _results(section: Section) -> dict[str, Any]:
    claims = [
        {
            "where": claim.where,
            "says": claim.says,
            "measured": claim.measured,
            "verdict": claim.verdict.value,
            "reason": claim.reason,
        }
        for claim in section.claims
    ]
    unjudged = [asdict(one) for one in section.unjudged]
    return {"title": section.title, "claims": claims, "unjudged": unjudged, "data": section.data}


def _csv(table: TableView) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows(table.rows)
    return text.getvalue()
