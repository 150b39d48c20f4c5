"""The tables of a run as pandas frames.

A frame has a row for each row of its table in `run.sqlite`, in the same order, and a column for each column. Amounts
are there twice: exact, as Python integers in base units (`*_wei`), and as floating-point tokens (`*_tokens`). pandas is
imported when the first frame is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from idml.errors import MissingPackageError
from idml.extras import how_to_install
from idml.reporting.series import TOKEN_WEI
from idml.store import (
    AccuracyPoint,
    BaselinePoint,
    DeviceRecord,
    EarningsRecord,
    EncounterRecord,
    ExpulsionRecord,
    Record,
    RunStore,
    StakePoint,
    TransactionRecord,
    VoteRecord,
)

if TYPE_CHECKING:
    import pandas as pd

_DTYPES: Final[Mapping[Any, str]] = {
    int: "int64",
    int | None: "Int64",
    float: "float64",
    float | None: "float64",
    bool: "bool",
    bool | None: "boolean",
    str: "str",
    str | None: "str",
}
"""How a column looks whose values are of this type; missing whole numbers and truth values stay missing."""
_WEI: Final = "_wei"


def frame(run: RunStore, table: str) -> pd.DataFrame:
    """Read a table of a run.

    Args:
        run: the run, finished or not.
        table: one of `TABLES`.

    Returns:
        A frame; see the page on results for its columns.

    Raises:
        MissingPackageError: pandas is not installed.
        StoreError: the run cannot be read.
    """
    return _READERS[table](run)


def require_pandas() -> None:
    """Check that pandas is there.

    Raises:
        MissingPackageError: it is not.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingPackageError(f"frames need pandas: {how_to_install('data')}") from error
    del pd


def _of_records(records: Iterable[Record], kind: type[Any], leave_out: tuple[str, ...] = ()) -> pd.DataFrame:
    require_pandas()
    import pandas as pd

    rows, types = list(records), get_type_hints(kind)
    columns: dict[str, Any] = {}
    for column in (field.name for field in fields(kind) if field.name not in leave_out):
        values = [getattr(row, column) for row in rows]
        if column.endswith(_WEI):
            columns[column] = pd.Series(values, dtype="object")
            columns[column.removesuffix(_WEI) + "_tokens"] = pd.Series(
                [value / TOKEN_WEI for value in values], dtype="float64"
            )
        else:
            columns[column] = pd.Series(values, dtype=_DTYPES[types[column]])
    return pd.DataFrame(columns)


_READERS: Final[Mapping[str, Callable[[RunStore], pd.DataFrame]]] = {
    "devices": lambda run: _of_records(run.devices(), DeviceRecord),
    "encounters": lambda run: _of_records(run.encounters(), EncounterRecord, leave_out=("votes",)),
    "votes": lambda run: _of_records(run.votes(), VoteRecord),
    "transactions": lambda run: _of_records(run.transactions(), TransactionRecord),
    "stakes": lambda run: _of_records(run.stakes(), StakePoint),
    "accuracy": lambda run: _of_records(run.accuracy(), AccuracyPoint),
    "baselines": lambda run: _of_records(run.baselines(), BaselinePoint),
    "earnings": lambda run: _of_records(run.earnings(), EarningsRecord),
    "expulsions": lambda run: _of_records(run.expulsions(), ExpulsionRecord),
}

TABLES: Final = tuple(_READERS)
"""The tables that can be read as frames."""
