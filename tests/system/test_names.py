"""One word for one thing: no two classes of the package have the same name."""

import ast
from collections import defaultdict
from pathlib import Path

import idml

SOURCE = Path(idml.__file__).parent


def class_names() -> dict[str, list[str]]:
    """Where a class of each name is defined."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(SOURCE)))
    return found


def test_no_class_name_stands_twice() -> None:
    classes = class_names()
    assert len(classes) > 200
    assert {name: places for name, places in classes.items() if len(places) > 1} == {}
