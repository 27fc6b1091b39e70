"""Import a model's class, and read and check what it declares."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from numebot_dagster.modeling.contract import NumeraiModel, RetrainPolicy
from numebot_dagster.modeling.source.modules import Module
from numebot_dagster.modeling.source.own_code import own_code
from numebot_dagster.modeling.source.source_file import read_source_file
from numebot_dagster.modeling.worker.messages import ModelCode, ModelTraits


class WrongModel(Exception):
    """The class is missing or is no model, or declares something that cannot be."""


def import_class(code: ModelCode) -> type[NumeraiModel]:
    """Import the class of a model from the file that its hash was made of.

    Raises:
        WrongModel: there is no such class, or it is no model.
    """
    # In front of all else, as where its source was hashed; other models may have added to the rest.
    sys.path[:] = dict.fromkeys([*code.search_path, *sys.path])
    module = importlib.import_module(code.module)
    model_class = getattr(module, code.class_name, None)
    if model_class is None:
        models = [name for name, value in vars(module).items() if _is_model_of(value, module)]
        remedy = (
            f"it has {', '.join(models)}: write {code.module}:{models[0]} in the registry"
            if models
            else f"write class {code.class_name}(NumeraiModel) there"
        )
        raise WrongModel(f"{module.__file__} has no class {code.class_name}; {remedy}")
    if not (isinstance(model_class, type) and issubclass(model_class, NumeraiModel)):
        raise WrongModel(f"{code} is not a subclass of numebot_dagster.modeling.NumeraiModel")
    if missing := sorted(model_class.__abstractmethods__):
        raise WrongModel(
            f"{module.__file__}: {code.class_name} does not implement {', '.join(missing)}"
        )
    return model_class


def describe(model_class: type[NumeraiModel], code: ModelCode) -> ModelTraits:
    """Return what a model's class declares.

    Raises:
        WrongModel: a declaration is not what the contract asks for; the text says what to write.
    """
    if wrong := _wrong_declaration(model_class) or _wrong_data_files(model_class, code):
        file = sys.modules[model_class.__module__].__file__
        raise WrongModel(f"{wrong} (class {model_class.__name__}, {file})")
    features = model_class.feature_set
    return ModelTraits(
        feature_set=features if isinstance(features, str) else tuple(features),
        targets=tuple(model_class.targets),
        train_on=model_class.train_on,
        retrain=model_class.retrain,
        time_budget=model_class.time_budget,
        memory_budget=model_class.memory_budget,
        train_time_budget=model_class.train_time_budget,
        train_memory_budget=model_class.train_memory_budget,
        parameters=model_class().parameters,
    )


def _is_model_of(value: object, module: ModuleType) -> bool:
    """Return whether it is a model that the module itself defines, not one that it imports."""
    is_model = isinstance(value, type) and issubclass(value, NumeraiModel)
    return is_model and value.__module__ == module.__name__


def _wrong_declaration(model_class: type[NumeraiModel]) -> str | None:
    """Return what is wrong in a class attribute of the contract, with its remedy."""
    if model_class.train_on not in ("train", "all"):
        return f'train_on is {model_class.train_on!r}; it must be "train" or "all"'
    if isinstance(model_class.targets, str):
        return f'targets is the text {model_class.targets!r}; write ("{model_class.targets}",)'
    if not isinstance(model_class.retrain, RetrainPolicy):
        return (
            f"retrain is {model_class.retrain!r}; it must be every(weeks=…), never or "
            "on_new_data_version"
        )
    for name in ("time_budget", "memory_budget", "train_time_budget", "train_memory_budget"):
        budget = getattr(model_class, name)
        if not (isinstance(budget, int | float) and budget > 0):
            unit = "GB" if "memory" in name else "seconds"
            return f"{name} is {budget!r}; it must be a number of {unit} above 0"
    return None


def _wrong_data_files(model_class: type[NumeraiModel], code: ModelCode) -> str | None:
    """Return what is wrong in the declared data files, with its remedy."""
    names = model_class.data_files
    if isinstance(names, str):
        return f'data_files is the text {names!r}; write ("{names}",)'
    if not (isinstance(names, tuple | list) and all(isinstance(name, str) for name in names)):
        return f"data_files is {names!r}; it must be a tuple of file names"
    declaring = next(base for base in model_class.__mro__ if "data_files" in vars(base))
    file = Path(str(sys.modules[declaring.__module__].__file__))
    missing = [name for name in names if not (file.parent / name).is_file()]
    if missing:
        return f"data_files names {', '.join(missing)}, and there is no such file in {file.parent}"
    own_package = declaring.__module__.partition(".")[0] == code.module.partition(".")[0]
    if own_package or Module(declaring.__module__, file).is_the_users:
        return _not_written_out(names, file, code) if names else None
    return None


def _not_written_out(names: Sequence[str], file: Path, code: ModelCode) -> str | None:
    """Return why data files would not count as the model's code, if they would not."""
    counted = own_code(code).data_files
    uncounted = [name for name in names if (file.parent / name).resolve() not in counted]
    if not uncounted:
        return None
    line = next(iter(read_source_file(file).unread_data_files), None)
    place = f"{file}, line {line}" if line else str(file)
    return (
        f"{place}: data_files is not written out, so that a change of {', '.join(uncounted)} would "
        f"not count as a change of the code; write data_files = {tuple(names)!r} in the body of "
        "the class"
    )
