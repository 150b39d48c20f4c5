"""Fig. 7: voting accuracy against tolerance, for several numbers of voters."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import altair as alt

from idml.learning.judging.registry import RULES
from idml.learning.judging.validation import FULL_BPS
from idml.reporting.captions import Caption
from idml.reporting.style import BLUE, GREEN, ORANGE, PURPLE, WIDTH, Chart, styled
from idml.reporting.tables import Column, TableView
from idml.store import HONEST
from idml.studies.batch import JudgedReplay, RunBatch, WantedRun
from idml.studies.error_rates import JudgedContribution
from idml.studies.estimates import Estimate
from idml.studies.paper.attacks import ALGORITHMS, FLIP
from idml.studies.paper.section import Section
from idml.studies.paper.vote_claims import PAPER_BPS, TOLERANCES_BPS, UNJUDGED, VOTERS, Shares, claims
from idml.studies.rates import errors_of
from idml.studies.replays import read_judged
from idml.studies.scales import PaperSize

_ALGORITHMS = ("gossip", "oppcl")
_PARTITIONS = {"iid": "IID", "two-class": "two classes a device"}
_COLOURS = (BLUE, GREEN, ORANGE, PURPLE)


@dataclass(frozen=True, slots=True)
class Setting:
    """One panel of the figure: a data set, an algorithm and a partition."""

    dataset: str
    algorithm: str
    partition: str

    @property
    def title(self) -> str:
        """In words."""
        return f"{ALGORITHMS[self.algorithm]}, {_PARTITIONS[self.partition]}"

    def run(self, size: PaperSize, seed: int) -> WantedRun:
        """The replay of one seed."""
        settings = {
            **size.settings,
            "algorithm": self.algorithm,
            "dataset": self.dataset,
            "partition": self.partition,
            "model": size.networks[self.algorithm],
            "devices": max(size.devices, max(VOTERS) + 2),
            "encounters": size.devices * size.vote_rounds,
            "validators": max(VOTERS),
            "seed": seed,
        }
        name = f"{self.dataset}-{self.algorithm}-{self.partition}-{settings['model']}-{seed}.csv"
        return WantedRun(name, settings, JudgedReplay(size.judged_every, (FLIP,)))


def settings(size: PaperSize) -> list[Setting]:
    """The panels."""
    return [Setting(*what) for what in product(size.voted, _ALGORITHMS, _PARTITIONS)]


def wanted(size: PaperSize) -> list[WantedRun]:
    """The replays that the figure needs."""
    return [setting.run(size, seed) for setting in settings(size) for seed in range(1, size.vote_seeds + 1)]


def section(size: PaperSize, where: RunBatch) -> Section:
    """The figure, computed from its replays."""
    right = {setting: _right(setting, size, where) for setting in settings(size)}
    return Section(
        key="fig7",
        title="Fig. 7: voting accuracy",
        text=(
            f"Replays of {size.vote_rounds} encounters a device among honest devices, {size.vote_seeds} seeds; one "
            f"contact in {size.judged_every} is judged by {max(VOTERS)} validators drawn for it, of which the first "
            "3, 5, 7 or 9 vote. Voting accuracy is the share of honest contributions that a majority accepts (solid), "
            "as in the paper. Dashed: the share of label flippers' contributions, in the same neighbor's place, that "
            "it rejects; the paper does not show it, and without it a rule that accepts everything would be perfect.",
            "The rule is the paper's: accuracy may fall by the tolerance. Departs from the paper: gossip is judged on "
            "the mean of both models before local training, the only thing that both parties can attest to.",
        ),
        charts={f"fig7-{dataset}": _chart(dataset, size, right) for dataset in size.voted},
        tables=[_table(size, right)],
        claims=[claim for dataset in size.voted for claim in claims(dataset, _honest(dataset, right))],
        unjudged=UNJUDGED,
        data={
            f"{setting.dataset}, {setting.title}": {
                kind: {f"{voters} voters, {bps} bps": list(values) for (voters, bps), values in shares.items()}
                for kind, shares in by_kind.items()
            }
            for setting, by_kind in right.items()
        },
    )


def _honest(dataset: str, right: Mapping[Setting, Mapping[str, Shares]]) -> dict[tuple[str, str], Shares]:
    return {(s.algorithm, s.partition): shares[HONEST] for s, shares in right.items() if s.dataset == dataset}


def _right(setting: Setting, size: PaperSize, where: RunBatch) -> dict[str, Shares]:
    """How often voters are right about honest work and about flippers."""
    shares: dict[str, dict[tuple[int, int], list[float]]] = {kind: defaultdict(list) for kind in (HONEST, FLIP)}
    for seed in range(1, size.vote_seeds + 1):
        judged = read_judged(where.path(setting.run(size, seed)))
        for kind, of_kind in shares.items():
            for voters, bps in product(VOTERS, TOLERANCES_BPS):
                of_kind[voters, bps].append(accepted(judged, kind, voters, bps, accepts=kind == HONEST))
    return {kind: dict(of_kind) for kind, of_kind in shares.items()}


def accepted(
    judged: Sequence[JudgedContribution], kind: str, voters: int, tolerance_bps: int, *, accepts: bool
) -> float:
    """The share of contributions of a kind that the first `voters` validators accept by majority, or do not.

    Args:
        judged: by one validator after another, at least `voters` for each contribution.
        kind: of contribution.
        voters: an odd number.
        tolerance_bps: of accuracy, in 1/10,000.
        accepts: which of the two to count.
    """
    seats, chosen = Counter[int](), list[JudgedContribution]()
    for one in judged:
        if one.kind == kind and seats[one.contact] < voters:
            seats[one.contact] += 1
            chosen.append(one)
    (errors,) = errors_of(chosen, RULES.find("paper"), tolerance_bps)
    wrong, cast = errors.verdicts.count, errors.verdicts.of
    return (wrong if accepts is (kind != HONEST) else cast - wrong) / cast


def _row(voters: int, what: str, bps: int, share: Estimate) -> dict[str, Any]:
    low, high = share.band
    return {
        "voters": voters,
        "what": what,
        "tolerance": bps / FULL_BPS,
        "share": share.mean,
        "low": max(0.0, low),
        "high": min(1.0, high),
    }


def _chart(dataset: str, size: PaperSize, right: Mapping[Setting, Mapping[str, Shares]]) -> Chart:
    names = {HONEST: "honest work accepted", FLIP: "label flips rejected"}
    side = WIDTH // 2 - 60
    within, panels = alt.Scale(domain=[0, 1]), []
    for setting in (setting for setting in right if setting.dataset == dataset):
        rows = [
            _row(voters, names[kind], bps, Estimate.of(values))
            for kind, shares in right[setting].items()
            for (voters, bps), values in shares.items()
        ]
        colour = alt.Color(
            "voters:N",
            title=None,
            scale=alt.Scale(domain=list(VOTERS), range=list(_COLOURS)),
            legend=alt.Legend(
                symbolType="stroke",
                symbolSize=400,
                symbolOpacity=1,
                title=None,
                labelExpr="datum.label + ' voters'",
            ),
        )
        dash = alt.StrokeDash(
            "what:N",
            scale=alt.Scale(domain=list(names.values()), range=[[1, 0], [5, 3]]),
            legend=alt.Legend(symbolType="stroke", symbolSize=400),
        )
        base = alt.Chart(alt.InlineData(values=rows), title=setting.title).encode(
            x=alt.X("tolerance:Q", title="Tolerance τ", axis=alt.Axis(grid=False, format=".2f", tickCount=5)),
            color=colour,
        )
        layers = [
            base.mark_area(opacity=0.08).encode(y=alt.Y("low:Q", scale=within), y2="high:Q", detail="what:N"),
            base.mark_line(strokeWidth=2).encode(
                y=alt.Y("share:Q", title="Voting accuracy", scale=within, axis=alt.Axis(format=".0%")), strokeDash=dash
            ),
        ]
        panels.append(alt.layer(*layers).properties(width=side, height=200))
    honest = [Estimate.of(right[setting][HONEST][3, PAPER_BPS]).mean for setting in right if setting.dataset == dataset]
    caption = Caption(
        f"Three voters accept {min(honest):.0%} to {max(honest):.0%} of honest work at τ = .03",
        f"{dataset}; means over {size.vote_seeds} seeds. Solid: honest contributions accepted; dashed: contributions "
        "of label flippers rejected; bands: 95 % intervals.",
    )
    grid = alt.vconcat(*(alt.hconcat(*panels[start : start + 2]) for start in range(0, len(panels), 2)))
    return styled(grid, caption, WIDTH)


def _table(size: PaperSize, right: Mapping[Setting, Mapping[str, Shares]]) -> TableView:
    rows = [
        [
            f"{setting.dataset}, {setting.title}, τ = {bps / FULL_BPS:g}",
            *(
                Estimate.of(right[setting][kind][voters, bps]).text(scale=100)
                for kind in (HONEST, FLIP)
                for voters in VOTERS
            ),
        ]
        for setting in settings(size)
        for bps in (100, PAPER_BPS, 500, 800)
    ]
    columns = [Column("", number=False)]
    columns += [Column(f"{what}, {voters} voters") for what in ("Accepted", "Flips rejected") for voters in VOTERS]
    return TableView("Voting accuracy in %, with 95 % intervals over seeds", columns, rows)
