"""Data files that a model declares are those that count as its code, or the model is refused."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import pytest

from numebot_dagster.modeling.source.own_code import own_code
from numebot_dagster.modeling.worker.declarations import WrongModel, describe, import_class
from numebot_dagster.modeling.worker.messages import ModelCode

PREAMBLE = """\
from numebot_dagster.modeling import NumeraiModel
class Base(NumeraiModel):
    train = predict = save = load = lambda *arguments: None
"""
NUMBERS = count()


@pytest.fixture
def describe_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Describe the class M of a source, in a module that no other test has imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("1")

    def described(source: str) -> ModelCode:
        module = f"model_of_data_files_{next(NUMBERS)}"
        (tmp_path / f"{module}.py").write_text(PREAMBLE + source)
        code = ModelCode(module, "M", (str(tmp_path),))
        describe(import_class(code), code)
        return code

    return described


WRITTEN_OUT = {
    "class M(Base): pass": [],
    "class M(Base): data_files = ('a.csv',)": ["a.csv"],
    "class M(Base): data_files: tuple = ['a.csv', 'b.csv']": ["a.csv", "b.csv"],
    "class M(Base): data_files = ('a.csv',)\nM.data_files = M.data_files[:]": ["a.csv"],
    "class C(Base): data_files = ('a.csv',)\nclass M(C): data_files = C.data_files": ["a.csv"],
}


@pytest.mark.parametrize("source", WRITTEN_OUT)
def test_what_is_written_out_counts(describe_model, source: str) -> None:
    code = describe_model(source)
    counted = own_code(code).data_files
    assert sorted(path.name for path in counted) == WRITTEN_OUT[source]


FORMS = {
    "FILES = ('a.csv',)\nclass M(Base):\n    data_files = FILES": 6,
    "class C(Base): data_files = ('b.csv',)\nclass M(C):\n"
    "    data_files = C.data_files + ('a.csv',)": 6,
    "class M(Base):\n    names = data_files = ('a.csv',)": 5,
    "class M(Base):\n    if True:\n        data_files = ('a.csv',)": 6,
    "class M(Base): pass\nM.data_files = ('a.csv',)": 5,
    "class M(Base): pass\nsetattr(M, 'data_files', ['a.csv'])": 5,
    "M = type('M', (Base,), dict(data_files=('a.csv',), __module__=__name__))": 4,
    "class M(Base):\n    data_files = ()\n    data_files += ('a.csv',)": 6,
}


@pytest.mark.parametrize("source", FORMS)
def test_what_is_not_written_out_is_refused_with_its_line(describe_model, source: str) -> None:
    with pytest.raises(WrongModel) as caught:
        describe_model(source)
    assert f".py, line {FORMS[source]}: data_files is not written out" in str(caught.value)
    assert "a change of a.csv would not count" in str(caught.value)
    assert "a.csv') in the body" in str(caught.value) or "('a.csv',) in the" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("class M(Base): data_files = 'a.csv'", r"is the text 'a.csv'; write \(\"a.csv\",\)"),
        ("class M(Base): data_files = (1,)", r"is \(1,\); it must be a tuple of file names"),
        ("class M(Base): data_files = None", "is None; it must be a tuple of file names"),
        ("class M(Base): data_files = ('c.csv',)", "c.csv, and there is no such file in "),
    ],
)
def test_what_cannot_be_data_files(describe_model, source: str, complaint: str) -> None:
    with pytest.raises(WrongModel, match=complaint):
        describe_model(source)
