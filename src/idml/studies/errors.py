"""What can go wrong in a study of many runs."""

import os
from pathlib import Path

from idml.errors import IdmlError


class StudyError(IdmlError):
    """A run of a study failed, or what its folder holds was made otherwise than is wanted."""


def unwritable(directory: Path, error: OSError) -> StudyError:
    """Say why nothing can be written in a directory."""
    path = Path(error.filename or directory)
    in_the_way = next((place for place in (path, *path.parents) if os.path.isfile(place)), None)
    if in_the_way is not None and isinstance(error, FileExistsError | NotADirectoryError):
        return StudyError(
            f"cannot write in {directory}: {in_the_way} is a file, where a folder must be: choose another --out, or "
            "move the file"
        )
    return StudyError(f"cannot write in {directory}: {error.strerror}: choose another --out")
