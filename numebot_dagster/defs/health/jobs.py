"""The job that looks whether the next round could be played."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.operations.health import preflight
from numebot_dagster.operations.health.findings import Verdict


class PreflightConfig(dg.Config):
    """When the next round is expected to open, as ISO 8601; by default within the day."""

    opening: str | None = Field(
        default=None,
        description="When the next round is expected to open, as ISO 8601 such as "
        "2026-06-02T12:00:00+00:00; by default in two hours.",
    )


@dg.op(name="preflight")
def examine_before_the_round(
    context: dg.OpExecutionContext, config: PreflightConfig, platform: PlatformResource
) -> None:
    """Looks at all that the next round needs, and rehearses the last one with every model.

    What would fail is told with its remedy; the run fails as well, so that the UI shows it.
    """
    # With the short patience of a tick: a Numerai that does not answer is a finding itself.
    shop = platform.open_for_tick(context.log)
    opening = datetime.fromisoformat(config.opening) if config.opening else None
    findings = preflight.examine(shop, opening or datetime.now(UTC) + timedelta(hours=2))
    bad = [one for one in findings if one.verdict is Verdict.FAILURE]
    context.add_output_metadata(
        {"findings": dg.MetadataValue.md(preflight.as_markdown(findings)), "failures": len(bad)}
    )
    if bad:
        raise dg.Failure("; ".join(f"{one.name}: {one.text}" for one in bad), allow_retries=False)


@dg.job(
    name="preflight_job",
    description="Would the next round succeed? Credentials, disk, clock, changes at Numerai, and "
    "the last round predicted again by every model. Nothing is stored or sent but alerts.",
)
def preflight_job() -> None:
    """One step: see `preflight`."""
    examine_before_the_round()
