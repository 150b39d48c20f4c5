"""Natural data: people's phones learn from each other where people really met, each to be good at its own person.

The paper has nothing of the kind: no claim of its rests on it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from idml.learning.data.datasets import find_dataset
from idml.learning.data.files import find_file
from idml.reporting.style import BLUE, GREEN, INK, ORANGE, PURPLE, VERMILLION
from idml.reporting.tables import Column, TableView
from idml.studies.batch import RunBatch, WantedRun
from idml.studies.estimates import Estimate
from idml.studies.paper.accuracy import curves, data, expelled
from idml.studies.paper.accuracy_claims import difference
from idml.studies.paper.attacks import MANY, NONE, SAFE, Attack, Outcomes, Variant
from idml.studies.paper.section import Section
from idml.studies.scales import Learned, PaperSize

# What errs least on these data, by the replays of docs/validation.md: the default rule takes much of what another
# person's data teach for harm.
_FITTED = {"preset": "safe", "rule": "precision", "tolerance": 0.1}
_HOW = "iDML by precision"
UNATTACKED = Variant("unattacked", 0, rules={"preset": "safe"}, how=SAFE.how)
FITTED_UNATTACKED = Variant("fitted-unattacked", 0, rules=_FITTED, how=_HOW)
FITTED = Variant("fitted", 2, rules=_FITTED, how=_HOW)
SHOWN = (NONE, MANY, UNATTACKED, SAFE, FITTED_UNATTACKED, FITTED)
_COLOURS = {
    NONE: BLUE,
    MANY: INK,
    UNATTACKED: GREEN,
    SAFE: PURPLE,
    FITTED_UNATTACKED: ORANGE,
    FITTED: VERMILLION,
}
_DASHES = {UNATTACKED: [8, 3], SAFE: [8, 3], FITTED_UNATTACKED: [3, 3], FITTED: [3, 3]}


def why_not(size: PaperSize, data_dir: str | None) -> str | None:
    """Say in one line why this cannot be done; None if it can."""
    if size.natural is None:
        return "natural data are not part of the scale smoke: choose laptop or paper"
    folder = Path(data_dir) if data_dir else None
    if not find_dataset("hapt", folder):
        return "natural data need the data set hapt, which is in none of the data folders: see docs/reproduction.md"
    if find_file(size.natural.trace, folder) is None:
        return f"natural data need {size.natural.trace}, which is in none of the data folders: see docs/traces.md"
    return None


def attacks(size: PaperSize) -> list[Attack]:
    """The experiments: one for each algorithm."""
    natural = size.natural
    if natural is None:
        return []
    sized = replace(
        size,
        devices=natural.devices,
        attackers=(natural.attackers, natural.attackers),
        rounds=natural.contacts // natural.devices,
    )
    return [
        Attack(
            sized,
            Learned("hapt", natural.network, natural.seeds),
            local_epochs=1,
            algorithm=algorithm,
            settings={"partition": "natural", "backend": "torch"},  # the native engine has two dimensions
            files={"contacts": natural.trace},
            shown=SHOWN,
            alone=MANY,
        )
        for algorithm in natural.algorithms
    ]


def wanted(size: PaperSize) -> list[WantedRun]:
    """The runs that it needs."""
    return [run for attack in attacks(size) for run in attack.runs()]


def section(size: PaperSize, where: RunBatch) -> Section:
    """Figure and tables, computed from the runs."""
    natural = size.natural
    assert natural is not None
    outcomes = [Outcomes(attack, where) for attack in attacks(size)]
    return Section(
        key="natural",
        title="Natural data: people's phones, people's meetings",
        text=(
            f"Each of {natural.devices} devices has the phone of one person of HAPT: a one-dimensional network learns "
            "from that person's earlier recordings to tell six activities apart, and is tested on the person's last. "
            f"Contacts are the first {natural.contacts:,} of those {natural.devices} of {natural.trace} who meet each "
            "other most, so that some meet many times as often as others. Devices train an own epoch after each "
            f"encounter. Attackers ({natural.attackers}) swap the labels of look-alike activities, and vote yes on "
            "everything. With iDML, validators judge by the default rule, or by precision, which may fall by 0.1: of "
            "all rules it errs least on data like these.",
            "The paper has no such experiment. Accuracy is the mean of the honest devices' own, over the last ten "
            "rounds of contacts. Alone is what the same devices reach that never meet anyone, in as many epochs as "
            "they had in the run with attackers and without an incentive: what is left where nobody has a reason to "
            "help.",
        ),
        charts={
            f"natural-{outcome.attack.algorithm}": curves(
                outcome, _finding(outcome), _COLOURS, _DASHES, _alone(outcome).mean
            )
            for outcome in outcomes
        },
        tables=[_table(outcome) for outcome in outcomes],
        data={outcome.attack.algorithm: {"alone": outcome.alone(), **data(outcome)} for outcome in outcomes},
    )


def _alone(outcomes: Outcomes) -> Estimate:
    return Estimate.of(outcomes.alone())


def _beside_alone(outcomes: Outcomes, variant: Variant) -> Estimate:
    return Estimate.of_differences(outcomes.final(variant), outcomes.alone())


def _finding(outcomes: Outcomes) -> str:
    gained = _beside_alone(outcomes, FITTED)
    return f"With iDML, models are {100 * gained.mean:+.1f} points better for their people than alone"


def _table(outcomes: Outcomes) -> TableView:
    attack, rows = outcomes.attack, list[Sequence[str]]()
    rows.append(["alone", _alone(outcomes).points(), "–", "–", "–", "–", "–"])
    for variant in attack.variants:
        value, less = Estimate.of(outcomes.final(variant)), difference(outcomes, variant, NONE)
        row = [variant.label(attack.size), value.points(), _beside_alone(outcomes, variant).points(signed=True)]
        row.append("–" if variant is NONE else less.points(signed=True))
        rows.append([*row, *expelled(outcomes, variant)])
    columns = [Column("", number=False), Column("Personal accuracy, %"), Column("Less alone, points")]
    columns += [Column("Less no attackers, points"), Column("Attackers expelled"), Column("Last one in round")]
    columns.append(Column("Honest expelled"))
    return TableView(f"{attack.title}: the last rounds, with 95 % intervals", columns, rows)
