"""The registry: what a good file means, and what is said of each bad one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from numebot_dagster.modeling.registry import RegistryError, code_hash, read_registry
from numebot_dagster.modeling.worker.messages import ModelCode

MODELS = """
import sys
raise SystemExit("reading the registry must import nothing of the user")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "my_models"
    (package / "deep").mkdir(parents=True)
    for name in ("__init__.py", "first_model.py", "second.py", "deep/__init__.py", "deep/third.py"):
        (package / name).write_text(MODELS)
    (tmp_path / "lonely_model.py").write_text(MODELS)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "model_configs.csv"
    path.write_text(text)
    return path


def test_a_full_registry(folder: Path) -> None:
    path = write(
        folder,
        "\ufeffnumerai_name, model_code ,description,enabled,submit,inputs,fallback,vintage,"
        "owner,tags\n"
        'a-b c,my_models.first_model,"one, two",,,,benchmark,,,\n'
        "\n"
        "both,my_models.deep.third:Best,,TRUE,no,a-b c; lone ;a-b c,a-b c,1343,"
        "jane.doe@example.com; team:research;team:research, family=trees ;lab/new;\n"
        "lone,lonely_model\n"
        "off,my_models.second,,false,,,,,,\n",
    )
    registry = read_registry(path)
    assert [model.name for model in registry.models] == ["a-b c", "both", "lone", "off"]
    first, both, lone, off = registry.models
    search_path = (str(Path.cwd()), str(folder))
    assert first.asset_name == "a_b_c"
    assert first.code == ModelCode("my_models.first_model", "FirstModel", search_path)
    assert (first.module, first.class_name) == ("my_models.first_model", "FirstModel")
    assert (first.description, first.enabled, first.submit) == ("one, two", True, True)
    assert (first.inputs, first.fallback, first.vintage) == ((), "benchmark", None)
    assert (both.class_name, both.enabled, both.submit) == ("Best", True, False)
    assert (both.inputs, both.fallback, both.vintage) == (("a-b c", "lone"), "a-b c", 1343)
    assert (first.owners, first.tags) == ((), ())
    assert both.owners == ("jane.doe@example.com", "team:research")
    assert both.tags == (("family", "trees"), ("lab/new", ""))
    assert first.source == folder / "my_models/first_model.py"
    assert lone.class_name == "LonelyModel"
    assert not off.enabled
    assert registry["both"] is both
    with pytest.raises(
        RegistryError, match=r"no model 'nobody'.*`numebot models list` lists all 4"
    ):
        registry["nobody"]


def test_enabled_models_come_after_their_inputs(folder: Path) -> None:
    path = write(
        folder,
        "numerai_name,model_code,inputs,enabled\n"
        "top,my_models.second,middle;base,\n"
        "middle,my_models.second,base,\n"
        "off,my_models.second,,no\n"
        "base,my_models.second,,\n",
    )
    assert [model.name for model in read_registry(path).enabled] == ["base", "middle", "top"]


def test_an_empty_registry_is_none_yet(folder: Path) -> None:
    assert read_registry(write(folder, "numerai_name,model_code,description\n")).models == ()


HEAD = "numerai_name,model_code,inputs,fallback,enabled,submit,vintage\n"
LABELS = "numerai_name,model_code,owner,tags\na,my_models.second,"
GOOD = "a,my_models.first_model,,,,,\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: the column numerai_name is missing"),
        ("numerai_name\na\n", "line 1: the column model_code is missing"),
        ("name,model_code\n", "line 1: the column numerai_name is missing; did you mean name"),
        ("model_name,code\n", "numerai_name is missing; did you mean model_name"),
        ("numerai_name,colour,code\n", "model_code is missing; did you mean code"),
        ("numerai_name\n", "line 1: the column model_code is missing; add it"),
        ("numerai_name,model_code,enable\n", "column enable: unknown; did you mean enabled"),
        ("numerai_name,model_code,colour\n", "line 1, column colour: unknown; the columns are"),
        ("numerai_name,model_code,inputs,inputs\n", "line 1, column inputs: it appears twice"),
        (HEAD + ",my_models.second,,,,,\n", "line 2, column numerai_name: it is empty"),
        (HEAD + "a,,,,,,\n", "line 2, column model_code: it is empty"),
        (HEAD + "a,my models,,,,,\n", "line 2, column model_code: 'my models' is not a module"),
        (HEAD + "a,my_models.second:,,,,,\n", "column model_code: 'my_models.second:' is no"),
        (HEAD + "a,no_such_package.x,,,,,\n", "column model_code: no module no_such_package in"),
        (HEAD + "a,my_models.none,,,,,\n", "column model_code: no module my_models.none in"),
        (HEAD + "a,lonely_model.x,,,,,\n", "is a single module: it has no x"),
        (HEAD + GOOD + "b,my_models.second,,,,,,x\n", "line 3, column vintage: 'x' follows after"),
        (HEAD + GOOD + GOOD, "line 3, column numerai_name: 'a' is on line 2 as well"),
        (
            HEAD + "a-b,my_models.second,,,,,\na_b,my_models.second,,,,,\n",
            "line 3, column numerai_name: 'a_b' and the name on line 2 both give the asset name",
        ),
        (HEAD + "benchmark,my_models.second,,,,,\n", "'benchmark' is reserved"),
        (HEAD + "a,my_models.second,,,maybe,,\n", "column enabled: 'maybe' is neither true nor"),
        (HEAD + "a,my_models.second,,,,2,\n", "column submit: '2' is neither true nor false"),
        (HEAD + "a,my_models.second,,,,,v5\n", "column vintage: 'v5' is not a round number"),
        (HEAD + "a,my_models.second,a,,,,\n", "column inputs: 'a' names itself"),
        (
            LABELS + "jane,\n",
            "line 2, column owner: 'jane' is neither an e-mail address nor a team",
        ),
        (LABELS + "team:,\n", "column owner: 'team:' is neither"),
        (LABELS + "j@x.y; a@b.org,\n", "column owner: 'j@x.y' is neither"),
        (
            LABELS + ",a=b=c\n",
            "line 2, column tags: 'a=b=c' is not a tag; write for example family",
        ),
        (LABELS + ",two words\n", "column tags: 'two words' is not a tag"),
        (LABELS + f",{'a' * 64}\n", "a' is not a tag"),
        (LABELS + ",dagster/kind/x\n", "column tags: 'dagster/kind/x' is not a tag"),
        (LABELS + ",dagster/x=y\n", "column tags: 'dagster/x=y': dagster/ is Dagster's own"),
        (LABELS + ",a=1;a=2\n", "column tags: a appears twice; remove one"),
        (
            HEAD + GOOD + "b,my_models.second,c,,,,\n",
            "line 3, column inputs: there is no model 'c'; the others are: a",
        ),
        (HEAD + "a,my_models.second,,b,,,\n", "column fallback: there is no model 'b'"),
        (HEAD + "a,my_models.second,,a,,,\n", "column fallback: 'a' names itself"),
        (
            HEAD + "a,my_models.second,,,no,,\nb,my_models.second,a,,,,\n",
            "line 3, column inputs: 'a' is not enabled",
        ),
        (
            HEAD + "a,my_models.second,b,,,,\nb,my_models.second,a,,,,\n",
            "column inputs: the inputs go in a circle: ",
        ),
    ],
)
def test_bad_rows(folder: Path, text: str, complaint: str) -> None:
    path = write(folder, text)
    with pytest.raises(RegistryError) as caught:
        read_registry(path)
    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)


def test_a_missing_registry_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="does not exist: make it with the line numerai_name"):
        read_registry(tmp_path / "none.csv")


TWO = [("a", "my_models.first_model", "one"), ("b", "my_models.second", "two")]
PLAIN = "numerai_name,model_code,description\na,my_models.first_model,one\nb,my_models.second,two\n"
LONG = "x" * 100_000

# What spreadsheets and editors write, with the three cells of the two rows.
READ = {
    "crlf": (PLAIN.replace("\n", "\r\n"), TWO),
    "cr": (PLAIN.replace("\n", "\r"), TWO),
    "no end of line": (PLAIN.rstrip(), TWO),
    "semicolons": (PLAIN.replace(",", ";"), TWO),
    "tabs": (PLAIN.replace(",", "\t"), TWO),
    "sep line": ("sep=|\n" + PLAIN.replace(",", "|"), TWO),
    "quoted sep line": ('"sep=;"\r\n' + PLAIN.replace(",", ";"), TWO),
    "header in capitals": (PLAIN.replace("numerai_name", " Numerai_Name "), TWO),
    "empty columns at the end": (PLAIN.replace("\n", ",,\n"), TWO),
    "blank lines": ("\n\n" + PLAIN.replace("\n", "\n , \n\n"), TWO),
    "quoted cells": (PLAIN.replace("one", '"one"').replace("model_code", '"model_code"'), TWO),
    "byte order mark": ("\ufeff" + PLAIN, TWO),
    "line separators": (
        PLAIN.replace("one", "o\u2028n\x85e\x0b"),
        [("a", "my_models.first_model", "o\u2028n\x85e"), TWO[1]],
    ),
    "a long cell": (PLAIN.replace("one", LONG), [(*TWO[0][:2], LONG), TWO[1]]),
    "quotes and newlines": (
        PLAIN.replace("one", '"a ""b"",\nof two, lines"'),
        [(*TWO[0][:2], 'a "b",\nof two, lines'), TWO[1]],
    ),
    "a quote inside": (PLAIN.replace("one", 'o"n"e'), [(*TWO[0][:2], 'o"n"e'), TWO[1]]),
    "another order": (
        "model_code,numerai_name\nmy_models.second,b\n",
        [("b", "my_models.second", "")],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_programs_write_is_read(folder: Path, name: str) -> None:
    text, expected = READ[name]
    path = folder / "model_configs.csv"
    path.write_bytes(text.encode())
    models = read_registry(path).models
    assert [(model.name, model.model_code, model.description) for model in models] == expected


REFUSED = {
    "unclosed quote": (
        PLAIN.replace("one", '"one'),
        "line 2, column description: a double quote is opened there and never closed",
    ),
    "unclosed quote before a quoted cell": (
        PLAIN.replace("one", '"one').replace("two", '"two"'),
        "line 2, column description: on line 3 text follows after a closing double quote",
    ),
    "two unclosed quotes": (
        PLAIN.replace("one", '"one').replace("two", 'two"'),
        "line 2, column description: it continues on line 3, which looks like a row of its own",
    ),
    "unclosed quote in a name": (
        PLAIN.replace("b,", '"b,'),
        "line 3, column numerai_name: a double quote is opened there and never closed",
    ),
    "text after a quote": (
        PLAIN.replace("my_models.second", '"my_models".second'),
        "line 3, column model_code: on line 3 text follows after a closing double quote",
    ),
    "a name of two lines": (
        PLAIN.replace("b,", '"b\nc",'),
        "line 3, column numerai_name: it spans several lines",
    ),
    "huge cell": (
        PLAIN.replace("two", LONG + LONG),
        "line 3, column description: the cell has more than 131,072 characters",
    ),
    "nul": (PLAIN.replace("two", "t\0wo"), "line 3: it has a NUL character"),
    "utf-16 without a mark": (PLAIN.encode("utf-16-le"), "line 1: it has a NUL character"),
    "windows": (
        PLAIN.replace("two", "caf\xe9s").encode("cp1252"),
        "line 3: it is not UTF-8 text (invalid continuation byte, byte 0xe9); save it as UTF-8",
    ),
    "other separator below": (
        "numerai_name,model_code\nb;my_models.second\n",
        "line 2, column numerai_name: 'b;my_models.second' separates its cells by a semicolon, and "
        "the header by a comma",
    ),
    "one column twice": (
        PLAIN.replace("description", "Model_Code"),
        "line 1, column model_code: it appears twice",
    ),
    "an empty column inside": (
        PLAIN.replace("model_code,", "model_code,,"),
        "line 1, column (empty): unknown",
    ),
    "a line too long": (
        PLAIN.replace("two", "two, three"),
        "line 3, column description: 'three' follows after the last column",
    ),
    "invisible": (
        PLAIN.replace("b,", "b\u200bc,"),
        "line 3, column numerai_name: 'b\\u200bc' has an invisible character (U+200B)",
    ),
    "a line separator of Unicode": (
        PLAIN.replace("b,", "b\u2028c,"),
        "line 3, column numerai_name: 'b\\u2028c' has an invisible character (U+2028)",
    ),
    "a next line of Unicode": (
        PLAIN.replace("b,", "b\x85c,"),
        "line 3, column numerai_name: 'b\\x85c' has an invisible character (U+0085)",
    ),
    "after quoted lines": (
        PLAIN.replace("one", '"1\n2"').replace("my_models.second", "no_such"),
        "line 4, column model_code: no module no_such",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_place(folder: Path, name: str) -> None:
    content, complaint = REFUSED[name]
    path = folder / "model_configs.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RegistryError) as caught:
        read_registry(path)
    assert f"{path}, {complaint}" in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_an_encoding_with_a_byte_order_mark_is_read(folder: Path, encoding: str) -> None:
    path = folder / "model_configs.csv"
    path.write_bytes(PLAIN.replace("one", "\xe9\u4e2d").encode(encoding))
    assert read_registry(path)["a"].description == "\xe9\u4e2d"


def test_another_class_is_other_code(folder: Path) -> None:
    def of(model_code: str) -> str:
        path = write(folder, f"numerai_name,model_code\na,{model_code}\n")
        return code_hash(read_registry(path)["a"])

    first = of("my_models.first_model:Model")
    assert of("my_models.first_model:Model") == first
    assert of("my_models.first_model:Other") != first
    assert of("my_models.deep.third:Model") != first


@pytest.mark.process
def test_reading_and_hashing_is_fast_and_imports_nothing_heavy(folder: Path) -> None:
    rows = "".join(f"model_{number},my_models.first_model\n" for number in range(50))
    path = write(folder, "numerai_name,model_code\n" + rows)
    read_registry(path)  # warm
    start = time.perf_counter()
    for model in read_registry(path).models:
        code_hash(model)
    assert time.perf_counter() - start < 0.2
    code = (
        "import sys; from pathlib import Path; from numebot_dagster.modeling import registry; "
        f"[registry.code_hash(m) for m in registry.read_registry(Path({str(path)!r})).models]; "
        "print([n for n in ('numpy','pandas','polars','lightgbm','xgboost','my_models') "
        "if n in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
