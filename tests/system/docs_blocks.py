"""The blocks of code in a page of Markdown, each with what it is."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("idml", "make", "python", "python3", "pip", "export", "source", "curl", "anvil", ".venv/bin/pip",
         ".venv/bin/pre-commit", ".venv/bin/idml")  # fmt: skip
"""First words of commands. What begins with another word is no command that these pages know how to check."""

_NEEDS = re.compile(r"\b(needs|takes) (?=\S)")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Args:
        where: page and line.
        kind: console, python, toml or text.
        lines: without what indents them.
    """

    where: str
    kind: str
    lines: tuple[str, ...]

    @property
    def commands(self) -> Iterator[tuple[str, bool]]:
        """The commands of a console block, and whether each says that it needs or takes something."""
        for line in self.lines:
            typed = line.removeprefix("$ ")
            command, _, comment = typed.partition(" # ")
            if typed.strip() and not typed.startswith("#"):
                yield command.strip(), bool(_NEEDS.search(comment))

    @property
    def conditional(self) -> bool:
        """Whether a Python block says in its first line that it needs something."""
        return self.lines[0].startswith("#") and bool(_NEEDS.search(self.lines[0]))


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, fenced and indented.

    Raises:
        ValueError: nobody can tell what one is.
    """
    found: list[Block] = []
    held: list[str] = []
    kind, start, before = "", 0, ""
    for number, line in enumerate([*page.read_text("utf-8").splitlines(), ""], start=1):
        where = f"{page.name}:{start}"
        if kind and kind != "indented":
            if line.startswith("```"):
                if kind == "console":
                    held = [shown for shown in held if shown.startswith("$ ")]
                found.append(Block(where, kind, tuple(held)))
                kind, held = "", []
            else:
                held.append(line)
        elif line.startswith("```"):
            kind, start, held = line[3:].strip() or "text", number, []
            if kind not in ("console", "python", "toml", "text", "json", "sql"):
                raise ValueError(f"{page.name}:{number}: {kind} is no kind of block that a test knows")
        elif kind == "indented":
            if line.startswith("    ") or not line.strip():
                held.append(line[4:])
            if line.strip() and not line.startswith("    "):
                found.append(_indented(where, held))
                kind, held = "", []
        elif re.match(r"    \S", line) and not before.strip():
            kind, start, held = "indented", number, [line[4:]]
        before = line
    if kind == "indented":
        found.append(_indented(f"{page.name}:{start}", held))
    return found


def _indented(where: str, held: list[str]) -> Block:
    lines = tuple("\n".join(held).rstrip().split("\n"))
    word = lines[0].split()[0]
    if word in TOOLS:
        kind = "console"
    elif word in ("class", "def", "import", "from", "@dataclass"):
        kind = "python"
    elif word.startswith("["):
        kind = "toml"
    else:
        raise ValueError(f"{where}: {lines[0]!r} is neither a command nor Python nor TOML: fence it and say what it is")
    return Block(where, kind, lines)
