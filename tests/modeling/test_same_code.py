"""Weights that were stored under a hash of the former rule."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from numebot_dagster.lake.layout import Lake
from numebot_dagster.modeling.registry import RegisteredModel, code_hash, read_registry
from numebot_dagster.modeling.same_code import recognise_former_weights

FILES = {"__init__.py": b"", "model.py": b"class Model: pass\n", "notes/a.txt": b"a"}


@pytest.fixture
def model(tmp_path: Path) -> RegisteredModel:
    for name, content in FILES.items():
        path = tmp_path / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    registry = tmp_path / "models.csv"
    registry.write_text("numerai_name,model_code\na-b c,pkg.model\n")
    return read_registry(registry)["a-b c"]


def former() -> str:
    """Compute the hash as before: every byte of every file of the package, and the class."""
    content = hashlib.sha256()
    for name in sorted(FILES):
        content.update(f"{name}\0{len(FILES[name])}\0".encode() + FILES[name])
    text = f"pkg.model:Model {content.hexdigest()[:8]}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def hashes(lake: Lake) -> list[tuple[int, str]]:
    return [(place.vintage, place.code_hash) for place in lake.weights_folders("a-b c")]


def test_they_count_as_those_of_the_present_code_for_good(model, tmp_path) -> None:
    lake = Lake(tmp_path / "data")
    lake.weights_folder("a-b c", 1300, former()).mkdir(parents=True)
    lake.weights_folder("a-b c", 1200, "00000000").mkdir(parents=True)
    recognise_former_weights(lake, model)
    present = code_hash(model)
    assert hashes(lake) == [(1300, present), (1200, "00000000")]
    (tmp_path / "pkg/model.py").write_text("class Model: pass  # the former hash is another\n")
    (tmp_path / "pkg/training.log").write_text("written into the package\n")
    recognise_former_weights(lake, model)
    assert code_hash(model) == present
    assert hashes(lake) == [(1300, present), (1200, "00000000")]
    lake.weights_folder("a-b c", 1300, present).mkdir()
    lake.weights_folder("a-b c", 1300, present, 2).mkdir()
    labels = [place.label for place in lake.weights_folders("a-b c")]
    assert labels == [f"{present}-2", present, former(), "00000000"]
    (tmp_path / "pkg/model.py").write_text("class Model: changed = True\n")
    assert code_hash(model) not in dict(hashes(lake)).values()


def test_code_that_changed_before_it_was_recognised_is_other_code(model, tmp_path) -> None:
    lake = Lake(tmp_path / "data")
    lake.weights_folder("a-b c", 1300, former()).mkdir(parents=True)
    (tmp_path / "pkg/model.py").write_text("class Model: changed = True\n")
    recognise_former_weights(lake, model)
    assert hashes(lake) == [(1300, former())]


def test_without_former_weights_nothing_is_written(model, tmp_path) -> None:
    lake = Lake(tmp_path / "data")
    recognise_former_weights(lake, model)
    assert not lake.root.exists()
    lake.weights_folder("a-b c", 1300, code_hash(model)).mkdir(parents=True)
    recognise_former_weights(lake, model)
    assert lake.former_code_hashes("a-b c") == {}
