"""Define the watchdog, and the sensor that requests a pre-flight."""

from datetime import timedelta

import dagster as dg

from numebot_dagster.defs.health.jobs import preflight_job
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.numerai.rounds import rounds_of_interest
from numebot_dagster.operations.alerts import channels
from numebot_dagster.operations.health import preflight, watchdog

SECONDS_BETWEEN_WATCHDOG_TICKS = 30
SECONDS_BETWEEN_PREFLIGHT_TICKS = 300
AHEAD = timedelta(hours=2)
# Dagster ends a tick after a minute, and sending alerts needs a part of it.
SECONDS_FOR_NUMERAI = 10.0


@dg.sensor(
    minimum_interval_seconds=SECONDS_BETWEEN_WATCHDOG_TICKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Send alerts about models without an accepted submission before a round closes. "
    "It also checks that Numerai still has each submission, and looks at the disk.",
)
def watchdog_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SkipReason:
    """Send the alerts that open and lately closed rounds and the disk call for.

    After a look without trouble the heartbeat URL is fetched, so that an outside service notices
    when this sensor stops.
    """
    opened = platform.open_for_tick(context.log, SECONDS_FOR_NUMERAI)
    look = watchdog.look(opened)
    if look.problem:
        opened.log.warning("%s", look.problem)
    else:
        channels.ping(opened)
    rounds = ", ".join(map(str, look.rounds)) or "none"
    titles = "; ".join(alert.title for alert in look.raised) or "no new alert"
    return dg.SkipReason("; ".join(filter(None, [f"Rounds {rounds}: {titles}", look.problem])))


@dg.sensor(
    job=preflight_job,
    minimum_interval_seconds=SECONDS_BETWEEN_PREFLIGHT_TICKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Request a pre-flight two hours before a round is expected to open.",
)
def preflight_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.RunRequest | dg.SkipReason:
    """Request a pre-flight once for each expected opening."""
    opened = platform.open_for_tick(context.log)
    client = opened.client
    newest = client.rounds(limit=preflight.ROUNDS_FOR_AN_ESTIMATE)
    rounds = rounds_of_interest(newest, opened.settings.numebot_rounds)
    opening = preflight.next_opening([round_.open_time for round_ in rounds], client.now())
    if opening is None:
        return dg.SkipReason("No round has opened yet, so no opening can be expected.")
    if opening - client.now() > AHEAD:
        return dg.SkipReason(f"The next round is expected on {opening:%a %d %b at %H:%M} UTC.")
    moment = opening.isoformat()
    return dg.RunRequest(
        run_key=f"preflight-{moment}",
        run_config={"ops": {"preflight": {"config": {"opening": moment}}}},
    )
