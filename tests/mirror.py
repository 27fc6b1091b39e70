"""Hold where the tests deviate from the tree of the package, and why.

The rule: `numebot_dagster/a/b.py` is tested in `tests/a/test_b.py`.
"""

from __future__ import annotations

# Modules without a test module of their own, by the one that tests them through what uses them.
TESTED_THROUGH = {
    # A command is tested as a user types it.
    "cli/test_commands.py": (
        "cli/collect cli/errors cli/execution cli/main cli/rounds cli/run cli/sql cli/train"
        " failure_texts"
    ),
    "cli/practice/test_commands.py": "cli/practice/*",
    "cli/test_printing_and_recording.py": "cli/screen defs/event_log defs/instance defs/logs",
    "cli/test_taking_turns.py": "cli/session defs/turns",
    # What Dagster is given is tested as Dagster loads and runs it.
    "test_definitions.py": (
        "defs/*/jobs defs/catalogue defs/health/checks defs/metadata defs/model_assets"
        " defs/nightly defs/partitions defs/performance/lineage defs/resources"
    ),
    "defs/rounds/test_play_round.py": "defs/rounds/assets defs/rounds/results",
    "defs/rounds/test_sensors.py": "defs/rounds/requests",
    "defs/training/test_today.py": "defs/training/assets defs/training/weights",
    "defs/test_bad_input_numerai.py": "defs/failures",
    "web/test_serving.py": "web/services",
    "web/test_guard.py": "web/addresses",
    "web/test_log_in.py": "web/pages",
    # A module that one other uses.
    "lake/test_json_records.py": "lake/damaged",
    "modeling/test_training_data.py": "modeling/columns modeling/feature_matrix",
    "modeling/worker/test_past_eras.py": "modeling/live_data",
    "modeling/test_registry.py": "modeling/registry_file texts",
    "modeling/test_same_code.py": "modeling/source/former_hash",
    "modeling/source/test_own_code.py": (
        "modeling/source/imports modeling/source/modules modeling/source/source_file"
    ),
    "modeling/weights/test_comparison.py": "modeling/weights/canary",
    "modeling/weights/test_weight_store.py": "modeling/worker/manifest",
    "modeling/worker/test_worker.py": (
        "modeling/worker/execution modeling/worker/messages modeling/worker/worker_process"
    ),
    "scoring/test_era_scores.py": "scoring/era_rows scoring/projection scoring/ranks",
    "operations/performance/board/test_pages.py": (
        "operations/performance/board/fleet_facts operations/performance/board/links"
        " operations/performance/board/live_facts operations/performance/board/needs"
        " operations/performance/board/model_facts operations/performance/board/model_pictures"
        " operations/performance/board/round_facts operations/performance/board/standings"
        " operations/performance/board/today_facts cli/board"
    ),
    "submissions/test_submission_file.py": "submissions/file_names",
    # The client is tested by its answers, and by what Numerai may do to it.
    "numerai/test_client.py": "numerai/errors numerai/numerapi_bridge",
    "numerai/test_client_in_practice.py": "numerai/enrichment",
    "numerai/test_client_under_faults.py": "numerai/registration",
    "numerai/test_parsing.py": "numerai/records",
    "numerai/test_queries.py": "numerai/schema_use",
    "numerai/http/test_transport.py": (
        "numerai/http/connections numerai/http/deadline numerai/http/error_translation"
    ),
    "numerai/http/test_rate_limits.py": "numerai/http/root_fields",
    # A round is tested as it is played.
    "operations/rounds/test_exactly_once.py": (
        "operations/rounds/acceptance operations/rounds/confirmation operations/rounds/follow_up"
        " operations/rounds/uploading"
    ),
    "operations/rounds/test_ladder.py": "operations/rounds/predicting",
    "operations/rounds/test_playing.py": (
        "operations/platform operations/rounds/outcomes operations/rounds/details"
    ),
    "operations/rounds/test_two_installations.py": "lake/installation",
    "operations/health/test_upkeep.py": "lake/days lake/rollups",
    "operations/health/test_round_alerts.py": "operations/slots",
    "operations/health/test_changes.py": "operations/health/observations",
    "operations/health/test_preflight.py": (
        "operations/health/doctor operations/health/doctor_numerai operations/health/findings"
    ),
    "operations/alerts/test_outbox.py": "operations/alerts/channels",
    "operations/diagnostics/test_diagnosis.py": (
        "operations/diagnostics/diagnosis_figures operations/diagnostics/diagnosis_store"
        " operations/diagnostics/era_metrics operations/diagnostics/out_of_sample"
    ),
    "operations/test_damaged_files.py": "operations/rounds/skipped_rounds",
    "operations/training/test_trial.py": (
        "operations/training/library_changes operations/training/vintages"
    ),
    "operations/performance/test_explanation.py": "cli/explain",
    "operations/performance/money/test_ledger.py": (
        "cli/ledger numerai/money operations/performance/money/ledger_export"
        " operations/performance/money/ledger_lines operations/performance/money/prices"
        " operations/performance/board/money_facts reporting/pages/money"
        " operations/performance/money/stakes"
    ),
    "operations/performance/money/test_stake_plan.py": "cli/stake_plan",
    "defs/performance/test_assets.py": ("operations/performance/collecting"),
    # The practice tournament is tested by its answers, as Numerai's would be.
    "practice/test_server.py": "practice/__main__ practice/controls practice/creation",
    "practice/api/test_queries.py": "practice/api/answers/*",
    "practice/api/test_bad_requests.py": "practice/api/graphql practice/api/request",
    "practice/api/test_uploads.py": (
        "practice/api/app practice/api/control_routes practice/api/report practice/rules/keys"
        " practice/rules/uploads"
    ),
    "practice/api/services/test_webhooks.py": "practice/api/services/jobs",
    "practice/api/test_rate_limits.py": "practice/api/throttling",
    "practice/faults/test_middleware.py": (
        "practice/faults/exchange practice/faults/fault practice/faults/routes"
        " practice/faults/unseen practice/faults/*_faults"
    ),
    "practice/datasets/test_contents.py": "practice/datasets/packing",
    "practice/market/test_market.py": (
        "practice/market/features practice/market/knowledge practice/market/randomness"
        " practice/market/returns practice/market/targets practice/market/universe"
    ),
    "practice/market/test_population.py": "practice/market/crowd practice/rules/lineup",
    "practice/rules/test_payout_rules.py": "practice/rules/events practice/rules/tournament",
    "practice/rules/test_clock.py": "practice/rules/timetable",
    "practice/faults/test_book.py": "practice/rules/deadlines practice/rules/state",
    "practice/schema/test_contract.py": (
        "practice/schema/*_objects practice/schema/leniency practice/schema/round_detail_object"
    ),
    "practice/scoring/test_scores.py": "practice/scoring/history practice/scoring/ledger",
}

# Tests whose subject is no single module.
OF_SEVERAL_MODULES = {
    "a user's machine, folders and terminal": (
        "cli/test_bad_input_disk cli/test_dagster_command_line cli/test_interruption"
        " cli/test_odd_folders cli/test_terminal cli/test_up_on_a_demo"
    ),
    "a round and what may happen to it": (
        "defs/rounds/test_failing_models defs/rounds/test_round_gates defs/test_bad_input_models"
        " operations/rounds/test_bad_input_versions operations/rounds/test_kill_points"
        " operations/rounds/test_rejections"
    ),
    "files of earlier versions": "operations/test_old_files",
    "what is said of models whose skill is known": "scoring/luck/test_calibration",
    "cheating models": "operations/diagnostics/test_look_ahead",
    "whatever Numerai may answer": "numerai/test_odd_answers",
    "the practice tournament as a whole": (
        "practice/api/test_machine practice/api/test_pace practice/api/test_responsiveness"
        " practice/datasets/test_full_scale practice/scoring/test_market_scores"
        " practice/test_foreign_clients practice/test_numerapi"
    ),
    "what is not in the package": (
        "benchmarks/test_harness benchmarks/test_lakes benchmarks/test_luck chaos/test_chaos"
        " cli/test_reference"
        " model_code/test_models support/test_forks support/test_official_scores"
        " support/test_payouts test_architecture test_bad_input_table test_deploy"
        " test_documentation ui/test_board_pages ui/test_dagster_ui ui/test_log_in"
        " ui/test_weekly_work"
    ),
}
