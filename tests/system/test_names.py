"""One word for one thing: no two classes of the package have the same name."""

import ast
from collections import defaultdict
from pathlib import Path

import idml

SOURCE = Path(idml.__file__).parent


def definitions(kind: type[ast.AST]) -> dict[str, list[str]]:
    """Where each name of this kind is defined at the top of a module or in a class."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, kind):
                found[node.name].append(str(path.relative_to(SOURCE)))  # type: ignore[attr-defined]
    return found


def test_no_class_name_stands_twice() -> None:
    classes = definitions(ast.ClassDef)
    assert len(classes) > 200
    assert {name: places for name, places in classes.items() if len(places) > 1} == {}
