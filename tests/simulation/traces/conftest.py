"""Traces for the tests: the bundled synthetic one, and published ones where they are present."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "contacts.csv"
PUBLISHED = (
    "tnet_malawi_pilot.csv.gz",
    "upb_mobility2011_contacts.dat.gz",
    "upb_hyccups_interactions.csv.gz",
    "upb_hyccups_mobemu_contacts.csv.gz",
    "primaryschool.csv.gz",
    "highschool_2012.csv.gz",
    "SFHH_tij.dat.gz",
    "workplace_InVS_tij.dat.zip",
    "ht2009_contact_list.dat.gz",
)


def published(name: str) -> Path:
    """The path of a published trace; skips the test where it is not present."""
    folder = os.environ.get("IDML_DATA")
    if folder is None:
        pytest.skip(f"IDML_DATA names no folder with contacts/{name}")
    path = Path(folder) / "contacts" / name
    if not path.is_file():
        pytest.skip(f"{folder} does not hold contacts/{name}")
    return path


@pytest.fixture(params=["the example", *PUBLISHED])
def any_trace_path(request: pytest.FixtureRequest) -> Path:
    """Each trace that there is."""
    name: str = request.param
    return EXAMPLE if name == "the example" else published(name)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a text to a file."""

    def write(text: str) -> Path:
        path = tmp_path / "trace.txt"
        path.write_text(text)
        return path

    return write
