"""What a figure or table of the paper came to: pictures, tables, numbers, and its claims beside what was measured."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from idml.reporting.style import Chart
from idml.reporting.tables import TableView
from idml.studies.estimates import Estimate


class Verdict(Enum):
    """What became of a claim."""

    CONFIRMED = "confirmed"
    OPEN = "not confirmed"
    DIFFERENT = "different"
    UNJUDGED = "not judged"

    @classmethod
    def of_positive(cls, value: Estimate) -> "Verdict":
        """On the claim that a value is above 0: by its interval."""
        return cls.CONFIRMED if value.low > 0 else cls.DIFFERENT if value.high < 0 else cls.OPEN

    @classmethod
    def of_at_most(cls, value: Estimate, limit: float) -> "Verdict":
        """On the claim that a value is no more than a limit: by its interval."""
        return cls.CONFIRMED if value.high <= limit else cls.DIFFERENT if value.low > limit else cls.OPEN

    @classmethod
    def of_all(cls, verdicts: Iterable["Verdict"]) -> "Verdict":
        """On a claim that says several things at once: confirmed only if each is."""
        found = set(verdicts)
        return cls.DIFFERENT if cls.DIFFERENT in found else cls.OPEN if cls.OPEN in found else cls.CONFIRMED


CHANCE = "The difference is too small, or the seeds are too few, to tell it from chance."
TOO_SMALL = "The runs of this scale are too small and too few to judge it; those of the scale laptop are not."


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that the paper says, and what was measured.

    Args:
        where: in the paper.
        says: in the paper's sense.
        measured: with numbers and intervals.
        verdict: confirmed, if the measurement shows it; not confirmed, if it does not; different, if it shows another
            thing; not judged, where too little was measured.
        cause: why it should come out different, in a sentence; empty if it cannot.
        undecided: likewise, why not confirmed.
    """

    where: str
    says: str
    measured: str
    verdict: Verdict
    cause: str = ""
    undecided: str = CHANCE

    @property
    def reason(self) -> str:
        """Why it is not confirmed; empty if it is."""
        return {
            Verdict.CONFIRMED: "",
            Verdict.DIFFERENT: self.cause,
            Verdict.OPEN: self.undecided,
            Verdict.UNJUDGED: TOO_SMALL,
        }[self.verdict]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Something that the paper says, and why it is not judged.

    Args:
        where: in the paper.
        says: in the paper's sense.
        why: in a sentence.
    """

    where: str
    says: str
    why: str


@dataclass(frozen=True, slots=True)
class Section:
    """One figure or table.

    Args:
        key: as on the command line, for instance `fig8`.
        title: a heading.
        text: what was done and where it departs from the paper, a paragraph each.
        charts: by the name of their files.
        tables: to be shown.
        claims: that rest on it.
        unjudged: claims of the paper that its runs cannot tell about.
        data: the numbers behind all of it, for JSON.
        scaled: whether it depends on the size.
    """

    key: str
    title: str
    text: Sequence[str]
    charts: Mapping[str, Chart] = field(default_factory=dict)
    tables: Sequence[TableView] = ()
    claims: Sequence[Claim] = ()
    unjudged: Sequence[Unjudged] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    scaled: bool = True

    def without_verdicts(self) -> "Section":
        """The same, where it depends on a size that is too small to judge claims by."""
        if not self.scaled:
            return self
        return replace(self, claims=[replace(claim, verdict=Verdict.UNJUDGED) for claim in self.claims])
