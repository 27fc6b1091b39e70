"""Training a model on a pinned vintage, in a process of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from numebot_dagster import command_lines
from numebot_dagster.lake.layout import WeightsFolder
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.source.own_code import own_code
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.modeling.weights.weight_store import DamagedWeights, StoredWeights
from numebot_dagster.modeling.worker.failures import ModelError, ModelFailed
from numebot_dagster.modeling.worker.messages import TrainRequest
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.numerai.errors import UnexpectedAnswer
from numebot_dagster.operations import patience
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import vintages
from numebot_dagster.operations.training.vintages import Vintage

if TYPE_CHECKING:
    from numebot_dagster.modeling.training_data import TrainingFiles


def vintage_of_today(platform: Platform) -> int:
    """The number of the newest round that has opened: the name of a vintage pinned now.

    Raises:
        UnexpectedAnswer: when Numerai names no round that has opened.
    """
    rounds = platform.client.rounds()  # first, because its answer also tells Numerai's time
    begun = [one.number for one in rounds if one.open_time <= platform.client.now()]
    if not begun:
        raise UnexpectedAnswer(
            "Numerai names no round that has opened, so that no vintage can be named"
        )
    return max(begun)


def due_models(platform: Platform) -> list[RegisteredModel]:
    """The enabled models whose own `retrain` policy asks for new weights now.

    A model without weights is not among them: when it is trained first is the user's word. A newer
    data version counts once the user has set it.
    """
    now = datetime.now(UTC)
    return [model for model in platform.registry.enabled if _is_due(platform, model, now)]


def _is_due(platform: Platform, model: RegisteredModel, now: datetime) -> bool:
    if model.vintage is not None:
        return False  # pinned by the registry: newer weights would not be used
    try:
        manifest = weight_store.choose(platform.lake, model.name, code_hash(model), None).manifest
    except (weight_store.NoWeights, SourceNotFound):
        return False
    version = platform.settings.numebot_data_version or manifest.data_version
    return weight_store.is_due(manifest, now, version)


def train(
    platform: Platform, model: RegisteredModel, vintage: Vintage, *, force: bool = False
) -> StoredWeights:
    """Make the weights of a model's present code from a vintage.

    Weights are immutable: when whole ones exist for this vintage and code, they are returned.

    Args:
        platform: whose lake has the vintage.
        model: who learns.
        vintage: from what.
        force: whether to train although there are whole weights. They stay; the new ones are
            stored beside them under the next number and are used from then on.

    Raises:
        ModelError: when the model's code fails or leaves its budget.
    """
    code = own_code(model.code)
    if code.remark:
        platform.log.info("%s: %s", model.name, code.remark)
    places = weights_of_code(platform, model, vintage.number, code.hash)
    whole = None if force else _first_whole(platform, places)
    if whole is not None:
        platform.log.info(
            "%s is trained on vintage %d already, by the code as it is: nothing to do (--force "
            "trains it again)",
            model.name, vintage.number,
        )  # fmt: skip
        return whole
    attempt = 1 + max((place.attempt for place in places), default=0)
    folder = platform.lake.weights_folder(model.name, vintage.number, code.hash, attempt)
    what = f"Training {model.name} on vintage {vintage.number}"
    with patience.told(platform.log, what), Worker(background=True) as worker:
        worker.train(request(model, vintage, folder))
    return weight_store.opened(WeightsFolder(vintage.number, code.hash, folder))


def explained(error: ModelError) -> str:
    """Return why a training failed: model, method, exception, place in the code, what to do.

    The first line says it all; the lines of the model's code that led there follow.
    """
    first, _, rest = str(error).partition("\n")
    place = error.place if isinstance(error, ModelFailed) else ""
    at = f", at {place}" if place else ""
    try_ = command_lines.try_model(error.model)
    remedy = f"Correct it, then see in seconds whether it works: {try_}"
    return "\n".join(filter(None, [f"{first}{at}. {remedy}", rest]))


def weights_of_code(
    platform: Platform, model: RegisteredModel, vintage: int, code_hash: str
) -> list[WeightsFolder]:
    """Return the weights that one code of a model has made from a vintage, the last first."""
    places = platform.lake.weights_folders(model.name)
    return [one for one in places if (one.vintage, one.code_hash) == (vintage, code_hash)]


def _first_whole(platform: Platform, places: Sequence[WeightsFolder]) -> StoredWeights | None:
    for place in places:
        try:
            return weight_store.opened(place)
        except DamagedWeights as error:
            platform.log.warning("Damaged weights are passed over: %s", error)
    return None


def request(
    model: RegisteredModel,
    vintage: Vintage,
    folder: Path,
    *,
    eras: tuple[int, ...] | None = None,
) -> TrainRequest:
    """What is asked of a worker to train a model's present code on a vintage into a folder.

    Args:
        model: who learns.
        vintage: from what.
        folder: the weights folder to make.
        eras: the only eras to learn from; all labelled ones by default.
    """
    return TrainRequest(
        model=model.name,
        code=model.code,
        code_hash=code_hash(model),
        vintage=vintage.number,
        data_version=vintage.data_version,
        data_stamp=_stamp_of(vintage),
        files=files_of(vintage),
        folder=folder,
        inputs=model.inputs,
        eras=eras,
    )


def files_of(vintage: Vintage) -> TrainingFiles:
    """The files of a vintage as the modeling room knows them."""
    from numebot_dagster.modeling.training_data import TrainingFiles

    files = vintage.files
    return TrainingFiles(
        features=files[vintages.FEATURES],
        train=files[vintages.TRAIN],
        validation=files[vintages.VALIDATION],
        benchmarks=(files[vintages.TRAIN_BENCHMARKS], files[vintages.VALIDATION_BENCHMARKS]),
        meta_model=files[vintages.META_MODEL],
    )


def _stamp_of(vintage: Vintage) -> str:
    """One short hash over the stamps of all files."""
    return hashlib.sha256(json.dumps(vintage.stamps, sort_keys=True).encode()).hexdigest()[:16]
