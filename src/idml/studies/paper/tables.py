"""Table I, the parameters, and Table II, what an encounter costs."""

from idml.ledger.gas import PAPER, PAPER_TOTAL, PAPER_USD_PER_GAS, measure_gas
from idml.reporting.tables import Column, TableView
from idml.simulation.config import make_config
from idml.studies.paper.section import Claim, Section, Verdict
from idml.studies.paper.table_one import TABLE_I

_PARAMETERS = (
    ("Stake threshold for a user to become neighbor or validator", 100, "stake_threshold", ""),
    ("Voting threshold V", 3, "validators", ""),
    ("Max voting waiting time (block)", 50_000, "voting_window_s", "seconds here: blocks have no fixed length"),
    ("Number of tokens each participant exchanged", 1_000_000, "tokens", ""),
    ("Number of tokens each neighbor or validator staked initially", 200, "stake", ""),
    ("Tolerance τ for F-MNIST IID OppCL (Fig. 8 and 9)", 0.03, "tolerance", ""),
)
_STEPS = (
    ("2. Pre-training check (learner)", "check", "open"),
    ("4. Learning complete (neighbor)", "report_neighbor", "report_neighbor"),
    ("4. Learning complete (learner)", "report_learner", "report_learner"),
    ("6. Votes (validator), each", "vote", "vote_1"),
    ("7. Result check and 8. distribute award", "finalize", "vote_3"),
)


def table1() -> Section:
    """The paper's parameters, beside those of the runs that reproduce it."""
    config = make_config(TABLE_I)
    rows = [
        [name, f"{value:,}", key, f"{getattr(config, key):,}".removesuffix(".0"), note]
        for name, value, key, note in _PARAMETERS
    ]
    columns = [Column("Parameter", number=False), Column("Paper"), Column("Key", number=False), Column("Here")]
    return Section(
        key="table1",
        title="Table I: parameters",
        text=("The rules of payment are the preset paper; experiments/paper/table1.toml holds these keys.",),
        tables=[
            TableView(
                "The paper's parameters and the keys that hold them", [*columns, Column("Note", number=False)], rows
            )
        ],
        data={key: getattr(config, key) for _, _, key, _ in _PARAMETERS},
        scaled=False,
    )


def table2() -> Section:
    """What an encounter costs on the chain, step by step, beside the paper's figures."""
    report = measure_gas()
    apart = {name: cost.gas for name, cost in report.apart.items()}
    rows = []
    for name, theirs, ours in _STEPS:
        gas = apart[ours]
        rows.append([name, f"{PAPER[theirs]:,}", *_usd(PAPER[theirs]), f"{gas:,.0f}", *_usd(gas)])
    totals = {
        "An encounter with three votes, six transactions": apart["total"],
        "The same, the learner bringing both reports": report.stepwise["total"].gas,
        "Settled alone from signatures": report.signed.gas,
        **{f"In a batch of {size}": cost.gas for size, cost in report.batch.items()},
        "Co-signed, a batch of 100 among 50 parties": report.cosigned.gas,
    }
    for number, (name, gas) in enumerate(totals.items()):
        paper = [f"{PAPER_TOTAL:,}", *_usd(PAPER_TOTAL)] if number == 0 else ["", "", ""]
        rows.append([name, *paper, f"{gas:,.0f}", *_usd(gas)])
    columns = [Column("Step", number=False)]
    columns += [Column(f"{who}, {what}") for who in ("Paper", "Here") for what in ("gas", "Ethereum", "Polygon")]
    return Section(
        key="table2",
        title="Table II: what an encounter costs",
        text=(
            "Measured on the embedded EVM under mainnet's rules, as idml gas does. Dollars at the paper's baselines "
            "of January 17, 2023. The paper's total of 457,225 counts one vote; with the three of its Table I it is "
            f"{PAPER_TOTAL:,}. Here the last vote settles, so steps 7 and 8 have no transaction of their own: the row "
            "shows the last vote. The contract does more than the paper's: locks, consent, a committee that is drawn, "
            "histories.",
        ),
        tables=[TableView("Gas and dollars for one encounter with three votes", columns, rows)],
        claims=[
            Claim(
                "IV-D, Table II",
                "The cost of an encounter can be made reasonable and be estimated in advance.",
                f"Step by step {apart['total']:,.0f} gas with each report apart, {report.stepwise['total'].gas:,.0f} "
                f"otherwise: {PAPER_TOTAL / report.stepwise['total'].gas:.1f} times less than the paper's "
                f"{PAPER_TOTAL:,}; in a batch of 100 {report.batch[100].gas:,.0f}, "
                f"{PAPER_TOTAL / report.batch[100].gas:.0f} times less.",
                Verdict.CONFIRMED if report.stepwise["total"].gas <= PAPER_TOTAL else Verdict.DIFFERENT,
                "The contract does more than the paper's: locks, consent, a committee that is drawn, histories.",
            )
        ],
        data={
            "paper": {**PAPER, "total": PAPER_TOTAL},
            "apart": apart,
            "totals": totals,
        },
        scaled=False,
    )


def _usd(gas: float) -> list[str]:
    return [f"${gas * PAPER_USD_PER_GAS[network]:.4f}" for network in ("ethereum", "polygon")]
