"""Data sets that lie in files: found on disk or downloaded, and always checked against their official digests."""

import os
from abc import abstractmethod
from pathlib import Path

from idml.learning.arrays import Samples
from idml.learning.data.source import DataSource
from idml.learning.errors import DataError
from idml.outside import home_folder


class FileSource(DataSource):
    """A data set in files, looked for in `data_dir`, then in $IDML_DATA, then in the user cache.

    A subclass says what a folder may hold of it, where to get it, and how to read it.
    """

    @abstractmethod
    def find(self, root: Path) -> Path | None:
        """What a folder holds of the data set: a folder or an archive; None if it holds nothing of it."""

    @abstractmethod
    def missing(self, place: Path) -> list[Path]:
        """The files that are not in a place where `find` found some; empty if nothing is missing."""

    @abstractmethod
    def fetch(self, folder: Path) -> Path:
        """Download what a folder lacks; returns the place to read.

        Raises:
            DataError: it cannot be had.
        """

    @abstractmethod
    def read(self, place: Path, cache: Path | None) -> Samples:
        """Read the data set.

        Args:
            place: what `find` or `fetch` returned.
            cache: folder for what takes long to work out; None if there is none.

        Raises:
            DataError: a file cannot be read or is not the official one.
        """

    def load(self, data_dir: Path | None, *, download: bool) -> Samples:
        """See `DataSource.load`; what is downloaded goes to the user cache."""
        if data_dir is not None and not os.path.isdir(data_dir):
            raise DataError(f"the data folder {data_dir} does not exist: correct its path")
        cache = user_cache()
        root, place = self._locate(data_dir)
        lacking = self.missing(place) if place is not None else []
        if place is None or (lacking and root == cache and download):
            if not download:
                searched = ", ".join(str(root) for root in _roots(data_dir).values())
                raise DataError(f"{self.name} is not in {searched}: put it there, or allow the download")
            if cache is None:
                raise DataError(f"{self.name} is not here, and there is no home folder for it: set XDG_CACHE_HOME")
            place = self.fetch(cache / self.name)
        elif lacking:
            raise DataError(f"{lacking[0]} is missing beside the other files of {self.name}: add it or remove them")
        return self.read(place, cache)

    def is_there(self, data_dir: Path | None) -> bool:
        """See `DataSource.is_there`; it looks at names only, not at the content of files."""
        _, place = self._locate(data_dir)
        return place is not None and not self.missing(place)

    def why_not_there(self, data_dir: Path | None) -> str | None:
        """See `DataSource.why_not_there`: where was looked, and which files are missing."""
        _, place = self._locate(data_dir)
        if place is None:
            searched = ", ".join(f"{name} ({root})" for name, root in _roots(data_dir).items())
            return f"{self.name} is not in {searched}; --set dataset={self.name} gets it, or says how"
        lacking = [path.name for path in self.missing(place)]
        are = "is" if len(lacking) == 1 else "are"
        return f"{self.name} is incomplete in {place}: {', '.join(lacking)} {are} missing" if lacking else None

    def _locate(self, data_dir: Path | None) -> tuple[Path | None, Path | None]:
        """The first folder that holds anything of the data set, and where in it."""
        for root in _roots(data_dir).values():
            place = self.find(root)
            if place is not None:
                return root, place
        return None, None


def find_file(name: str, data_dir: Path | None = None) -> Path | None:
    """Find a file beside the data sets, by its name relative to the folders where they are looked for."""
    paths = (root / name for root in _roots(data_dir).values())
    return next((Path(os.path.realpath(path)) for path in paths if os.path.isfile(path)), None)


def user_cache() -> Path | None:
    """The folder for downloads: $XDG_CACHE_HOME/idml, or ~/.cache/idml; None where there is no home folder."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):  # the XDG specification has relative paths ignored
        return Path(base) / "idml"
    home = home_folder()
    return None if home is None else home / ".cache" / "idml"


def _roots(data_dir: Path | None) -> dict[str, Path]:
    """Where data are looked for, by what users call it.

    Raises:
        DataError: $IDML_DATA names no folder.
    """
    named = os.environ.get("IDML_DATA")
    if named and not os.path.isdir(named):
        raise DataError(f"$IDML_DATA is {named!r}: there is no such folder; correct it, or unset it")
    roots = {"data_dir": data_dir, "$IDML_DATA": Path(named) if named else None, "the cache": user_cache()}
    return {name: root for name, root in roots.items() if root is not None}
