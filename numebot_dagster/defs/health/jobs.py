"""Define the job that checks whether the next round would succeed."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from numebot_dagster.defs import metadata
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.operations.health import preflight
from numebot_dagster.operations.health.findings import Verdict


class PreflightConfig(dg.Config):
    """The round to check for."""

    opening: str | None = Field(
        default=None,
        description="When the next round is expected to open, as ISO 8601 such as "
        "2026-06-02T12:00:00+00:00; by default in two hours.",
    )


@dg.op(name="preflight")
def examine_before_the_round(
    context: dg.OpExecutionContext, config: PreflightConfig, platform: PlatformResource
) -> None:
    """Check everything that the next round needs, and rehearse the last one with every model.

    What would fail is sent as an alert with its remedy; the run fails as well, so that the UI
    shows it.
    """
    # With the short deadline of a tick: a Numerai that does not answer is a finding itself.
    opened = platform.open_for_tick(context.log)
    opening = datetime.fromisoformat(config.opening) if config.opening else None
    findings = preflight.examine(opened, opening or datetime.now(UTC) + timedelta(hours=2))
    failures = [finding for finding in findings if finding.verdict is Verdict.FAILURE]
    table = metadata.markdown(preflight.findings_table(findings))
    context.add_output_metadata({"findings": table, "failures": len(failures)})
    if failures:
        texts = (f"{finding.name}: {finding.text}" for finding in failures)
        raise dg.Failure("; ".join(texts), allow_retries=False)


@dg.job(
    name="preflight_job",
    description="Check whether the next round would succeed. Looks at credentials, disk, clock and "
    "changes at Numerai, and predicts the last round again with every model. Nothing is stored or "
    "sent but alerts.",
)
def preflight_job() -> None:
    """Run `preflight`."""
    examine_before_the_round()
