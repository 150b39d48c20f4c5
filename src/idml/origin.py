"""What made a result: which idml, on which Python and platform, by which command."""

import os
import platform
import shlex
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_HASH_LENGTHS = (40, 64)


def made_by() -> dict[str, str | None]:
    """Say what computes here.

    Returns:
        `version` of idml; `commit`, if idml runs from a git checkout and its commit is known, else None; `python`;
        `platform`; `command`, as a shell would take it.
    """
    return {
        "version": _version(),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def _version() -> str:
    try:
        return version("idml")
    except PackageNotFoundError:  # it runs from a folder that nobody installed
        return "unknown"


@cache
def _commit() -> str | None:
    """The commit that is checked out where this file lies, read from git's own files; git itself may be missing."""
    root = Path(os.path.realpath(__file__)).parents[2]
    git = root / ".git"
    try:
        if os.path.isfile(git):  # a worktree: the file names its folder
            git = root / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref:"):
            head = _resolve(git, head.removeprefix("ref:").strip())
    except (OSError, UnicodeDecodeError):
        return None
    return head if len(head) in _HASH_LENGTHS and not head.strip("0123456789abcdef") else None


def _resolve(git: Path, reference: str) -> str:
    """The commit that a branch stands at; empty if it has none yet."""
    shared = git / "commondir"
    folders = [git, git / shared.read_text(encoding="utf-8").strip()] if os.path.isfile(shared) else [git]
    for folder in folders:
        if os.path.isfile(folder / reference):
            return (folder / reference).read_text(encoding="utf-8").strip()
        packed = folder / "packed-refs"
        lines = packed.read_text(encoding="utf-8").splitlines() if os.path.isfile(packed) else []
        for line in lines:
            if line.endswith(f" {reference}"):
                return line.split()[0]
    return ""
