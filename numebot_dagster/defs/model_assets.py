"""Name the assets of a model, and say of each what they have in common."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_selection import KeyWildCardAssetSelection

from numebot_dagster.modeling.registry import RegisteredModel, code_hash
from numebot_dagster.modeling.source.modules import SourceNotFound


def weights_key(model: RegisteredModel) -> dg.AssetKey:
    """Return the key of a model's weights."""
    return _key(model, "weights")


def diagnostics_key(model: RegisteredModel) -> dg.AssetKey:
    """Return the key of a model's diagnostics."""
    return _key(model, "diagnostics")


def predictions_key(model: RegisteredModel) -> dg.AssetKey:
    """Return the key of a model's predictions."""
    return _key(model, "predictions")


def submission_key(model: RegisteredModel) -> dg.AssetKey:
    """Return the key of a model's receipts."""
    return _key(model, "submission")


def scores_key(model: RegisteredModel) -> dg.AssetKey:
    """Return the key of a model's newest scores by round."""
    return _key(model, "scores")


def performance_key(model: RegisteredModel) -> dg.AssetKey:
    """Return the key of a model's history."""
    return _key(model, "performance")


def of_all_models(kind: str) -> dg.AssetSelection:
    """Select the assets of one kind of all models, whatever the models are called."""
    # As `from_string` would make it, which imports a parser for 80 ms.
    return KeyWildCardAssetSelection(selected_key_wildcard=f"models/*/{kind}")


def shared_attributes(model: RegisteredModel) -> dict[str, Any]:
    """Return group, owners and tags of a model's assets, as the registry has them."""
    return {
        "group_name": f"models/{model.asset_name}",
        "owners": list(model.owners),
        "tags": dict(model.tags),
    }


def code_version(model: RegisteredModel) -> str | None:
    """Return the hash of a model's code, if its source can be read.

    A source that cannot be read fails the training and the round of this model alone.
    """
    with suppress(SourceNotFound):
        return code_hash(model)
    return None


def _key(model: RegisteredModel, kind: str) -> dg.AssetKey:
    return dg.AssetKey(["models", model.asset_name, kind])
