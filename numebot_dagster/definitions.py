"""Define everything that Dagster loads.

Loading reads the settings, the registry and the source bytes of the models, and nothing else: no
network, no data, no user's module and no training library.
"""

from __future__ import annotations

import dagster as dg

from numebot_dagster.defs.diagnostics.assets import build_diagnostics
from numebot_dagster.defs.diagnostics.jobs import diagnose_job
from numebot_dagster.defs.diagnostics.replays import (
    build_replay_job,
    build_replays,
    replay_schedule,
)
from numebot_dagster.defs.health.checks import (
    build_weights_checks,
    checks_job,
    daily_checks_schedule,
    rollup_sound,
)
from numebot_dagster.defs.health.jobs import preflight_job
from numebot_dagster.defs.health.rollup import rollup, rollup_job, rollup_schedule
from numebot_dagster.defs.health.sensors import preflight_sensor, watchdog_sensor
from numebot_dagster.defs.logs import terminal_logger
from numebot_dagster.defs.performance.assets import (
    build_performance,
    build_scores,
    leaderboard,
    payouts,
    scores,
)
from numebot_dagster.defs.performance.jobs import figures_job, performance_job
from numebot_dagster.defs.performance.schedules import daily_performance_schedule
from numebot_dagster.defs.performance.sensors import figures_sensor
from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.defs.rounds.assets import details, live_data
from numebot_dagster.defs.rounds.jobs import round_job
from numebot_dagster.defs.rounds.play_round import build_play_round
from numebot_dagster.defs.rounds.schedules import weekend_round_schedule
from numebot_dagster.defs.rounds.sensors import new_round_sensor
from numebot_dagster.defs.training.assets import data
from numebot_dagster.defs.training.jobs import train_job
from numebot_dagster.defs.training.schedules import retraining_schedule
from numebot_dagster.defs.training.today import train_today_job, train_today_sensor
from numebot_dagster.defs.training.weights import build_weights
from numebot_dagster.environment import restore_environment, spare_loopback
from numebot_dagster.modeling.registry import read_registry
from numebot_dagster.settings import load_settings

restore_environment()
spare_loopback()
settings = load_settings()
if settings.dagster_home is not None:
    _ = settings.instance_folder  # raises where Dagster cannot work
registry = read_registry(settings.model_configs_path)

defs = dg.Definitions(
    assets=[
        details,
        live_data,
        data,
        *build_weights(registry),
        *build_diagnostics(registry),
        *build_play_round(registry),
        scores,
        leaderboard,
        payouts,
        *build_scores(registry),
        *build_performance(registry),
        rollup,
    ],
    asset_checks=[build_replays(registry), rollup_sound, *build_weights_checks(registry)],
    jobs=[
        round_job,
        train_today_job,
        train_job,
        diagnose_job,
        build_replay_job(registry),
        performance_job,
        figures_job,
        preflight_job,
        rollup_job,
        checks_job,
    ],
    schedules=[
        weekend_round_schedule,
        daily_performance_schedule,
        retraining_schedule,
        replay_schedule,
        rollup_schedule,
        daily_checks_schedule,
    ],
    sensors=[
        new_round_sensor,
        watchdog_sensor,
        preflight_sensor,
        train_today_sensor,
        figures_sensor,
    ],
    resources={"platform": PlatformResource()},
    loggers={"console": terminal_logger},
    # One process per run: steps take milliseconds, and models have workers of their own.
    executor=dg.in_process_executor,
)
