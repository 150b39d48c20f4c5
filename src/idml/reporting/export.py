"""Writes the tables of a run as files that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from idml.errors import MissingPackageError
from idml.extras import how_to_install
from idml.reporting.frames import TABLES, frame, require_pandas
from idml.store import RunStore, StoreError

FileFormat = Literal["parquet", "csv"]
FILE_FORMATS: Final[tuple[FileFormat, ...]] = ("parquet", "csv")


def write_tables(run: RunStore, directory: Path, to: FileFormat) -> list[Path]:
    """Write each table of a run into a file of its own.

    Amounts in base units (`*_wei`) are written as decimal text, because 64-bit integers have too few digits for them.

    Args:
        run: the run, finished or not.
        directory: where to; made if it is missing. Files of an earlier export are replaced.
        to: the format.

    Returns:
        The files, one for each table.

    Raises:
        MissingPackageError: pandas is not installed, or pyarrow, which Parquet needs.
        StoreError: the run cannot be read, or a file cannot be written.
    """
    require_pandas()
    if to == "parquet":
        _require_pyarrow()
    written = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for table in TABLES:
            rows, path = frame(run, table), directory / f"{table}.{to}"
            for column in rows.columns:
                if column.endswith("_wei"):
                    rows[column] = rows[column].map(str).astype("str")
            part = path.with_name(f".{path.name}.part")
            if to == "parquet":
                rows.to_parquet(part, index=False)
            else:
                rows.to_csv(part, index=False)
            part.replace(path)
            written.append(path)
    except OSError as error:
        raise StoreError(f"cannot write to {directory}: {error.strerror or error}") from error
    return written


def _require_pyarrow() -> None:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingPackageError(f"Parquet needs pyarrow: {how_to_install('data')}") from error
    del pyarrow
