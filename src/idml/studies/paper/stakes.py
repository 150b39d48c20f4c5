"""Fig. 9: stakes over blocks, and when attackers fall below the threshold."""

from typing import Any

import altair as alt

from idml.reporting import series
from idml.reporting.captions import Caption
from idml.reporting.style import ATTACKER_COLOUR, HONEST_COLOUR, INK, WIDTH, Chart, styled
from idml.reporting.tables import Column, TableView
from idml.studies.batch import RunBatch, WantedRun
from idml.studies.estimates import Estimate, span
from idml.studies.paper.attacks import PAPER, SAFE, Attack, Outcomes, Variant
from idml.studies.paper.section import Claim, Section, Unjudged, Verdict
from idml.studies.scales import PaperSize

_THRESHOLD = 100
_SHOWN = (PAPER, SAFE)
_SEED = 1
_TOO_FEW_FINES = "A stake lasts for several fines, and not every attacker was rejected often enough within the run."


def attack(size: PaperSize) -> Attack:
    """The experiment: the first of Fig. 8's."""
    return Attack(size, size.attacked[0], 0)


def wanted(size: PaperSize) -> list[WantedRun]:
    """The runs that the figure needs; Fig. 8 needs them too."""
    return list(attack(size).runs(_SHOWN))


def section(size: PaperSize, where: RunBatch) -> Section:
    """The figure, computed from its runs."""
    outcomes = Outcomes(attack(size), where)
    return Section(
        key="fig9",
        title="Fig. 9: stakes of honest devices and attackers",
        text=(
            f"The runs of Fig. 8 with {PAPER.label(size)} and with {SAFE.label(size)}: {outcomes.attack.title}. "
            f"The pictures show seed {_SEED}, the table all {len(outcomes.attack.seeds)}. A block is a transaction.",
            "Departs from the paper: its 40,000 blocks cannot be set beside ours, since it does not say how many "
            "blocks an encounter has there; rounds and encounters can.",
        ),
        charts={f"fig9-{variant.key}": _chart(outcomes, variant) for variant in _SHOWN},
        tables=[_table(outcomes)],
        claims=[claim for variant in _SHOWN for claim in _claims(outcomes, variant)],
        unjudged=[
            Unjudged(
                "IV-C, Fig. 9",
                "The turning point is at 40,000 blocks.",
                "The paper does not say how many blocks an encounter has; rounds are compared instead.",
            )
        ],
        data={
            variant.key: {
                seed: {
                    "expulsions": outcomes.expulsions(variant, seed),
                    "earned": outcomes.earned(variant, seed),
                    "final_stakes": _final(outcomes, variant, seed),
                }
                for seed in outcomes.attack.seeds
            }
            for variant in _SHOWN
        },
    )


def _final(outcomes: Outcomes, variant: Variant, seed: int) -> dict[str, list[float]]:
    honest = set(outcomes.compared[seed])
    points, _ = outcomes.stakes(variant, seed)
    last = {point.device: point.stake_wei / series.TOKEN_WEI for point in points}
    return {
        "honest": [stake for device, stake in sorted(last.items()) if device in honest],
        "attackers": [stake for device, stake in sorted(last.items()) if device not in honest],
    }


def _chart(outcomes: Outcomes, variant: Variant) -> Chart:
    points, last_block = outcomes.stakes(variant, _SEED)
    honest = set(outcomes.compared[_SEED])
    groups = {"honest devices": honest, "attackers": {point.device for point in points} - honest}
    rows = [
        {"who": who, "device": device, "block": block, "stake": stake}
        for who, members in groups.items()
        for device, line in series.stake_lines(points, members, last_block).items()
        for block, stake in line
    ]
    colour = alt.Color(
        "who:N",
        scale=alt.Scale(domain=list(groups), range=[HONEST_COLOUR, ATTACKER_COLOUR]),
        legend=alt.Legend(symbolType="stroke", symbolSize=400),
    )
    x = alt.X("block:Q", title="Block (one transaction each)", scale=alt.Scale(nice=False), axis=alt.Axis(grid=False))
    y = alt.Y("stake:Q", title="Stake in tokens", scale=alt.Scale(zero=True))
    layers: list[Any] = [
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=1.2, opacity=0.7, interpolate="step-after")
        .encode(x=x, y=y, color=colour, detail="device:N"),
        alt.Chart(alt.InlineData(values=[{"stake": _THRESHOLD}])).mark_rule(color=INK, strokeDash=[6, 4]).encode(y=y),
    ]
    out, _ = outcomes.expulsions(variant, _SEED)
    count = variant.count(outcomes.attack.size)
    title = f"{len(out)} of {count} attackers fall below the threshold"
    if out:
        layers.append(
            alt.Chart(alt.InlineData(values=[{"block": max(block for _, block in out)}]))
            .mark_rule(color=ATTACKER_COLOUR, strokeDash=[2, 2])
            .encode(x=x)
        )
        title += f", the last in round {max(number for number, _ in out)}"
    caption = Caption(
        title,
        f"{variant.label(outcomes.attack.size)}, seed {_SEED}. Each line is a device; dashed: the stake that helping "
        f"and voting need ({_THRESHOLD} tokens), and the block in which the last attacker fell below it.",
    )
    return styled(alt.layer(*layers).properties(width=WIDTH, height=320), caption, WIDTH)


def _table(outcomes: Outcomes) -> TableView:
    rows = []
    for variant in _SHOWN:
        for seed in outcomes.attack.seeds:
            out, wrong = outcomes.expulsions(variant, seed)
            honest, attackers = outcomes.earned(variant, seed)
            stakes = _final(outcomes, variant, seed)
            numbers = [number for number, _ in out]
            rows.append(
                [
                    f"{variant.label(outcomes.attack.size)}, seed {seed}",
                    f"{len(out)} of {variant.count(outcomes.attack.size)}",
                    span(numbers),
                    f"{len(wrong)} of {len(outcomes.compared[seed])}",
                    f"{min(stakes['honest']):.0f}",
                    f"{honest:+.1f}",
                    f"{attackers:+.1f}",
                ]
            )
    columns = [Column("", number=False), Column("Attackers out"), Column("In rounds"), Column("Honest out")]
    columns += [Column("Least honest stake"), Column("An honest device earned"), Column("An attacker earned")]
    return TableView("Expulsions, stakes and net earnings in tokens", columns, rows)


def _claims(outcomes: Outcomes, variant: Variant) -> list[Claim]:
    size, seeds = outcomes.attack.size, outcomes.attack.seeds
    runs = [outcomes.expulsions(variant, seed) for seed in seeds]
    count, honest = variant.count(size), len(outcomes.compared[_SEED])
    everyone = all(len(out) == count for out, _ in runs)
    rounds = [max(number for number, _ in out) for out, _ in runs if out]
    wrong = [len(out) for _, out in runs]
    how = variant.label(size)
    earned = [outcomes.earned(variant, seed) for seed in seeds]
    workers, attackers = (Estimate.of(values) for values in zip(*earned, strict=True))
    gap = Estimate.of([worker - attacker for worker, attacker in earned])
    measured = f"{how}: {span([len(out) for out, _ in runs])} of {count} are out"
    if rounds:
        first = [min(number for number, _ in out) for out, _ in runs if out]
        measured += f", the first in round {span(first)}, the last in round {span(rounds)}"
    return [
        Claim(
            "IV-C, Fig. 9",
            "Attackers lose their stake until all are below the threshold and can collaborate no longer.",
            measured + ".",
            Verdict.CONFIRMED if everyone else Verdict.OPEN,
            _TOO_FEW_FINES,
            _TOO_FEW_FINES,
        ),
        Claim(
            "IV-C, Fig. 9",
            "Honest devices keep their stake.",
            f"{how}: {span(wrong)} of {honest} honest devices fell below the threshold.",
            Verdict.CONFIRMED if not any(wrong) else Verdict.DIFFERENT,
            "The more a model has learned, the more often honest work costs a validator's few images more than the "
            "tolerance by chance; "
            + (
                "each rejection costs the whole reward, and nothing refills a stake."
                if variant is PAPER
                else "who is rejected too often falls below the threshold."
            ),
        ),
        Claim(
            "IV-C",
            "Laborious neighbors are rewarded, those who hinder training are marginalized.",
            f"{how}: an honest device earned {workers.text(signed=True)} tokens, {gap.text(signed=True)} more than an "
            "attacker.",
            Verdict.of_all(map(Verdict.of_positive, (workers, gap))),
            "Votes err often enough that fines of honest devices, or rewards of attackers, outweigh the rest.",
        ),
        Claim(
            "IV-C, Fig. 9",
            "Attackers are penalized as they provide malicious models and votes.",
            f"{how}: an attacker earned {attackers.text(signed=True)} tokens.",
            Verdict.of_positive(Estimate.of([-attacker for _, attacker in earned])),
            "Validators accept more of what attackers hand over than they reject.",
        ),
    ]
