"""What belongs to a model's code, and what changes its hash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.source.own_code import OwnCode, own_code
from numebot_dagster.modeling.worker.messages import ModelCode

PREAMBLE = "raise SystemExit('finding a model imports nothing of it')\n"
FILES = {
    "pkg/__init__.py": "",
    "pkg/model.py": (
        "import numpy, os, not_there, numebot_dagster.modeling\n"
        "from typing import TYPE_CHECKING\n"
        "from . import tools\n"
        "from .deep import third, SOME_NAME\n"
        "from pkg.deep.fourth import *\n"
        "if TYPE_CHECKING:\n    from pkg import only_types\n"
        "class Model:\n"
        "    data_files = ('weights.csv', 'gone.csv')\n"
        "    def train(self):\n"
        "        try:\n            from other import helper\n"
        "        except ImportError:\n            importlib.import_module('named')\n"
    ),
    "pkg/weights.csv": "1,2\n",
    "pkg/tools.py": "from .. import beyond\nfrom .indirect import x\n",
    "pkg/indirect.py": "import pkg.model  # a circle\n",
    "pkg/deep/__init__.py": "SOME_NAME = 1\n",
    "pkg/deep/third.py": "",
    "pkg/deep/fourth.py": "",
    "pkg/only_types.py": "",
    "pkg/another_model.py": "",
    "pkg/log.txt": "",
    "other/helper.py": "",  # a folder without __init__.py
    "other/unused.py": "",
    "named.py": "",
    "lonely.py": "import beside\ndef f():\n    from beside import g\n",
    "beside.py": "",
    "stranger.py": "",
}
MODEL = {
    *("pkg", "pkg.model", "pkg.tools", "pkg.indirect", "pkg.deep", "pkg.deep.third"),
    *("pkg.deep.fourth", "other.helper", "named"),
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PREAMBLE + content if name.endswith(".py") else content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, FILES)
    return tmp_path


def code(folder: Path, module: str = "pkg.model") -> OwnCode:
    return own_code(ModelCode(module, "Model", (str(folder),)))


def test_a_model_is_made_of_what_it_imports(folder: Path) -> None:
    model = code(folder)
    assert set(model.digests) == MODEL
    assert set(model.data_digests) == {"pkg.model:weights.csv", "pkg.model:gone.csv"}
    assert model.data_digests["pkg.model:gone.csv"] == "missing"
    assert model.remark == ""
    assert set(code(folder, "lonely").digests) == {"lonely", "beside"}
    assert len(model.hash) == 8
    int(model.hash, 16)


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith(("lonely", "bes"))])
def test_the_hash_changes_with_what_counts(folder: Path, name: str) -> None:
    before, lonely = code(folder).hash, code(folder, "lonely").hash
    path = folder / name
    with path.open("a") as file:
        file.write("x = 1\n")
    module = name.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
    counts = module in MODEL or name.endswith(".csv")
    assert (code(folder).hash != before) == counts
    assert code(folder, "lonely").hash == lonely


def test_a_helper_beside_a_model_of_one_file_counts(folder: Path) -> None:
    before = code(folder, "lonely").hash
    write(folder, {"beside.py": "def g(): return 2\n"})
    assert code(folder, "lonely").hash != before


def test_comments_formatting_and_what_is_written_beside_do_not_count(folder: Path) -> None:
    before = code(folder).hash
    path = folder / "pkg/model.py"
    path.write_text("# said differently\n" + path.read_text().replace("', '", "',  \"") + "\n\n")
    path.write_text(path.read_text().replace("gone.csv'", 'gone.csv"'))
    write(folder, {"pkg/new_model.py": "", "pkg/training.log": "", "pkg/__pycache__/a.pyc": ""})
    assert code(folder).hash == before


def test_it_is_the_same_elsewhere_and_another_for_other_classes(folder: Path, tmp_path_factory):
    before = code(folder).hash
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.copytree(folder, moved)
    assert code(moved).hash == before
    assert own_code(ModelCode("pkg.model", "Other", (str(folder),))).hash != before


def test_of_what_is_installed_only_the_package_of_the_model_counts(folder: Path) -> None:
    shutil.copytree(folder, folder / "site-packages")
    assert code(folder / "site-packages").digests.keys() == MODEL - {"other.helper", "named"}


DYNAMIC = {
    "import importlib\nimportlib.import_module(name)": "import_module is called with a name",
    "from importlib import import_module\nimport_module('.tools', 'pkg')": "import_module is",
    "from importlib import import_module as load": "import_module is imported under another name",
    "__import__(name)": "__import__ is called with a name",
    "exec(text)": "exec() runs code",
    "x = eval(text)": "eval() runs code",
    "import runpy": "runpy is used",
    "from importlib.util import spec_from_file_location": "spec_from_file_location is used",
    "from importlib.metadata import entry_points": "entry_points is used",
    "import sys\nsys.path.insert(0, 'lib')": "sys.path is used",
    "import sys as system\nsystem.path.append('lib')": "sys.path is used",
    "from sys import argv, path": "sys.path is used",
    "import sys\ngetattr(sys, 'path').append('lib')": "sys.path is used",
    "from runpy import run_path": "runpy is used",
    "from zipimport import zipimporter as read": "zipimporter is used",
    "from pkgutil import walk_packages": "pkgutil is used",
    "import imp as loading": "imp is used",
    "from imp import load_source": "imp is used",
    "from pydoc import locate": "pydoc is used",
    "from importlib.machinery import SourcelessFileLoader as L": "SourcelessFileLoader is used",
    "import importlib.util\nimportlib.util.module_from_spec(spec)": "module_from_spec is used",
    "import builtins as b\nb.exec(text)": "builtins.exec is used",
    "__builtins__.eval(text)": "__builtins__.eval is used",
    "from builtins import exec as run": "builtins.exec is used",
    "run = exec": "exec is passed on",
    "list(map(eval, texts))": "eval is passed on",
    "load = __import__": "__import__ is called with a name",
    "from not_there import *": "from not_there import * does not name what it imports",
    "from pkg.listed import *": "from pkg.listed import * does not name what it imports",
    "class Model:\n    data_files = names()": "data_files is not a tuple of written-out names",
    "class Broken(:": "it is not valid Python",
}


@pytest.mark.parametrize("text", DYNAMIC)
def test_where_imports_are_dynamic_the_whole_package_counts(folder: Path, text: str) -> None:
    write(folder, {"pkg/listed/__init__.py": "__all__ = [*names]\n"})
    path = folder / "pkg/tools.py"
    path.write_text(text + "\n")
    model = code(folder)
    everything = {name for name in FILES if name.startswith("pkg/") and name.endswith(".py")}
    assert len([name for name in model.digests if name.startswith("pkg")]) == len(everything) + 1
    assert "every module of its package counts as its code" in model.remark
    line = len(text.splitlines())
    assert f"{path}, line {line}: {DYNAMIC[text]}" in model.remark
    before = model.hash
    write(folder, {"pkg/plugin.py": ""})
    assert code(folder).hash != before


NOT_DYNAMIC = [
    "import torch\nmodel.eval()",
    "frame.eval('a + b')",
    "import re\nre.compile('a')",
    "from importlib import import_module\nimport_module('named')",
    "from numpy import *",
    "from pkg.listed import *",
    "text = 'exec, eval and runpy'",
    "import os\nos.path.join('a')",
    "import sys\nsys.argv, self.path",
    "imp = model.importance()\nprint(imp)\nfrom .statistics import imp",
    "eval = data.every(2)\nfit(eval_set=[eval])",
    "from .metrics import eval\nfit(feval=eval)",
    "def score(exec): return run(exec)",
]


@pytest.mark.parametrize("text", NOT_DYNAMIC)
def test_what_only_looks_dynamic(folder: Path, text: str) -> None:
    write(folder, {"pkg/listed/__init__.py": "__all__ = ['part']\n", "pkg/listed/part.py": ""})
    (folder / "pkg/tools.py").write_text(text + "\n")
    model = code(folder)
    assert model.remark == ""
    assert "pkg.another_model" not in model.digests
    assert ("pkg.listed.part" in model.digests) == ("pkg.listed" in text)


def test_beside_a_dynamic_file_without_a_package_every_module_counts(folder: Path) -> None:
    write(folder, {"lib/deep/tool.py": "", "lib/tool.py": "", "data/big.csv": ""})
    path = folder / "lonely.py"
    path.write_text("import sys\nsys.path.append('lib')\nimport tool\n")
    own = set(code(folder, "lonely").digests)
    assert {"lonely", "beside", "stranger", "pkg.model", "lib.tool", "lib.deep.tool"} <= own


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        ("nowhere.model", "no module nowhere in"),
        ("pkg.none", "no module pkg.none in"),
        ("lonely.model", "is a single module: it has no model"),
    ],
)
def test_code_that_is_not_there(folder: Path, module: str, complaint: str) -> None:
    with pytest.raises(SourceNotFound, match=complaint):
        code(folder, module)


def test_docstrings_count_in_a_file_that_reads_them(folder: Path) -> None:
    path = folder / "pkg/tools.py"
    path.write_text("def f():\n    'one'\n")
    before = code(folder).hash
    path.write_text("def f():\n    'two'\n")
    assert code(folder).hash == before
    path.write_text("def f():\n    'one'\nx = f.__doc__\n")
    before = code(folder).hash
    path.write_text("def f():\n    'two'\nx = f.__doc__\n")
    assert code(folder).hash != before


@pytest.mark.process
def test_nothing_is_imported_in_a_fresh_process(folder: Path) -> None:
    text = (
        "import sys; from numebot_dagster.modeling.source.own_code import own_code; "
        "from numebot_dagster.modeling.worker.messages import ModelCode; "
        f"own_code(ModelCode('pkg.model', 'Model', ({str(folder)!r},))); "
        "print([name for name in sys.modules if name.partition('.')[0] in "
        "('pkg', 'other', 'named', 'numpy', 'pandas', 'polars')])"
    )
    out = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def test_a_long_chain_of_branches_is_read(folder: Path) -> None:
    """Python nests each `elif` into the one before it."""
    branches = "".join(f"elif x == {number}: y = {number}\n" for number in range(700))
    path = folder / "pkg/tools.py"
    path.write_text(f"if x: import named\n{branches}else: from . import another_model\n")
    model = code(folder)
    assert model.remark == ""
    assert {"named", "pkg.another_model"} <= model.digests.keys()


@pytest.mark.skipif(sys.platform != "linux", reason="a file that exists and cannot be read")
def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "pkg/indirect.py").unlink()
    (folder / "pkg/indirect.py").symlink_to("/proc/self/mem")
    with pytest.raises(SourceNotFound, match=r"pkg/indirect\.py cannot be read: "):
        code(folder)
