"""The watchdog and the look ahead."""

from datetime import timedelta

import dagster as dg

from numebot_dagster.defs.health.jobs import preflight_job
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.numerai.rounds import rounds_of_interest
from numebot_dagster.operations.alerts import channels
from numebot_dagster.operations.health import preflight, watchdog

SECONDS_BETWEEN_LOOKS = 30
SECONDS_BETWEEN_LOOKS_AHEAD = 300
AHEAD = timedelta(hours=2)
# Dagster ends a tick after a minute, and the alerts need some of it.
SECONDS_FOR_NUMERAI = 10.0


@dg.sensor(
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def watchdog_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.SkipReason:
    """Says what is not accepted 30, 15 and 5 minutes before the close, and what else went wrong.

    Asks whether Numerai still holds what it held, looks at open and lately closed rounds and at the
    disk, and sends every alert that still waits. After a look without trouble the heartbeat URL is
    fetched, so that something outside notices when this stops.
    """
    shop = platform.open_for_tick(context.log, SECONDS_FOR_NUMERAI)
    look = watchdog.look(shop)
    if look.problem:
        shop.log.warning("%s", look.problem)
    else:
        channels.ping(shop)
    rounds = ", ".join(map(str, look.rounds)) or "none"
    said = "; ".join(alert.title for alert in look.raised) or "nothing new to say"
    return dg.SkipReason("; ".join(filter(None, [f"Rounds {rounds}: {said}", look.problem])))


@dg.sensor(
    job=preflight_job,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS_AHEAD,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def preflight_sensor(
    context: dg.SensorEvaluationContext, platform: PlatformResource
) -> dg.RunRequest | dg.SkipReason:
    """Requests a pre-flight two hours before a round may open, once for each expected opening."""
    shop = platform.open_for_tick(context.log)
    client = shop.client
    known = client.rounds(limit=preflight.ROUNDS_FOR_AN_ESTIMATE)
    rounds = rounds_of_interest(known, shop.settings.numebot_rounds)
    opening = preflight.next_opening([one.open_time for one in rounds], client.now())
    if opening is None:
        return dg.SkipReason("No round has opened yet, so no opening can be expected.")
    if opening - client.now() > AHEAD:
        return dg.SkipReason(f"The next round is expected on {opening:%a %d %b at %H:%M} UTC.")
    moment = opening.isoformat()
    return dg.RunRequest(
        run_key=f"preflight-{moment}",
        run_config={"ops": {"preflight": {"config": {"opening": moment}}}},
    )
