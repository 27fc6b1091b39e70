"""Train models on pinned vintages, each in a process of its own."""

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
from numebot_dagster.operations import long_work
from numebot_dagster.operations.alerts import outbox
from numebot_dagster.operations.alerts.outbox import Alert, Kind
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training import vintages
from numebot_dagster.operations.training.vintages import Vintage

if TYPE_CHECKING:
    from numebot_dagster.modeling.training_data import TrainingFiles


def vintage_of_today(platform: Platform) -> int:
    """Return the number of the newest round that has opened, which names a vintage pinned now.

    Raises:
        UnexpectedAnswer: Numerai returns no round that has opened.
    """
    rounds = platform.client.rounds()  # first, because its answer carries Numerai's time
    now = platform.client.now()
    opened = [round_.number for round_ in rounds if round_.open_time <= now]
    if not opened:
        raise UnexpectedAnswer(
            "Numerai returned no round that has opened, by which the vintage would be named"
        )
    return max(opened)


def due_models(platform: Platform) -> list[RegisteredModel]:
    """Return the enabled models that are due by their `retrain` policy.

    A model without weights is never due: the user decides when it is trained first. A newer data
    version counts once the user has set it.
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
    """Train a model's present code on a vintage, and return the weights.

    Weights are immutable: when complete ones exist for this vintage and code, they are returned.

    Args:
        platform: whose lake has the vintage.
        model: the model to train.
        vintage: the training data.
        force: whether to train even if complete weights exist. They are kept; the new ones are
            stored beside them under the next number and are used from then on.

    Raises:
        ModelError: the model's code fails or exceeds its budget.
    """
    code = own_code(model.code)
    if code.remark:
        platform.log.info("%s: %s", model.name, code.remark)
    places = weights_of_code(platform, model, vintage.number, code.hash)
    whole = None if force else _first_whole(platform, places)
    if whole is not None:
        platform.log.info(
            "The present code of %s is already trained on vintage %d: nothing to do (to train it "
            "again, add --force)",
            model.name, vintage.number,
        )  # fmt: skip
        return whole
    attempt = 1 + max((place.attempt for place in places), default=0)
    folder = platform.lake.weights_folder(model.name, vintage.number, code.hash, attempt)
    what = f"Training {model.name} on vintage {vintage.number}"
    with long_work.reported(platform.log, what), Worker(background=True) as worker:
        try:
            worker.train(request(model, vintage, folder))
        except ModelError as error:
            outbox.send(platform, _failed(model, vintage, code.hash, error))
            raise
    return weight_store.opened(WeightsFolder(vintage.number, code.hash, folder))


def _failed(model: RegisteredModel, vintage: Vintage, code: str, error: ModelError) -> Alert:
    """Return the alert of a failed training, one for each vintage and version of the code."""
    return Alert(
        Kind.TRAINING_FAILED,
        f"{model.name}/vintage-{vintage.number}/code-{code}",
        f"{model.name} could not be trained on vintage {vintage.number}",
        explained(error).partition("\n")[0],  # short channels keep the last line, which this is
    )


def explained(error: ModelError) -> str:
    """Return why a training failed: model, method, exception, place in the code, what to do.

    All of it is in the first line; the lines of the model's code that led there follow.
    """
    first, _, rest = str(error).partition("\n")
    place = error.place if isinstance(error, ModelFailed) else ""
    at = f", at {place}" if place else ""
    try_ = command_lines.try_model(error.model)
    remedy = f"Correct it, then try it within seconds: {try_}"
    return "\n".join(filter(None, [f"{first}{at}. {remedy}", rest]))


def weights_of_code(
    platform: Platform, model: RegisteredModel, vintage: int, code_hash: str
) -> list[WeightsFolder]:
    """Return the weights of one version of a model's code and a vintage, the last first."""
    places = platform.lake.weights_folders(model.name)
    return [place for place in places if (place.vintage, place.code_hash) == (vintage, code_hash)]


def _first_whole(platform: Platform, places: Sequence[WeightsFolder]) -> StoredWeights | None:
    for place in places:
        try:
            return weight_store.opened(place)
        except DamagedWeights as error:
            platform.log.warning("Damaged weights are not used: %s", error)
    return None


def request(
    model: RegisteredModel, vintage: Vintage, folder: Path, *, eras: tuple[int, ...] | None = None
) -> TrainRequest:
    """Return the request to train a model's present code on a vintage."""
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
    """Return the files of a vintage as `modeling` reads them."""
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
    """Return a short hash of the stamps of all files."""
    return hashlib.sha256(json.dumps(vintage.stamps, sort_keys=True).encode()).hexdigest()[:16]
