"""How long a function and a file may be, so that each is read in one go."""

import ast

import pytest

from portal.environment import BASE_DIR

ROOMS = ("portal", "zones", "quotas", "isos", "instances")
MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def sources():
    files = [path for room in ROOMS for path in sorted((BASE_DIR / room).rglob("*.py"))]
    return [path for path in files if "migrations" not in path.parts]


def lengths(path):
    """Lines of each function, its docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, FUNCTIONS):
            words = node.body[0] if ast.get_docstring(node, clean=False) else None
            said = words.end_lineno - words.lineno + 1 if words else 0
            yield node.name, node.end_lineno - node.lineno + 1 - said


def test_functions():
    long = [
        f"{path.relative_to(BASE_DIR)}: {name} has {count} lines"
        for path in sources()
        for name, count in lengths(path)
        if count > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_files():
    counted = {path.relative_to(BASE_DIR).as_posix(): len(path.read_text().splitlines()) for path in sources()}
    assert len(counted) > 40
    assert {name: count for name, count in counted.items() if count > MAX_FILE_LINES} == {}


@pytest.mark.parametrize("lines", [1, 70])
def test_the_measure(tmp_path, lines):
    path = tmp_path / "a.py"
    path.write_text('def f():\n    """One.\n\n    Two.\n    """\n' + "    pass\n" * lines)
    assert list(lengths(path)) == [("f", lines + 1)]
