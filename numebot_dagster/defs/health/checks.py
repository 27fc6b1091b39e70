"""Define the checks that are made once a day, at night, and their job.

Other daily checks belong to the steps of `performance/scores` and `performance/overview`, whose
rows they judge. None belongs to a round's run.
"""

from collections.abc import Iterator

import dagster as dg

from numebot_dagster.defs import metadata
from numebot_dagster.defs.health.rollup import (
    ROLLUP,
    other_at_work,
    until_a_round_opens,
)
from numebot_dagster.defs.model_assets import of_all_models, weights_key
from numebot_dagster.defs.nightly import nightly_schedule
from numebot_dagster.defs.partitions import COLLECTING_RUNS
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.lake.locks import HeldElsewhere
from numebot_dagster.modeling.registry import Registry
from numebot_dagster.operations.health import standing_checks, status, upkeep

TICK = "40 4 * * *"  # an hour after the roll-up, hours before a round opens


@dg.asset_check(
    name=standing_checks.ROLLUP_SOUND,
    asset=ROLLUP,
    description="The rows of every roll-up are those of the files that it replaced. Reads them "
    "all, and stops when a round opens.",
)
def rollup_sound(
    context: dg.AssetCheckExecutionContext, platform: PlatformResource
) -> dg.AssetCheckResult:
    """Judge the roll-ups."""
    opened = platform.open(context.log)
    go_on = until_a_round_opens(context.instance, opened, "Reading roll-ups")
    try:
        verification = upkeep.verify(opened.lake, go_on)
    except HeldElsewhere as error:
        raise other_at_work(error) from error
    gate = standing_checks.rollup_sound(verification)
    return next(metadata.check_results(ROLLUP, [gate]))


def build_weights_checks(registry: Registry) -> list[dg.AssetChecksDefinition]:
    """Return the check of the weights of all enabled models, one step for all, if there are any."""
    models = registry.enabled
    if not models:
        return []

    @dg.multi_asset_check(
        name=standing_checks.WEIGHTS_FRESH,
        specs=[
            dg.AssetCheckSpec(
                standing_checks.WEIGHTS_FRESH,
                asset=weights_key(model),
                description="Warns: there are weights of the present code that are not due for "
                "retraining. Made at night, and after a training in which no model failed.",
            )
            for model in models
        ],
        can_subset=True,
    )
    def weights_fresh(
        context: dg.AssetCheckExecutionContext, platform: PlatformResource
    ) -> Iterator[dg.AssetCheckResult]:
        opened = platform.open(context.log)
        chosen = {key.asset_key for key in context.selected_asset_check_keys}
        of_models = {weights.model: weights for weights in status.weights_status(opened)}
        for model in models:
            key = weights_key(model)
            if key in chosen and model.name in of_models:
                gate = standing_checks.weights_fresh(of_models[model.name])
                yield from metadata.check_results(key, [gate])

    return [weights_fresh]


checks_job = dg.define_asset_job(
    "checks_job",
    selection=dg.AssetSelection.all_asset_checks()
    & (dg.AssetSelection.assets(ROLLUP) | of_all_models("weights")),
    tags=COLLECTING_RUNS,
    description="Check that weights are fresh and that roll-ups have the rows of their originals.",
)


daily_checks_schedule = nightly_schedule(
    "daily_checks_schedule",
    checks_job.name,
    TICK,
    "Check weights and roll-ups every night, except during a round.",
)
