"""Define `play_round`, the one step that plays a round for every model."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import dagster as dg
from pydantic import Field

from numebot_dagster.defs import catalogue
from numebot_dagster.defs.model_assets import (
    predictions_key,
    shared_attributes,
    submission_key,
    weights_key,
)
from numebot_dagster.defs.partitions import rounds
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds import results
from numebot_dagster.defs.rounds.assets import LIVE_DATA
from numebot_dagster.lake import tables
from numebot_dagster.modeling.registry import RegisteredModel, Registry
from numebot_dagster.operations.causes import MODELS_FAILED
from numebot_dagster.operations.rounds import gates
from numebot_dagster.operations.rounds.outcomes import Ending, Play, Played
from numebot_dagster.operations.rounds.playing import play

_PREDICTION_CHECKS = {
    gates.SAME_FEATURES: "Blocks: the live features are those of the weights' manifest.",
    gates.CANARY: "Blocks: the canary rows are predicted as on the day of the training.",
    gates.SUBMISSION_RULES: "Blocks: all of Numerai's rules for a submission are met.",
    gates.LIKE_EXAMPLE: "Warns: the predictions do not run against the example predictions.",
}


class PlayConfig(dg.Config):
    """What a run may be asked for besides its round and its assets."""

    force: bool = Field(
        default=False,
        description="Replace a submission that Numebot did not make, or its own by newer "
        "predictions. Without it, what Numerai holds is left alone.",
    )
    late: bool = Field(
        default=False,
        description="Submit although the round has closed. It is scored but not paid, and Numerai "
        "makes it the next round's submission too, until that round is played. Set it for "
        "live_data as well.",
    )
    dry_run: bool = Field(
        default=False, description="Predict and check with every model, but submit nothing."
    )


def build_play_round(registry: Registry) -> list[dg.AssetsDefinition]:
    """Return the step that makes the predictions and submissions of all enabled models, if any.

    One step, so that it can order the models by stake, keep one worker process warm, upload while
    it predicts, and go on when one model fails; one asset each, so that lineage, plots, checks and
    "materialise this one" stay per model.
    """
    models = registry.enabled
    if not models:
        return []

    @dg.multi_asset(
        name="play_round",
        specs=[spec for model in models for spec in _specs(model, registry)],
        check_specs=[spec for model in models for spec in _check_specs(model)],
        partitions_def=rounds,
        can_subset=True,
    )
    def play_round(
        context: dg.AssetExecutionContext, config: PlayConfig, platform: PlatformResource
    ) -> Iterator[results.Event]:
        opened = platform.open(context.log)
        number = int(context.partition_key)
        chosen = _chosen(models, context.selected_asset_keys)
        played = play(
            opened,
            Play(number, chosen, submit=not config.dry_run, force=config.force, late=config.late),
        )
        for ended in played:
            yield from results.events(context, opened.lake, ended)
        _require_all(number, played)

    return [play_round]


def _require_all(round_number: int, played: Sequence[Played]) -> None:
    """Fail the step, once all is reported, if any model has failed."""
    failed = {
        ended.model.name: ended.text
        for ended in played
        if ended.ending is Ending.FAILED or results.is_missed(ended)
    }
    if failed:
        # The log has named each model and its reason, and shows the first line alone.
        count = f"Round {round_number}: {len(failed)} of {len(played)} {MODELS_FAILED}"
        text = f"{count}\n{results.reasons(failed)}"
        raise dg.Failure(text, metadata=failed, allow_retries=False)


def _chosen(models: Sequence[RegisteredModel], selected: set[dg.AssetKey]) -> list[RegisteredModel]:
    """Return the models of the selection; they submit only where submissions are selected."""
    return [
        replace(model, submit=model.submit and submission_key(model) in selected)
        for model in models
        if {predictions_key(model), submission_key(model)} & selected
    ]


def _specs(model: RegisteredModel, registry: Registry) -> list[dg.AssetSpec]:
    predictions = dg.AssetSpec(
        predictions_key(model),
        deps=[
            LIVE_DATA,
            dg.AssetDep(weights_key(model), partition_mapping=dg.LastPartitionMapping()),
            *(predictions_key(registry[name]) for name in model.inputs),
        ],
        description=(
            f"The predictions of {model.name} for a round's live ids, ranked to (0, 1).\n\n"
            "Made with the newest verified weights (or the vintage that the registry pins) and "
            "stored only when every blocking gate has passed. When that fails, the weights before "
            "them are tried, then the fallback that the registry names: `rung` says what it came "
            "to, `rung_reason` why."
        ),
        metadata={**catalogue.source(model), **catalogue.columns(tables.PREDICTIONS)},
        **shared_attributes(model),
        kinds={"python", "parquet"},
        skippable=True,
    )
    submission = dg.AssetSpec(
        submission_key(model),
        deps=[predictions_key(model)],
        description=(
            f"The receipt of the submission of {model.name} to a round.\n\n"
            "`accepted` when Numerai shows it as selected, `confirmed` when its download matches "
            "what was sent, id by id. Playing a round again never submits twice: what Numerai "
            "holds is asked first."
        ),
        metadata=catalogue.source(model),
        **shared_attributes(model),
        kinds={"numerai", "parquet"},
        skippable=True,
    )
    return [predictions, submission] if model.submit else [predictions]


def _check_specs(model: RegisteredModel) -> list[dg.AssetCheckSpec]:
    checks = [(name, predictions_key(model), text) for name, text in _PREDICTION_CHECKS.items()]
    if model.submit:
        text = "The submission's download matches what was sent, id by id."
        checks.append((gates.CONFIRMED, submission_key(model), text))
    return [
        dg.AssetCheckSpec(name, asset=key, description=text, partitions_def=rounds)
        for name, key, text in checks
    ]
