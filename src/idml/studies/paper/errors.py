"""What can go wrong when results are reproduced."""

from pathlib import Path


class ReproductionError(Exception):
    """A run among those of a reproduction failed, or its folder holds something else."""


def unwritable(directory: Path, error: OSError) -> ReproductionError:
    """Say why nothing can be written in a directory."""
    path = Path(error.filename or directory)
    in_the_way = next((place for place in (path, *path.parents) if place.is_file()), None)
    if in_the_way is not None and isinstance(error, FileExistsError | NotADirectoryError):
        return ReproductionError(
            f"cannot write in {directory}: {in_the_way} is a file, where a folder must be: choose another --out, or "
            "move the file"
        )
    return ReproductionError(f"cannot write in {directory}: {error.strerror}: choose another --out")
