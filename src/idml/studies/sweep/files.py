"""A sweep as a table for machines: csv, Parquet, and a frame of pandas. One row for each cell."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from idml.store import write_atomically
from idml.studies.errors import StudyError
from idml.studies.sweep.quantities import Numbers
from idml.studies.sweep.vary import value_text

if TYPE_CHECKING:
    import pandas

TABLE, PARQUET = "sweep.csv", "sweep.parquet"
_WHAT = ("status", "error", "directory")
_WHOLE = {"encounters", "skipped", "expelled_honest", "expelled_attackers", "train_images", "eval_images"}
"""Numbers without fractions."""


class Tabled(Protocol):
    """A cell, as a table needs it; see `SweepCell`."""

    @property
    def values(self) -> Mapping[str, Any]:
        """What is varied, by key."""

    @property
    def status(self) -> str:
        """Whether it is done, or failed."""

    @property
    def error(self) -> str | None:
        """Why it failed."""

    @property
    def directory(self) -> Path:
        """Of the run."""

    @property
    def numbers(self) -> Numbers:
        """What came of it, by name."""


def columns_of(cells: Sequence[Tabled]) -> dict[str, list[Any]]:
    """The table's columns, by name, with one value for each cell; what there is not is None.

    The values of a varied key are of one type: texts, if they are not all of one.
    """
    columns: dict[str, list[Any]] = {
        key: _alike([cell.values[key] for cell in cells]) for key in (cells[0].values if cells else ())
    }
    columns |= {"status": [cell.status for cell in cells], "error": [cell.error for cell in cells]}
    columns["directory"] = [str(cell.directory) for cell in cells]
    for name in dict.fromkeys(name for cell in cells for name in cell.numbers):
        kind = int if name in _WHOLE else float
        columns[name] = [kind(cell.numbers[name]) if name in cell.numbers else None for cell in cells]
    return columns


def write_files(directory: Path, cells: Sequence[Tabled]) -> None:
    """Write `sweep.csv`, and `sweep.parquet` if pyarrow is installed.

    Raises:
        StoreError: if they cannot be written.
    """
    columns = columns_of(cells)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if value is None else value for value in row] for row in zip(*columns.values(), strict=True)])
    write_atomically(directory / TABLE, text.getvalue().encode())
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        (directory / PARQUET).unlink(missing_ok=True)  # one from before would say something else
        return
    types = {int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    arrays = {
        name: pyarrow.array(values, types.get(_type_of(values), pyarrow.string())) for name, values in columns.items()
    }
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(arrays), sink)
    write_atomically(directory / PARQUET, sink.getvalue().to_pybytes())


def frame(cells: Sequence[Tabled]) -> "pandas.DataFrame":
    """The same as a frame of pandas.

    Raises:
        StudyError: if pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise StudyError("pandas is not installed: pip install -c constraints.txt -e '.[data]'") from None
    types: dict[type, str] = {int: "Int64", float: "float64", bool: "bool"}
    columns = columns_of(cells)
    return pandas.DataFrame(
        {name: pandas.Series(values, dtype=_dtype(values, types)) for name, values in columns.items()}
    )


def _dtype(values: Sequence[Any], types: Mapping[type, str]) -> str:
    kind = _type_of(values)
    # A column of whole numbers without a gap is a plain one.
    return "int64" if kind is int and None not in values else types.get(kind, "string")


def _type_of(values: Sequence[Any]) -> type:
    return next((type(value) for value in values if value is not None), str)


def _alike(values: Sequence[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and len(kinds) == 2:
        return [None if value is None else float(value) for value in values]
    if len(kinds) == 1 and kinds <= {int, float, bool, str}:
        return list(values)
    return [None if value is None else value_text(value) for value in values]
