"""Pages that share their frame and style: `base.html.j2`, and `table.html.j2`, which shows a `TableView`."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined


def make_page(package: str, template: str, **values: Any) -> str:
    """Make a page of a template, which may extend those of this room.

    Args:
        package: that holds the template.
        template: its file name.
        values: what it shows.
    """

    def load(name: str) -> str:
        return resources.files(package if name == template else __package__).joinpath(name).read_text("utf-8")

    environment = Environment(
        loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(**values)
