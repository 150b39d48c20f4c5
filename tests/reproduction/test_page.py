"""What the page shows, and says about itself: nothing here needs a run."""

import json
from pathlib import Path

import tomli_w

from idml.cli.main import main
from idml.reproduction.cells import Cell, Cells
from idml.reproduction.scales import TABLE_I


def test_a_table_asked_for_later_leaves_the_earlier_one_where_it_is(tmp_path: Path) -> None:
    for name in ("table1", "table2"):
        assert main(["reproduce", name, "--out", str(tmp_path), "--quiet"]) == 0
        assert {"table1", "table2"} <= set(json.loads((tmp_path / "results.json").read_text()))
        page = (tmp_path / "index.html").read_text()
        assert "Table I: parameters" in page
        assert "Table II: what an encounter costs" in page


def test_a_run_with_other_settings_is_not_done(tmp_path: Path) -> None:
    cells, cell = Cells(tmp_path), Cell("one", TABLE_I)
    cells.path(cell).mkdir(parents=True)
    (cells.path(cell) / "summary.json").touch()
    (tmp_path / "configs").mkdir()
    for stake, done in ((200, True), (300, False)):
        (tmp_path / "configs" / "one.toml").write_text(tomli_w.dumps({**TABLE_I, "stake": stake}))
        assert cells.is_done(cell) is done
