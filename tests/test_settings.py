"""Where settings come from, how bad ones are named, and that secrets stay secret."""

from __future__ import annotations

import traceback
from pathlib import Path

import dagster as dg
import pytest

from numebot_dagster.defs.resources import PlatformResource
from numebot_dagster.lake import catalog
from numebot_dagster.settings import (
    NUMERAI_API_URL,
    AlertKind,
    Settings,
    SettingsError,
    in_force,
    load_settings,
    origins,
)

SECRET = "SECRETKEYTHATNOBODYMAYSEE"
OTHER_SECRET = "ANOTHERSECRETOFSOMEBODY"
PAIR = {"NUMERAI_PUBLIC_ID": "FROMENV", "NUMERAI_SECRET_KEY": SECRET}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load settings from an environment, a `.env` and a `.secret`, each given as a mapping."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)

    def of(environment=None, dotenv=None, secret=None):
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        for file, lines in ((".env", dotenv), (".secret", secret)):
            if lines is not None:
                text = "".join(f"{name}={value}\n" for name, value in lines.items())
                (tmp_path / file).write_text(text)
        return load_settings(tmp_path)

    return of


def pair(settings):
    return tuple(
        None if secret is None else secret.get_secret_value()
        for secret in (settings.numerai_public_id, settings.numerai_secret_key)
    )


def test_defaults(load, tmp_path):
    settings = load()
    assert pair(settings) == (None, None)
    assert settings.numerai_api_url == NUMERAI_API_URL
    assert not settings.is_practice
    assert settings.numerai_data_folder == tmp_path / "data"
    assert settings.model_configs_path == tmp_path / "model_configs.csv"
    assert settings.instance_folder == tmp_path / "data" / "dagster"
    assert settings.numebot_data_version is None


DOTENV = {"NUMERAI_PUBLIC_ID": "FROMDOTENV", "NUMERAI_SECRET_KEY": "dotenvsecret"}
DOTSECRET = {"PUBLIC_ID": "FROMSECRET", "SECRET_KEY": "secretsecret"}
EMPTY = {"NUMERAI_PUBLIC_ID": "", "NUMERAI_SECRET_KEY": ""}


@pytest.mark.parametrize(
    ("environment", "dotenv", "secret", "expected"),
    [
        (PAIR, DOTENV, DOTSECRET, ("FROMENV", SECRET)),
        ({}, DOTENV, DOTSECRET, ("FROMDOTENV", "dotenvsecret")),
        ({}, {}, DOTSECRET, ("FROMSECRET", "secretsecret")),
        ({}, None, DOTSECRET, ("FROMSECRET", "secretsecret")),
        (PAIR, None, None, ("FROMENV", SECRET)),
        # A line without a value, as in the example file, sets nothing.
        ({}, EMPTY, DOTSECRET, ("FROMSECRET", "secretsecret")),
        (EMPTY, DOTENV, DOTSECRET, ("FROMDOTENV", "dotenvsecret")),
        (EMPTY, EMPTY, None, (None, None)),
    ],
)
def test_precedence_of_credentials(load, environment, dotenv, secret, expected):
    assert pair(load(environment, dotenv, secret)) == expected


@pytest.mark.parametrize(
    ("environment", "dotenv", "expected"),
    [
        ({"NUMERAI_DATA_FOLDER": "a"}, {"NUMERAI_DATA_FOLDER": "b"}, "a"),
        ({}, {"NUMERAI_DATA_FOLDER": "b"}, "b"),
        ({"NUMERAI_DATA_FOLDER": ""}, {"NUMERAI_DATA_FOLDER": "b"}, "b"),
        ({}, {"NUMERAI_DATA_FOLDER": ""}, "data"),
        ({"numerai_data_folder": "lower"}, {}, "lower"),
    ],
)
def test_precedence_of_a_folder(load, tmp_path, environment, dotenv, expected):
    assert load(environment, dotenv).numerai_data_folder == tmp_path / expected


def test_the_example_file_is_valid(load, tmp_path):
    example = Path(__file__).parents[1] / ".env.example"
    (tmp_path / ".env").write_text(example.read_text())
    settings = load()
    assert pair(settings) == (None, None)
    assert settings == load_settings(tmp_path / "nowhere")


def test_folders(load, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = load({"NUMERAI_DATA_FOLDER": "~/numerai", "DAGSTER_HOME": "instance"})
    assert settings.numerai_data_folder == tmp_path / "home" / "numerai"
    assert settings.instance_folder == tmp_path / "instance"


@pytest.mark.parametrize(
    ("name", "refused_for"),
    [
        ("data [old]", "[old]"),
        ("a*b", "*"),
        ("what?", "?"),
        ("a%20b", "%20"),
        ("100% [half", None),
        ("Größe 'a' #1 {b} $ c", None),
    ],
)
def test_folders_that_dagster_would_misread(load, tmp_path, name, refused_for):
    settings = load({"NUMERAI_DATA_FOLDER": name})
    assert settings.numerai_data_folder == tmp_path / name
    if refused_for is None:
        assert settings.instance_folder == tmp_path / name / "dagster"
        return
    with pytest.raises(SettingsError, match="set DAGSTER_HOME to a folder without") as caught:
        _ = settings.instance_folder
    assert f"because of {refused_for} in its name" in str(caught.value)
    assert load({"DAGSTER_HOME": "home"}).instance_folder == tmp_path / "home"


@pytest.mark.parametrize(
    ("url", "stored", "practice"),
    [
        ("https://api-tournament.numer.ai", NUMERAI_API_URL, False),
        ("https://api-tournament.numer.ai/", NUMERAI_API_URL, False),
        ("http://127.0.0.1:8800", "http://127.0.0.1:8800", True),
    ],
)
def test_endpoint(load, url, stored, practice):
    settings = load({"NUMERAI_API_URL": url})
    assert (settings.numerai_api_url, settings.is_practice) == (stored, practice)


def test_settings_of_former_versions_are_no_error(load):
    former = {"NUMEBOT_REQUESTS_PER_SECOND": "20", "NUMEBOT_REQUEST_BURST": "60"}
    assert load(former) == load({})


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"NUMEBOT_READ_TIMEOUT": "soon"}, "NUMEBOT_READ_TIMEOUT: Input should be a valid number"),
        ({"NUMEBOT_READ_TIMEOUT": "0"}, "NUMEBOT_READ_TIMEOUT: Input should be greater than 0"),
        ({"NUMEBOT_DATA_VERSION": "5.3"}, "NUMEBOT_DATA_VERSION: String should match pattern"),
        ({"NUMERAI_API_URL": "api.numer.ai"}, "NUMERAI_API_URL: 'api.numer.ai' is no"),
        (
            {"NUMEBOT_SILENCE": "all-confirmed,everything"},
            "NUMEBOT_SILENCE: there is no alert everything; the alerts are all-confirmed, ",
        ),
        (
            {"NUMEBOT_HEARTBEAT_URL": f"hc-ping.com/{SECRET}"},
            "NUMEBOT_HEARTBEAT_URL: it begins with https:// or http://",
        ),
        ({"NUMERAI_SECRET_KEY": SECRET}, "NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY go together"),
        ({"NUMERAI_PUBLIC_ID": "ID"}, "NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY go together"),
        (
            {**PAIR, "NUMEBOT_CONNECT_TIMEOUT": "x", "NUMEBOT_RETRY_DEADLINE": "-1"},
            "NUMEBOT_CONNECT_TIMEOUT: Input should be a valid number, unable to parse string as a "
            "number; NUMEBOT_RETRY_DEADLINE: ",
        ),
    ],
)
def test_bad_settings_are_named_without_showing_secrets(load, tmp_path, environment, text):
    with pytest.raises(SettingsError) as caught:
        load(environment)
    assert text in str(caught.value)
    assert f"Correct it in the environment or in {tmp_path / '.env'}" in str(caught.value)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


DEFAULT_LINES = [
    f"endpoint: Numerai at {NUMERAI_API_URL} (default)",
    "account: no key",
    "data folder: HERE/data (default)",
]


@pytest.mark.parametrize(
    ("environment", "dotenv", "secret", "account", "lines"),
    [
        ({}, None, None, None, DEFAULT_LINES),
        # Dagster's processes are given what `.env` leaves empty as an empty variable.
        (EMPTY, EMPTY, None, None, DEFAULT_LINES),
        (
            {**PAIR, "NUMERAI_DATA_FOLDER": "other"},
            {**DOTENV, "NUMERAI_API_URL": "http://127.0.0.1:8800"},
            DOTSECRET,
            None,
            [
                "endpoint: a practice tournament at http://127.0.0.1:8800 (.env)",
                "account: key FROM… (environment)",
                "data folder: HERE/other (environment)",
            ],
        ),
        (
            {},
            None,
            DOTSECRET,
            "alice",
            [DEFAULT_LINES[0], "account: alice, key FROM… (.secret)", DEFAULT_LINES[2]],
        ),
    ],
)
def test_what_is_in_force(load, tmp_path, environment, dotenv, secret, account, lines):
    shown = in_force(load(environment, dotenv, secret), origins(tmp_path), account)
    assert shown == [line.replace("HERE", str(tmp_path)) for line in lines]
    assert SECRET not in str(shown)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", set()),
        ("all-confirmed", {AlertKind.ALL_CONFIRMED}),
        ("all-confirmed, deadline-near", {AlertKind.ALL_CONFIRMED, AlertKind.DEADLINE_NEAR}),
        ("round-missed data-changed", {AlertKind.ROUND_MISSED, AlertKind.DATA_CHANGED}),
    ],
)
def test_silenced_alerts(load, text, kinds):
    assert load({"NUMEBOT_SILENCE": text}).numebot_silence == kinds


def test_addresses_of_alerts_are_not_shown(load):
    url = f"tgram://{SECRET}/1"
    settings = load({"NUMEBOT_NOTIFY_URLS": url, "NUMEBOT_HEARTBEAT_URL": f"https://x.y/{SECRET}"})
    assert settings.numebot_notify_urls.get_secret_value() == url
    shown = [repr(settings), str(settings), f"{settings.model_dump()}", settings.model_dump_json()]
    assert [line for line in shown if SECRET in line] == []


@pytest.mark.parametrize(
    ("file", "content", "text"),
    [
        (".secret", b"PUBLIC_ID=AAA\n", "{file} has no SECRET_KEY: PUBLIC_ID and SECRET_KEY"),
        (".secret", b"SECRET_KEY=AAA\nPUBLIC_ID=\n", "{file} has no PUBLIC_ID"),
        (".env", "NUMERAI_API_URL=http://x\n".encode("utf-16"), "{file} is UTF-16: save it as"),
        (".env", b"A=1\nNUMERAI_DATA_FOLDER=Gr\xf6\xdfe\n", "{file}, line 2: the byte 0xf6 is not"),
        (
            ".secret",
            "PUBLIC_ID=AAA".encode("utf-16-le"),
            "{file} contains zero bytes, as UTF-16 does",
        ),
        (".secret", b"\xff\xfeA\x00B", "{file} is damaged UTF-16"),
        (".env", b"NUMERAI_DATA_FOLDER=$NOWHERE/x\n", "NUMERAI_DATA_FOLDER: the variable $NOWHERE"),
    ],
)
def test_files_that_cannot_be_read_are_named(load, tmp_path, file, content, text):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load()
    assert text.format(file=tmp_path / file) in str(caught.value)
    assert "AAA" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_editors_write_is_read(load, tmp_path, encoding):
    (tmp_path / ".secret").write_bytes("PUBLIC_ID=ÄÖ\r\nSECRET_KEY=b\r\n".encode(encoding))
    assert pair(load()) == ("ÄÖ", "b")
    dotenv = "NUMERAI_DATA_FOLDER=Größe\n".encode(encoding.replace("16", "8"))
    (tmp_path / ".env").write_bytes(dotenv)
    assert load().numerai_data_folder == tmp_path / "Größe"


def test_variables_in_folders(load, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    lines = {"NUMERAI_DATA_FOLDER": "$HOME/a", "MODEL_CONFIGS_PATH": "${HOME}/b"}
    settings = load(None, lines)
    assert settings.numerai_data_folder == tmp_path / "home" / "a"
    assert settings.model_configs_path == tmp_path / "home" / "b"
    # A folder that was made by the name as it is written goes on being used.
    (tmp_path / "$HOME" / "a").mkdir(parents=True)
    assert load(None, lines).numerai_data_folder == tmp_path / "$HOME" / "a"


def test_no_home_folder(load, monkeypatch):
    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(SettingsError, match="there is no home folder: write the whole path"):
        load({"NUMERAI_DATA_FOLDER": "~/numerai"})


def test_halves_of_two_keys_are_not_mixed(load):
    with pytest.raises(SettingsError, match="go together"):
        load({"NUMERAI_PUBLIC_ID": "FROMENV"}, None, DOTSECRET)


def test_secrets_are_not_shown(load):
    settings = load(PAIR)
    shown = [repr(settings), str(settings), f"{settings.model_dump()}", settings.model_dump_json()]
    shown += [repr(PlatformResource()), str(PlatformResource().model_dump())]
    assert [text for text in shown if SECRET in text] == []


def haystack(*folders):
    """Return every stored file with its bytes."""
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in Path(folder).rglob("*")
        if path.is_file() and path.suffix != ".parquet"
    }


def runs_of_a_round(world, number, instance):
    defs = world.definitions()
    instance.add_dynamic_partitions("rounds", [str(number)])
    return defs.resolve_job_def("round_job").execute_in_process(
        instance=instance, partition_key=str(number), raise_on_error=False
    )


@pytest.mark.parametrize("good", [True, False])
def test_no_run_leaves_a_secret_behind(world, tmp_path, monkeypatch, capfd, good):
    """Neither a good run nor one that fails with a wrong key: config, events, logs, receipts."""
    secret = world.practice.credentials.secret_key
    if not good:
        secret = OTHER_SECRET
        monkeypatch.setenv("NUMERAI_SECRET_KEY", secret)
    number = world.open_round()
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        result = runs_of_a_round(world, number, instance)
        assert result.success is good
        [run] = instance.get_runs()
        assert secret not in str(run.run_config)
        assert secret not in str(run)
        texts = haystack(tmp_path, world.folder / "data")
    assert any(b"play_round" in content for content in texts.values())  # there is what to search
    assert [path for path, content in texts.items() if secret.encode() in content] == []
    printed = capfd.readouterr()
    assert secret not in printed.out + printed.err
    if not good:
        shown = str([event.event_specific_data for event in result.all_events])
        assert "check the credentials" in shown
        refused = catalog.query(
            world.platform.lake, "from alerts where kind = 'credentials-refused'"
        )
        assert refused.height == 1


def test_host_names_of_the_ui(load):
    settings = load({"NUMEBOT_UI_HOSTS": "Bot.example, bot.example:8443"})
    assert settings.numebot_ui_hosts == {"bot.example", "bot.example:8443"}
    with pytest.raises(SettingsError, match=r"'https://bot\.example' is not a host name"):
        load({"NUMEBOT_UI_HOSTS": "https://bot.example"})
