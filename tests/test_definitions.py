"""The page that Dagster loads: what is on it, and what loading it may not do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
from dagster_shared.cli import WorkspaceOpts

from numebot_dagster.defs import catalogue
from numebot_dagster.defs.health import automation
from numebot_dagster.lake import tables
from numebot_dagster.modeling.registry import read_registry
from numebot_dagster.reporting.embed import BOARD_IS_SERVED
from numebot_dagster.web import services

ROOT = Path(__file__).parents[1]

ROUND_ASSETS = {"rounds/details", "rounds/live_data"}
ROUND_CHAIN = {
    f"models/{name}/{kind}"
    for name in ("steady_1", "second")
    for kind in ("predictions", "submission")
}
WEIGHTS = {f"models/{name}/weights" for name in ("steady_1", "second")}
DIAGNOSTICS = {f"models/{name}/diagnostics" for name in ("steady_1", "second")}
SCORES_BY_ROUND = {f"models/{name}/scores" for name in ("steady_1", "second")}
HISTORIES = {f"models/{name}/performance" for name in ("steady_1", "second")}
DAILY = {"performance/scores", "performance/leaderboard", "performance/payouts"}
ALL = (
    ROUND_ASSETS
    | ROUND_CHAIN
    | WEIGHTS
    | DIAGNOSTICS
    | SCORES_BY_ROUND
    | HISTORIES
    | DAILY
    | {"training/data", "performance/overview", "health/rollup"}
)
REPLAYS = "replays_as_submitted"
CHECKS = {
    "rounds/live_data": {"ids_are_new", "live_data_wellformed", "usual_row_count"},
    "predictions": {
        "same_features_as_trained",
        "canary_predicts_as_trained",
        "numerai_submission_rules",
        "agrees_with_example",
    },
    "submission": {"confirmed_by_numerai"},
    "diagnostics": {REPLAYS},
}
# Of the present state and not of a partition.
STANDING_CHECKS = {
    "performance/scores": {"scores_arrived"},
    "performance/overview": {"everything_confirmed"},
    "health/rollup": {"rollup_sound"},
    **{key: {"weights_fresh"} for key in WEIGHTS},
}


@pytest.fixture
def graph(world):
    return world.definitions().resolve_asset_graph()


def names(keys):
    return {key.to_user_string() for key in keys}


def test_all_that_is_on_the_page_fits_together(world):
    dg.Definitions.validate_loadable(world.definitions())


def test_assets_are_those_of_the_contract(graph):
    assert names(graph.get_all_asset_keys()) == ALL


def test_groups(graph):
    for key in graph.get_all_asset_keys():
        name = key.to_user_string()
        first, *_ = name.split("/")
        expected = name.rpartition("/")[0] if first == "models" else first
        assert graph.get(key).group_name == expected, name


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_asset_explains_itself(graph, name):
    node = graph.get(dg.AssetKey(name.split("/")))
    assert len(node.description) > 40
    assert node.kinds & {"python", "numerai", "parquet", "duckdb"}


def test_partitions(graph):
    def definition_of(name):
        return graph.get(dg.AssetKey(name.split("/"))).partitions_def

    for name in ROUND_ASSETS | ROUND_CHAIN | SCORES_BY_ROUND:
        assert definition_of(name) == dg.DynamicPartitionsDefinition(name="rounds"), name
    for name in WEIGHTS | DIAGNOSTICS | {"training/data"}:
        assert definition_of(name) == dg.DynamicPartitionsDefinition(name="vintages"), name
    for name in DAILY:
        assert definition_of(name) == dg.DailyPartitionsDefinition("2021-01-01", end_offset=1), name
    for name in HISTORIES | {"performance/overview", "health/rollup"}:
        assert definition_of(name) is None, name


def test_dependencies_and_their_mappings(graph):
    """A mapping that is forgotten between two dynamic definitions is silently 'all'."""
    mappings = {
        (key.to_user_string(), parent.to_user_string()): type(
            graph.get_partition_mapping(key, parent)
        ).__name__
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
    }
    same = "IdentityPartitionMapping"
    expected = {("rounds/live_data", "rounds/details"): same}
    for model in ("steady_1", "second"):
        own = f"models/{model}"
        expected |= {
            (f"{own}/weights", "training/data"): same,
            (f"{own}/diagnostics", f"{own}/weights"): same,
            (f"{own}/predictions", "rounds/live_data"): same,
            (f"{own}/predictions", f"{own}/weights"): "LastPartitionMapping",
            (f"{own}/submission", f"{own}/predictions"): same,
            (f"{own}/scores", f"{own}/submission"): same,
        }
    between_dimensions = {
        pair: kind
        for pair, kind in mappings.items()
        if pair[0] not in HISTORIES | {"performance/overview"}
    }
    assert between_dimensions == expected
    others = {pair: kind for pair, kind in mappings.items() if pair not in between_dimensions}
    assert set(others.values()) == {"AllPartitionMapping"}
    assert {parent for child, parent in others if child == "performance/overview"} >= {
        "performance/scores",
        "performance/payouts",
    }
    for model in ("steady_1", "second"):
        parents = {parent for child, parent in others if child == f"models/{model}/performance"}
        assert parents == {"performance/scores", "performance/payouts"}


def test_checks_with_their_partitions(graph):
    checks: dict[str, set[str]] = {}
    for check in graph.asset_check_keys:
        checks.setdefault(check.asset_key.to_user_string(), set()).add(check.name)
        is_standing = check.name == REPLAYS or check.asset_key.to_user_string() in STANDING_CHECKS
        expected = None if is_standing else dg.DynamicPartitionsDefinition(name="rounds")
        assert graph.get(check).partitions_def == expected, check
    assert checks == STANDING_CHECKS | {"rounds/live_data": CHECKS["rounds/live_data"]} | {
        f"models/{model}/{kind}": CHECKS[kind]
        for model in ("steady_1", "second")
        for kind in ("predictions", "submission", "diagnostics")
    }


def test_a_replay_materializes_nothing_and_no_other_job_replays(world):
    """A replay must not run in the hour of a round, nor with each diagnosis."""
    definitions = world.definitions()
    for job in ("replay_job", "diagnose_job"):
        definition = definitions.resolve_job_def(job)
        steps = {node.name for node in definition.nodes}
        assert ("replay" in steps) is (job == "replay_job")
        assert bool(definition.asset_layer.selected_asset_keys) is (job == "diagnose_job")


def test_one_step_plays_the_round(world):
    job = world.definitions().resolve_job_def("round_job")
    assert {node.name for node in job.nodes} == {"rounds__details", "live_data", "play_round"}


@pytest.mark.parametrize(
    ("job", "keys"),
    [
        ("round_job", ROUND_ASSETS | ROUND_CHAIN),
        ("train_job", WEIGHTS | {"training/data"}),
        ("diagnose_job", DIAGNOSTICS),
        ("performance_job", DAILY | HISTORIES | {"performance/overview"}),
        ("rollup_job", {"health/rollup"}),
        ("checks_job", set()),
    ],
)
def test_jobs_hold_their_assets(world, job, keys):
    definition = world.definitions().resolve_job_def(job)
    assert names(definition.asset_layer.selected_asset_keys) == keys


def test_a_model_may_be_called_like_a_kind_of_asset(world):
    kinds = ("weights", "diagnostics", "predictions", "submission", "performance")
    lines = [f"{kind}-a,quick_models:Ridge\n" for kind in kinds]
    (world.folder / "model_configs.csv").write_text("numerai_name,model_code\n" + "".join(lines))
    definitions = world.definitions()
    definitions.get_repository_def()  # resolves every job
    expected = {
        "round_job": ROUND_ASSETS | of_models(kinds, "predictions", "submission"),
        "train_job": {"training/data"} | of_models(kinds, "weights"),
        "diagnose_job": of_models(kinds, "diagnostics"),
        "figures_job": {"performance/overview"} | of_models(kinds, "performance"),
        "checks_job": set(),
    }
    for job, keys in expected.items():
        layer = definitions.resolve_job_def(job).asset_layer
        assert names(layer.selected_asset_keys) == keys, job
    checked = definitions.resolve_job_def("checks_job").asset_layer.asset_graph.asset_check_keys
    assert {key.asset_key.to_user_string() for key in checked} == (
        of_models(kinds, "weights") | {"health/rollup"}
    )


def of_models(models, *kinds):
    return {f"models/{model}_a/{kind}" for model in models for kind in kinds}


def test_no_check_of_the_whole_is_a_part_of_a_round(world):
    """They read much or ask Numerai, and the hour belongs to the submissions."""
    jobs = {
        job: {
            check.name
            for check in world.definitions()
            .resolve_job_def(job)
            .asset_layer.asset_graph.asset_check_keys
        }
        for job in ("round_job", "figures_job", "performance_job", "train_job", "checks_job")
    }
    standing = {REPLAYS}.union(*STANDING_CHECKS.values())
    assert {job: names & standing for job, names in jobs.items()} == {
        "round_job": set(),
        "figures_job": {"everything_confirmed"},
        "performance_job": {"everything_confirmed", "scores_arrived"},
        "train_job": {"weights_fresh"},
        "checks_job": {"weights_fresh", "rollup_sound"},
    }


def test_sensor_and_schedules_are_on_by_default(world):
    repository = world.definitions().get_repository_def()
    sensor = repository.get_sensor_def("new_round_sensor")
    assert (sensor.job_name, sensor.default_status) == ("round_job", dg.DefaultSensorStatus.RUNNING)
    weekend = repository.get_schedule_def("weekend_round_schedule")
    daily = repository.get_schedule_def("daily_performance_schedule")
    retraining = repository.get_schedule_def("retraining_schedule")
    schedules = (weekend, daily, retraining)
    assert [schedule.job_name for schedule in schedules] == [
        "round_job",
        "performance_job",
        "train_job",
    ]
    assert {schedule.default_status for schedule in schedules} == {dg.DefaultScheduleStatus.RUNNING}
    assert {schedule.execution_timezone for schedule in schedules} == {"UTC"}


def test_descriptions_begin_with_one_plain_sentence(world):
    """The catalogue shows the beginning of each as it is written."""
    repository = world.definitions().get_repository_def()
    graph = repository.asset_graph
    described = {
        **{key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()},
        **{job.name: job for job in repository.get_all_jobs() if job.name != "__ASSET_JOB"},
        **{sensor.name: sensor for sensor in repository.sensor_defs},
        **{schedule.name: schedule for schedule in repository.schedule_defs},
    }
    assert len(described) > len(ALL) + 10
    first = {
        name: re.split(r"(?<=[.?!])\s", definition.description or "", maxsplit=1)[0]
        for name, definition in described.items()
    }
    assert [name for name, text in first.items() if not text.endswith(".")] == []
    assert [name for name, text in first.items() if set(text) & set("`*[]")] == []


def test_a_model_that_only_feeds_others_has_no_submission(world):
    registry = world.folder / "model_configs.csv"
    registry.write_text(
        "numerai_name,model_code,submit,enabled\n"
        "steady-1,quick_models:Ridge,false,true\nsecond,quick_models:Stubborn,true,false\n"
    )
    keys = names(world.definitions().resolve_asset_graph().get_all_asset_keys())
    models = {key for key in keys if key.startswith("models/")}
    assert models == {
        f"models/steady_1/{kind}"
        for kind in ("weights", "diagnostics", "predictions", "performance")
    }


def test_owners_tags_and_source_come_from_the_registry(world):
    (world.folder / "model_configs.csv").write_text(
        "numerai_name,model_code,owner,tags\n"
        "steady-1,quick_models:Ridge,jane@example.com;team:lab,family=linear;new\n"
        "second,quick_models:Stubborn,,\n"
    )
    defs = world.definitions()
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    module = str(world.folder / "quick_models.py")
    for key in graph.get_all_asset_keys():
        node, name = graph.get(key), key.to_user_string()
        own_tags = {tag for tag in node.tags if not tag.startswith("dagster/")}
        is_steady = name.startswith("models/steady_1/")
        assert node.owners == (["jane@example.com", "team:lab"] if is_steady else []), name
        assert own_tags == ({"family", "new"} if is_steady else set()), name
        *models, defined = node.metadata["dagster/code_references"].value.code_references
        assert [model.file_path for model in models] == [module] * name.startswith("models/"), name
        lines = Path(defined.file_path).read_text().splitlines()
        assert "catalogue.source(" in lines[defined.line_number - 1], name


def test_a_module_in_an_archive_has_no_link(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as archive:
        archive.writestr("packed.py", "class Packed: ...")
    monkeypatch.syspath_prepend(str(tmp_path / "models.zip"))
    registry = tmp_path / "model_configs.csv"
    registry.write_text("numerai_name,model_code\na,packed\n")
    [model] = read_registry(registry).models
    [defined] = catalogue.source(model)["dagster/code_references"].value.code_references
    assert defined.file_path == __file__


def test_what_is_daily_has_to_be_fresh_each_night(graph):
    """The schedule ticks at 14:30 and 22:30 UTC."""
    for key in graph.get_all_asset_keys():
        name, policy = key.to_user_string(), graph.get(key).freshness_policy
        if name in DAILY | HISTORIES | {"performance/overview"}:
            assert (policy.deadline_cron, policy.timezone) == ("30 23 * * *", "UTC"), name
            assert policy.lower_bound_delta == timedelta(hours=10), name
        elif name == "health/rollup":
            assert (policy.deadline_cron, policy.timezone) == ("0 12 * * *", "UTC")
            assert policy.lower_bound_delta == timedelta(hours=9)
        else:
            assert policy is None, name


def test_columns_are_those_of_the_views(graph):
    of_assets = {
        "rounds/details": tables.ROUNDS,
        "performance/scores": tables.SCORES,
        "performance/leaderboard": tables.LEADERBOARD,
        "performance/payouts": tables.PAYOUTS,
    }
    named, shown = {}, {}
    for key in graph.get_all_asset_keys():
        name, metadata = key.to_user_string(), graph.get(key).metadata
        if "dagster/table_name" in metadata:
            named[name] = metadata["dagster/table_name"]
        if "dagster/column_schema" in metadata:
            columns = metadata["dagster/column_schema"].columns
            shown[name] = {column.name: column.type for column in columns}
    # Two assets of one name would be shown as one table.
    assert named == {name: table.name for name, table in of_assets.items()}
    of_assets |= {
        f"models/{name}/predictions": tables.PREDICTIONS for name in ("steady_1", "second")
    }
    assert shown == {name: table.columns for name, table in of_assets.items()}


def fields(kind, path=()):
    """Yield the fields of a form with their names."""
    for name, field in (getattr(kind, "fields", None) or {}).items():
        yield (*path, name), field
        yield from fields(field.config_type, (*path, name))


def test_every_field_of_a_launch_form_says_what_it_does(world):
    repository = world.definitions().get_repository_def()
    shown = {
        path: field
        for job in repository.get_all_jobs()
        for path, field in fields(job.run_config_schema.config_type)
        if path[0] in ("ops", "resources") and path[-2:-1] == ("config",)
    }
    ours = {path: field for path, field in shown.items() if path[1] != "io_manager"}
    assert {path[-1] for path in ours} == {
        "again", "dry_run", "force", "late", "models", "opening", "settings_folder",
    }  # fmt: skip
    for path, field in ours.items():
        assert len(field.description) > 40, path
        assert not field.is_required, path


def test_a_registry_without_models_still_loads(world):
    (world.folder / "model_configs.csv").write_text("numerai_name,model_code\n")
    defs = world.definitions()
    dg.Definitions.validate_loadable(defs)
    assert names(defs.resolve_asset_graph().get_all_asset_keys()) == (
        ROUND_ASSETS | DAILY | {"training/data", "performance/overview", "health/rollup"}
    )


def test_the_code_location_has_one_name_however_dagster_is_started():
    """Dagster keeps the state of sensors and schedules by it; `-m` leaves no choice."""
    [location] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    names = {location["python_module"][key] for key in ("module_name", "location_name")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    names |= {project["code_location_name"], project["code_location_target_module"]}
    assert names == {automation.MODULE} == {services.DEFINITIONS}


@pytest.mark.parametrize("way", ["workspace", "module", "project", "up"])
def test_dagster_itself_calls_the_code_location_so(way, monkeypatch):
    monkeypatch.chdir(ROOT)
    options = {
        "workspace": {"workspace": ["workspace.yaml"]},  # dagster dev -w, the containers
        "module": {"module_name": [automation.MODULE]},  # dagster dev -m, dagster asset … -m
        "project": {},  # dagster dev in the checkout
    }
    if way == "up":
        target = services.definitions_target()
    else:
        target = workspace_opts_to_load_target(WorkspaceOpts(**options[way]))
    [origin] = target.create_origins()
    assert origin.location_name == automation.MODULE


@pytest.mark.parametrize("is_served", [False, True])
def test_the_dashboard_shows_its_charts_where_the_board_is_served(world, monkeypatch, is_served):
    if is_served:
        monkeypatch.setenv(BOARD_IS_SERVED, "1")
    overview = dg.AssetKey(["performance", "overview"])
    description = world.definitions().resolve_asset_graph().get(overview).description
    assert description.startswith("The dashboard: every model and round in tables")
    assert ("[Open the board](/numebot/)" in description) is is_served
    assert description.count("[![") == (3 if is_served else 0)


FORBIDDEN = [
    "pandas", "lightgbm", "xgboost", "sklearn", "scipy", "numerai_tools", "numerapi", "altair",
    "vl_convert",    "quick_models", "model_code", "numebot_dagster.practice",
]  # fmt: skip
LOADER = """
import json, socket, sys

def refuse(*arguments, **more):
    raise AssertionError("loading opened a connection")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = refuse
socket.getaddrinfo = refuse
from numebot_dagster.definitions import defs
keys = defs.resolve_asset_graph().get_all_asset_keys()
print(json.dumps([sorted(sys.modules), len(keys)]))
"""


def test_loading_imports_no_heavy_library_and_asks_nobody(world, monkeypatch):
    monkeypatch.setenv("NUMERAI_DATA_FOLDER", str(world.folder / "nowhere"))
    loaded = subprocess.run(
        [sys.executable, "-c", LOADER], cwd=world.folder, capture_output=True, text=True, check=True
    )
    modules, assets = json.loads(loaded.stdout)
    assert assets == len(ALL)
    assert [name for name in FORBIDDEN if name in modules] == []
    assert not (world.folder / "nowhere").exists()
