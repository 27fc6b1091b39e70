"""What was submitted and what is missing: recent rounds by models, and the age of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from numebot_dagster.modeling import weights
from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.numerai import receipts
from numebot_dagster.numerai.receipts import Receipt
from numebot_dagster.operations.platform import Platform


@dataclass(frozen=True)
class RoundModel:
    """One model in one round; `receipt` is the newest one, if there is any."""

    round_number: int
    model: str
    receipt: Receipt | None


@dataclass(frozen=True)
class WeightsStatus:
    """The weights that a model would predict with; `problem` says what is wrong with them."""

    model: str
    vintage: int | None
    trained_at: datetime | None
    problem: str


def recent_rounds(platform: Platform, rounds: int) -> list[RoundModel]:
    """The newest rounds that are stored, with every submitting model, newest first.

    Args:
        platform: whose lake is read; Numerai is not asked.
        rounds: how many rounds.
    """
    models = [model for model in platform.registry.enabled if model.submit]
    found = []
    for number in reversed(platform.lake.stored_rounds()[-rounds:]):
        latest = receipts.latest(platform.lake, number)
        found += [RoundModel(number, model.name, latest.get(model.name)) for model in models]
    return found


def weights_status(platform: Platform) -> list[WeightsStatus]:
    """The weights of every enabled model."""
    return [_weights_of(platform, model) for model in platform.registry.enabled]


def _weights_of(platform: Platform, model: RegisteredModel) -> WeightsStatus:
    try:
        chosen = weights.choose(platform.lake, model.name, code_hash(model), model.vintage)
    except weights.NoWeights as error:
        return WeightsStatus(model.name, None, None, str(error))
    version = platform.settings.numebot_data_version or chosen.manifest.data_version
    if chosen.code_hash != code_hash(model):
        problem = f"the code changed since: numebot train --models {model.name}"
    elif weights.is_due(chosen.manifest, datetime.now(UTC), version):
        problem = f"due for retraining: numebot train --models {model.name}"
    else:
        problem = ""
    return WeightsStatus(model.name, chosen.vintage, chosen.manifest.trained_at, problem)
