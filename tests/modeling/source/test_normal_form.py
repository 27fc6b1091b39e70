"""The normal form of Python source: what does not change it, what does, and that it is for good."""

from __future__ import annotations

import ast
import hashlib

import pytest

from numebot_dagster.modeling.source.normal_form import normal_form

SOURCE = '''
"""A model."""
import numpy as np
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from a import B

class Model(Base, metaclass=Meta):
    """What it does."""
    trees: int = 2_000
    names = ("a", 'b', b"c", None, ..., True, 1.5, 2j, -0.0, 10**400, "\u0378\\ud800")

    async def predict(self, data, /, *more, key=None, **rest) -> "np.ndarray":
        """Returns something."""
        text = f"{data!r:>{self.trees}} and {data=}" f"" "x" f"{key:}"
        if (n := len(data)) > 1 and not key: return [x async for x in data if x]
        match data:
            case {"a": [1, *_], **other} | Model(trees=2): pass
            case _: await other[1:2, ..., *more]
        try: raise E from None
        except* (A, B) as error: del error
        with (open(a) as b, c): lambda q, *, w: (yield)
'''


def form(text: str, **options: bool) -> bytes:
    return normal_form(ast.parse(text), **{"docstrings": False, **options})


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("x = 1  # a comment\n\n\n", "x=1"),
        ("f(\n    a,\n    'b',\n)", 'f(a, "b")'),
        ("x = (1)", "x = 1"),
        ("x = 0x10", "x = 16"),
        ("x = u'a' 'b'", "x = 'ab'"),
        ("def f():\n    'one'\n    return 1", "def f():\n    'two'\n    return 1"),
        ("x = 1\n'''What x is.'''", "x = 1"),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", "import b"),
        ("if typing.TYPE_CHECKING:\n    import a\nx = 1", "x = 1"),
        ("f'{x:}'", "f'{x}'"),
        ("f'a' 'b' f'{x}'", "f'ab{x}'"),
    ],
)
def test_what_does_not_change_it(first: str, other: str) -> None:
    assert form(first) == form(other)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 0.0", "x = -0.0"),
        ("x = 'a'", "x = b'a'"),
        ("x = ''", "x = None"),
        ("f(a, b)", "f((a, b))"),
        ("f(a)(b)", "f(a, b)"),
        ("x = a", "a = x"),
        ("def f(a, b=1): pass", "def f(a=1, *, b): pass"),
        ("def f(a, /, b): pass", "def f(a, b): pass"),
        ("f'{x!r}'", "f'{x}'"),
        ("f'{x:>2}'", "f'{x}'"),
        ("f'{x}y'", "f'y{x}'"),
        ("f('a', g)", "f('a' 'b', g)"),
        ("if a:\n  b\nc", "if a:\n  b\n  c"),
        ("try:\n  a\nexcept E:\n  b", "try:\n  a\nexcept* E:\n  b"),
        ("import a as b", "import a"),
        ("from . import a", "from .. import a"),
        ("x = a.str", "x = 'a.str'"),
    ],
)
def test_what_changes_it(first: str, other: str) -> None:
    assert form(first) != form(other)


def test_docstrings_count_when_asked_for() -> None:
    assert form("'one'\nx = 1", docstrings=True) != form("'two'\nx = 1", docstrings=True)


def test_it_is_the_same_for_every_python_version() -> None:
    """The hash was computed with Python 3.11, 3.12 and 3.13; `ast.dump` gives each another one."""
    digest = hashlib.sha256(form(SOURCE)).hexdigest()
    assert digest[:16] == "deb4b042deec5864"


def test_what_versions_are_known_to_do_differently() -> None:
    tree = ast.parse("def f(): return f'a{x}'")
    expected = normal_form(tree, docstrings=False)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.type_params = []  # since 3.12
    function.type_comment = None
    value = function.body[0].value
    value.values[:1] = [ast.Constant(""), ast.Constant("a", kind="u"), ast.Constant("")]
    value.values[3].format_spec = ast.JoinedStr([ast.Constant("")])
    assert normal_form(tree, docstrings=False) == expected


def test_a_long_chain_of_operators_is_no_recursion() -> None:
    tree = ast.parse("x = 1")
    for _ in range(5_000):
        tree.body[0].value = ast.BinOp(tree.body[0].value, ast.Add(), ast.Constant(1))
    assert len(normal_form(tree, docstrings=False)) > 5_000
