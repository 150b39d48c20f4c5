"""The report is one file that needs nothing else, holds what the run holds, and breaks on no run."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from idml.reporting import write_report
from idml.reporting.tables import LAST_ENCOUNTERS
from idml.store import DeviceRecord, EncounterRecord, RunStore, StoreError

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """A page taken apart; refuses tags that are not closed in order, and ids that occur twice."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if "style" not in self.open:
            self.text += data

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def report(directory: Path) -> Page:
    return Page(write_report(directory).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(run_directory: Path) -> Page:
    return report(run_directory)


@pytest.mark.slow
def test_it_needs_nothing_else(page: Page) -> None:
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "href", "srcset", "xlink:href") or (value or "").startswith("#")
            assert "url(" not in (value or "")


@pytest.mark.slow
def test_it_stays_free_of_scripts_and_addresses_in_its_text(run_directory: Path) -> None:
    html = write_report(run_directory).read_text(encoding="utf-8")
    assert "javascript:" not in html
    assert "@import" not in html
    addresses = {part.split('"')[0] for part in html.split("http")[1:]}
    assert addresses <= {"://www.w3.org/2000/svg", "://www.w3.org/1999/xlink"}


def test_it_can_be_read_without_seeing_the_figures(page: Page) -> None:
    assert page.having("html")[0]["lang"] == "en"
    assert len(page.having("h1")) == 1
    assert len(page.having("h2")) == 5
    assert len(page.ids) == len(set(page.ids))
    assert len(page.having("figure")) == 4
    for figure in page.having("figure"):
        assert figure["role"] == "img"
        assert len(figure["aria-label"] or "") > 40
    assert len(page.having("table")) == len(page.having("caption")) == 5
    assert all(attributes["scope"] in ("col", "row") for attributes in page.having("th"))


def test_on_a_narrow_screen_each_cell_has_the_name_of_its_column(page: Page) -> None:
    """There a row is a block, and what says that it is a row of a table are the roles."""
    heads = page.having("th")
    cells = page.having("td") + [head for head in heads if head["scope"] == "row"]
    assert len(cells) > 500
    assert all(cell["data-name"] for cell in cells)
    assert {cell["role"] for cell in cells} == {"cell", "rowheader"}
    assert all(head["role"] == "columnheader" for head in heads if head["scope"] == "col")
    assert {row["role"] for row in page.having("tr")} == {"row"}


def test_it_tells_what_the_run_holds(page: Page, run_directory: Path) -> None:
    summary = json.loads((run_directory / "summary.json").read_text())
    for text in (
        f"{summary['encounters']:,}",
        f"{summary['skipped']:,} contacts skipped",
        f"{summary['accuracy']['mean']:.1%}",
        f"points above one device alone ({summary['baseline']['accuracy']:.1%})",
        "10 of 10",
        "supply and accounts hold 50,000,000 tokens",
        f"{summary['gas']['per_encounter']:,}",
        "2 min 43 s",
        "978,000 images trained on, 489,000 images evaluated",
        "idml run config.toml",
        'dataset = "fashion-mnist"',
        "50 devices · 10 attackers among them · oppcl · fashion-mnist · seed 7",
    ):
        assert text in page.text
    assert "unfinished" not in page.text
    assert f"The last {LAST_ENCOUNTERS} of 1,000 contacts" in page.text


def test_its_tables_hold_every_device_and_every_case(page: Page, run_directory: Path) -> None:
    with RunStore.open(run_directory) as run:
        devices, expulsions, transactions = run.devices(), {e.device: e for e in run.expulsions()}, run.transactions()
        summary: Any = run.read_summary()
    rows = {row[0]: row for row in page.rows if len(row) == 10}
    for device in devices:
        row = rows[str(device.device)]
        assert row[1] == device.kind.replace("_", " ")
        out = expulsions.get(device.device)
        assert row[-1] == (f"round {out.round}, block {out.block:,}" if out else "–")
        total, learner, neighbor, validator = (float(cell.replace("−", "-").replace(",", "")) for cell in row[5:9])
        assert total == pytest.approx(learner + neighbor + validator, abs=0.02)
    ends = {row[0]: int(row[-1].replace(",", "")) for row in page.rows if len(row) == 5 and row[0] != "End"}
    assert [ends[f"Case {case}"] for case in range(1, 6)] == [summary["cases"][str(case)] for case in range(1, 6)]
    assert ends["Incomplete"] == summary["cases"]["incomplete"]
    assert ends["Skipped"] == summary["skipped"]
    gas = {row[0]: int(row[-1].replace(",", "")) for row in page.rows if len(row) == 6 and row[0] != "Step"}
    assert gas == summary["gas"]["per_step"]
    assert sum(gas.values()) == sum(transaction.gas_used for transaction in transactions)


@pytest.mark.slow
def test_equal_runs_give_equal_reports(tmp_path: Path, write_run: Callable[..., Path]) -> None:
    shape: dict[str, Any] = {"devices": 10, "attackers": 2, "rounds": 3}
    first, second = (write_report(write_run(tmp_path / side / "run", **shape)) for side in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    assert first == tmp_path / "a" / "run" / "report.html"


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [{"incentive": False}, {"attackers": 0}, {"rounds": 1}, {"rounds": 0, "finished": False}, {"alone": 0}],
    ids=str,
)
def test_it_breaks_on_no_run(tmp_path: Path, write_run: Callable[..., Path], shape: dict[str, Any]) -> None:
    page = report(write_run(tmp_path / "run", **{"devices": 12, "attackers": 3, "rounds": 4, **shape}))
    without_ledger = shape.get("incentive") is False
    assert ("There is no ledger in this run" in page.text) == without_ledger
    assert ("Attackers expelled" in page.text) == (not without_ledger and shape.get("attackers") != 0)
    assert ("there are no attackers in this run" in page.text) == (shape.get("attackers") == 0)
    assert ("one device alone" in page.text) == (shape.get("alone") != 0)


@pytest.mark.slow
def test_an_unfinished_run_says_so_and_shows_what_there_is(tmp_path: Path, write_run: Callable[..., Path]) -> None:
    directory = write_run(tmp_path / "run", devices=12, attackers=3, rounds=5, finished=False)
    page = report(directory)
    assert "This run is unfinished." in page.text
    with RunStore.open(directory) as run:
        opened = [encounter for encounter in run.encounters() if encounter.status != "skipped"]
    assert f"Encounters{len(opened)}" in page.text.replace("\n", "")
    assert len(page.having("figure")) == 3
    assert "Tokens conserved" not in page.text


def test_an_empty_run_is_a_report_too(tmp_path: Path) -> None:
    RunStore.create(tmp_path / "run", "not toml at all [").close()
    page = report(tmp_path / "run")
    assert "Nothing has been recorded yet." in page.text
    assert "not toml at all [" in page.text


@pytest.mark.slow
def test_a_short_run_lists_all_contacts(tmp_path: Path, write_run: Callable[..., Path]) -> None:
    assert "All contacts, newest first" in report(write_run(tmp_path / "run", devices=6, attackers=1, rounds=2)).text


def test_summaries_may_lack_anything(tmp_path: Path) -> None:
    complete = {
        "encounters": 5, "skipped": 1, "cases": {"2": 5}, "accuracy": {"mean": 0.5, "min": 0.4, "max": 0.6},
        "expelled": {"attackers": [], "honest": []}, "tokens": {"supply": "7", "accounts": "7"},
        "gas": {"per_step": {"open": 7}, "per_encounter": 7}, "wall_s": 0.25, "train_images": 3, "eval_images": 4,
        "baseline": {"accuracy": 0.4}, "seed": 1, "config": {},
    }  # fmt: skip
    with RunStore.create(tmp_path / "run", "") as run:
        for left_out in complete:
            for rest in (None, ...):
                summary = {key: value for key, value in complete.items() if key != left_out}
                run.write_summary(summary | ({left_out: None} if rest is None else {}))
                report(tmp_path / "run")


def test_tokens_that_went_missing_are_named(tmp_path: Path) -> None:
    with RunStore.create(tmp_path / "run", "") as run:
        run.write_summary({"tokens": {"supply": str(3 * 10**18), "accounts": str(3 * 10**18 - 1)}})
    text = report(tmp_path / "run").text
    assert "Tokens conservedno" in text
    assert "supply 3, accounts 2.999999999999999999: 1 wei apart" in text


def test_nothing_in_a_run_is_taken_for_markup(tmp_path: Path) -> None:
    evil = "<script>alert('&')</script>\"><img src=x onerror=y>"
    with RunStore.create(tmp_path / "run", f"# {evil}\nalgorithm = '''{evil}'''\n") as run:
        run.append(DeviceRecord(0, evil, evil, 1), EncounterRecord(0, 1, 0, 0, 1, 0, "skipped", evil))
        run.append(EncounterRecord(1, 1, 0, 0, 0, 1, "unincentivized", accepted=True))
    page = report(tmp_path / "run")
    assert not page.having("script")
    assert not page.having("img")
    assert page.text.count(evil) >= 3


def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
