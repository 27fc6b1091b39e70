"""Define the check that replays stored rounds, its job and its daily schedule."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from numebot_dagster.defs.model_assets import diagnostics_key
from numebot_dagster.defs.nightly import nightly_schedule
from numebot_dagster.defs.partitions import TRAINING_RUNS
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.requests import while_no_round_waits
from numebot_dagster.defs.turns import TRAINING, turn
from numebot_dagster.modeling.registry import RegisteredModel, Registry
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.operations.diagnostics import replay
from numebot_dagster.operations.diagnostics.proof import Pipeline, Proof

JOB = "replay_job"
CHECK = "replays_as_submitted"
TICK = "10 4 * * *"  # hours after the scores, hours before a round opens


def build_replays(registry: Registry) -> dg.AssetChecksDefinition:
    """Return the check of all enabled models, which one step with one warm worker makes."""
    models = {check_key(model): model for model in registry.enabled}

    @dg.multi_asset_check(
        name="replay",
        specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=key.asset_key,
                description="The newest stored rounds are predicted again with the weights that "
                "their receipts name, and compared with what was submitted; the canary rows too.",
            )
            for key in models
        ],
        can_subset=True,
    )
    def replays(
        context: dg.AssetCheckExecutionContext, platform: PlatformResource
    ) -> Iterator[dg.AssetCheckResult]:
        from numebot_dagster.operations.performance.board import pages as board

        opened = platform.open(context.log)
        chosen = [models[key] for key in models if key in context.selected_asset_check_keys]
        go_on = while_no_round_waits(context.instance, opened)
        proofs: dict[str, Proof] = {}
        try:
            with turn(context, opened.lake, TRAINING):
                for proof in replay.replay_models(opened, chosen, go_on):
                    proofs[proof.model] = proof
            if go_on():  # otherwise the round's own run writes it
                board.write(opened)
        except NumeraiError as error:
            opened.log.warning("Replays end: whether a round is open is not known: %s", error)
        for model in chosen:
            yield _result(model, proofs.get(model.name))

    return replays


def check_key(model: RegisteredModel) -> dg.AssetCheckKey:
    """Return the key of the check of a model."""
    return dg.AssetCheckKey(diagnostics_key(model), CHECK)


def _result(model: RegisteredModel, proof: Proof | None) -> dg.AssetCheckResult:
    """Return what the check says; what is not proved is a warning."""
    if proof is None:
        text = (
            "Not replayed: a round came first, other models took the time, or Numerai did not say "
            "whether a round is open. It goes on daily."
        )
        return _checked(model, text, passed=False)
    return _checked(
        model,
        " ".join(proof.sentences),
        passed=proof.pipeline is Pipeline.SOUND,
        is_error=proof.pipeline is Pipeline.BROKEN,
        rounds=len(proof.rounds),
    )


def _checked(
    model: RegisteredModel, text: str, *, passed: bool, is_error: bool = False, rounds: int = 0
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=diagnostics_key(model),
        check_name=CHECK,
        severity=severity,
        description=text,
        metadata={"rounds": rounds},
    )


def build_replay_job(registry: Registry) -> UnresolvedAssetJobDefinition:
    """Return the job that makes the check of all enabled models and materializes nothing."""
    keys = [check_key(model) for model in registry.enabled]
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.checks(*keys),
        tags=TRAINING_RUNS,
        description="Predict the newest stored rounds again with the weights that predicted them, "
        "and compare with what was submitted. Nothing is submitted.",
    )


replay_schedule = nightly_schedule(
    "replay_schedule",
    JOB,
    TICK,
    "Replay stored rounds, to prove that each model's pipeline is sound, except during a round.",
)
