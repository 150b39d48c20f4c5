"""What the page shows, and says about itself: nothing here needs a run."""

import json
from pathlib import Path

import pytest

from idml.cli.main import main
from idml.studies.paper import work
from idml.studies.paper.work import TARGETS
from idml.studies.scales import SCALES


def test_a_table_asked_for_later_leaves_the_earlier_one_where_it_is(tmp_path: Path) -> None:
    for name in ("table1", "table2"):
        assert main(["reproduce", name, "--out", str(tmp_path), "--quiet"]) == 0
        assert {"table1", "table2"} <= set(json.loads((tmp_path / "results.json").read_text()))
        page = (tmp_path / "index.html").read_text()
        assert "Table I: parameters" in page
        assert "Table II: what an encounter costs" in page


def test_a_page_of_tables_alone_speaks_of_no_scale_and_no_runs(tmp_path: Path) -> None:
    out = tmp_path / "a folder"
    assert main(["reproduce", "table2", "--out", str(out), "--quiet"]) == 0
    page = (out / "index.html").read_text()
    assert SCALES["smoke"].purpose not in page
    assert "Runs" not in json.loads((out / "results.json").read_text())["facts"]
    assert "of 1 claim<" in page
    assert "depart from the paper" not in page
    assert json.loads((out / "results.json").read_text())["facts"]["Again"] == (
        f"idml reproduce table1 --scale smoke --out '{out}'"
    )


@pytest.mark.parametrize(
    ("shown", "again"),
    [
        (set(TARGETS), ["all"]),
        (set(TARGETS) - {"natural"}, ["fig7", "fig8"]),
        ({"table1", "table2", "fig9"}, ["fig9"]),
    ],
)
def test_the_page_says_which_command_makes_it_again(shown: set[str], again: list[str]) -> None:
    command = work._again([name for name in TARGETS if name in shown], SCALES["laptop"], Path("out"), "data")
    assert command == " && ".join(f"idml reproduce {name} --scale laptop --out out --data-dir data" for name in again)


def test_at_a_scale_without_natural_data_everything_is_made_again_by_all() -> None:
    everything = [name for name in TARGETS if name != "natural"]
    assert work._again(everything, SCALES["smoke"], Path("out"), None) == ("idml reproduce all --scale smoke --out out")
