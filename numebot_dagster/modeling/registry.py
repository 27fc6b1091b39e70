"""Read the registered models from the CSV that users keep."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from numebot_dagster.modeling.registry_file import MODULE, RegistryError, Row, read_rows
from numebot_dagster.modeling.source.modules import SourceNotFound, find_module
from numebot_dagster.modeling.source.own_code import own_code
from numebot_dagster.modeling.worker.messages import ModelCode
from numebot_dagster.spelling import meant

BENCHMARK = "benchmark"
_TRUE = ("true", "yes", "1")
_FALSE = ("false", "no", "0")
# What Dagster accepts as an owner, and as key and value of a tag.
_OWNER = re.compile(r"team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
_TAG = re.compile(r"(?P<key>([\w.-]{1,63}/)?[\w.-]{1,63})(=(?P<value>[\w.-]{0,63}))?", re.ASCII)
_RESERVED = "dagster/"
_INVISIBLE = ("Cc", "Cf", "Zl", "Zp")  # categories of Unicode

__all__ = [
    "BENCHMARK",
    "RegisteredModel",
    "Registry",
    "RegistryError",
    "code_hash",
    "read_registry",
]


@dataclass(frozen=True)
class RegisteredModel:
    """One model as the registry describes it.

    Attributes:
        name: the Numerai name.
        asset_name: the name with everything outside `[A-Za-z0-9_]` replaced by `_`.
        code: where its class is found.
        source: the file of its module; a package without `__init__` has none.
        inputs: names of the models whose predictions it is given.
        fallback: the model, or `benchmark`, that stands in for it when it fails.
        vintage: the only vintage to predict with, if one is pinned.
        owners: e-mail addresses and teams, as `team:research`.
        tags: keys and values, by which Dagster's catalogue can be filtered.
        line: of the registry on which it begins, if it was read from one.
    """

    name: str
    asset_name: str
    model_code: str
    code: ModelCode
    description: str = ""
    enabled: bool = True
    submit: bool = True
    inputs: tuple[str, ...] = ()
    fallback: str | None = None
    vintage: int | None = None
    owners: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    source: Path | None = None
    line: int | None = None

    @property
    def module(self) -> str:
        """The dotted name of its module."""
        return self.code.module

    @property
    def class_name(self) -> str:
        """The name of its class."""
        return self.code.class_name


@dataclass(frozen=True)
class Registry:
    """All registered models, in the order of the file."""

    path: Path
    models: tuple[RegisteredModel, ...]

    @property
    def enabled(self) -> list[RegisteredModel]:
        """The models that take part, each after its inputs, else in the order of the file."""
        by_name = {model.name: model for model in self.models if model.enabled}
        order = TopologicalSorter({name: model.inputs for name, model in by_name.items()})
        return [by_name[name] for name in order.static_order()]

    @property
    def submitting(self) -> list[RegisteredModel]:
        """The enabled models whose predictions are sent to Numerai, in the same order."""
        return [model for model in self.enabled if model.submit]

    def __getitem__(self, name: str) -> RegisteredModel:
        """Return the model of that Numerai name.

        Raises:
            RegistryError: there is none; the text names those that may be meant.
        """
        for model in self.models:
            if model.name == name:
                return model
        names = [model.name for model in self.models]
        raise RegistryError(
            f"no model {name!r} in {self.path}: {meant(name, names, 'numebot models list')}"
        )


def read_registry(path: Path) -> Registry:
    """Read the registry; no user module is imported.

    Raises:
        RegistryError: naming file, line and column of the first thing that is wrong, and what to
            write instead.
    """
    rows = read_rows(path)
    search_path = tuple(dict.fromkeys([str(Path.cwd()), str(path.absolute().parent)]))
    models = [_model(row, search_path) for row in rows]
    pairs = list(zip(rows, models, strict=True))
    _check_names(pairs)
    by_name = {model.name: model for model in models}
    for row, model in pairs:
        _check_references(row, model, by_name)
    _check_cycles(pairs)
    return Registry(path, tuple(models))


def code_hash(model: RegisteredModel) -> str:
    """Return eight hexadecimal digits over the model's class and all that its code is made of.

    Whoever names another class in the registry has other code, though no file has changed.

    Raises:
        SourceNotFound: the source is no longer there.
    """
    return own_code(model.code).hash


def _model(row: Row, search_path: tuple[str, ...]) -> RegisteredModel:
    name = row.cells["numerai_name"]
    if not name:
        raise row.error("numerai_name", "it is empty; write the model's name at Numerai")
    for letter in name:
        if unicodedata.category(letter) in _INVISIBLE:
            raise row.error(
                "numerai_name",
                f"{name!r} has an invisible character (U+{ord(letter):04X}); type the name anew",
            )
    code, source = _code(row, search_path)
    return RegisteredModel(
        name=name,
        asset_name=re.sub(r"[^A-Za-z0-9_]", "_", name),
        model_code=row.cells["model_code"],
        code=code,
        source=source,
        description=row.cells.get("description", ""),
        enabled=_truth(row, "enabled"),
        submit=_truth(row, "submit"),
        inputs=_several(row, "inputs"),
        fallback=row.cells.get("fallback") or None,
        vintage=_vintage(row),
        owners=_owners(row),
        tags=_tags(row),
        line=row.line,
    )


def _several(row: Row, column: str) -> tuple[str, ...]:
    """Return what a cell joins by semicolons, each once."""
    parts = (part.strip() for part in row.cells.get(column, "").split(";"))
    return tuple(dict.fromkeys(filter(None, parts)))


def _code(row: Row, search_path: tuple[str, ...]) -> tuple[ModelCode, Path | None]:
    """Return where the class of a model is found, and the file of its module."""
    text = row.cells["model_code"]
    if not text:
        raise row.error("model_code", "it is empty; write for example model_code.example_model")
    if not MODULE.fullmatch(text):
        raise row.error(
            "model_code",
            f"{text!r} is not a module; write for example model_code.example_model or "
            "my_package.my_module:MyClass",
        )
    module, _, class_name = text.partition(":")
    try:
        source = find_module(module, search_path).file
    except SourceNotFound as error:
        raise row.error("model_code", f"{error}; correct it, or install the package") from error
    return ModelCode(module, class_name or _camel_case(module), search_path), source


def _camel_case(module: str) -> str:
    words = module.rpartition(".")[2].split("_")
    return "".join(word[:1].upper() + word[1:] for word in words)


def _truth(row: Row, column: str) -> bool:
    text = row.cells.get(column, "").lower()
    if text and text not in (*_TRUE, *_FALSE):
        raise row.error(column, f"{text!r} is neither true nor false; write one of them")
    return text not in _FALSE


def _vintage(row: Row) -> int | None:
    text = row.cells.get("vintage", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise row.error("vintage", f"{text!r} is not a round number; write one, or nothing")
    return int(text)


def _owners(row: Row) -> tuple[str, ...]:
    owners = _several(row, "owner")
    for owner in owners:
        if not _OWNER.fullmatch(owner):
            raise row.error(
                "owner",
                f"{owner!r} is neither an e-mail address nor a team; write for example "
                "jane@example.com or team:research",
            )
    return owners


def _tags(row: Row) -> tuple[tuple[str, str], ...]:
    tags: dict[str, str] = {}
    for text in _several(row, "tags"):
        tag = _TAG.fullmatch(text)
        if tag is None:
            raise row.error(
                "tags",
                f"{text!r} is not a tag; write for example family=trees or experimental, of "
                "letters, digits, _, - and . and at most 63 of them",
            )
        if text.startswith(_RESERVED):
            raise row.error("tags", f"{text!r}: {_RESERVED} is Dagster's own; choose another name")
        if tag["key"] in tags:
            raise row.error("tags", f"{tag['key']} appears twice; remove one")
        tags[tag["key"]] = tag["value"] or ""
    return tuple(tags.items())


def _check_names(pairs: Sequence[tuple[Row, RegisteredModel]]) -> None:
    _check_unique(
        pairs,
        lambda model: model.name,
        lambda model, line: f"{model.name!r} is on line {line} as well; remove one of the two",
    )
    _check_unique(
        pairs,
        lambda model: model.asset_name,
        lambda model, line: (
            f"{model.name!r} and the name on line {line} both give the asset name "
            f"{model.asset_name}; rename one of the two at Numerai"
        ),
    )
    for row, model in pairs:
        if model.name == BENCHMARK:
            raise row.error("numerai_name", f"{BENCHMARK!r} is reserved for the fallback")


def _check_unique(
    pairs: Sequence[tuple[Row, RegisteredModel]],
    key: Callable[[RegisteredModel], str],
    problem: Callable[[RegisteredModel, int], str],
) -> None:
    lines: dict[str, int] = {}
    for row, model in pairs:
        if key(model) in lines:
            raise row.error("numerai_name", problem(model, lines[key(model)]))
        lines[key(model)] = row.line


def _check_references(
    row: Row, model: RegisteredModel, by_name: dict[str, RegisteredModel]
) -> None:
    references = [("inputs", name) for name in model.inputs]
    if model.fallback is not None and model.fallback != BENCHMARK:
        references.append(("fallback", model.fallback))
    for column, name in references:
        if name == model.name:
            raise row.error(column, f"{name!r} names itself; remove it")
        if name not in by_name:
            others = ", ".join(other for other in by_name if other != model.name) or "none"
            raise row.error(column, f"there is no model {name!r}; the others are: {others}")
        if model.enabled and not by_name[name].enabled:
            raise row.error(column, f"{name!r} is not enabled; enable it, or disable {model.name}")


def _check_cycles(pairs: Sequence[tuple[Row, RegisteredModel]]) -> None:
    try:
        TopologicalSorter({model.name: model.inputs for _, model in pairs}).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        row = next(row for row, model in pairs if model.name == circle[0])
        raise row.error(
            "inputs", f"the inputs go in a circle: {' → '.join(circle)}; remove one of them"
        ) from None
