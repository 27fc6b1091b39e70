"""Read a participant's settings: environment, then `.env`, then `.secret`, then defaults.

Names in the environment are the field names in upper case. Secrets are `SecretStr`, so that
neither a log nor an exception nor a `repr` can show them.
"""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from numebot_dagster.texts import UnreadableText, read_text

INSTANCE_FILE = "dagster.yaml"  # of Dagster, in the folder of its instance
# Dagster looks for it by a pattern, and gives its folder to a database as a URL.
_PATTERN = re.compile(r"\[[^/]*\]|[*?]|%[0-9A-Fa-f]{2}")
_VARIABLE = re.compile(r"\$(\w+|\{\w+\})")
NUMERAI_API_URL = "https://api-tournament.numer.ai"


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it and says what to do."""


class AlertKind(StrEnum):
    """What the user can be told, and can silence by these names in `NUMEBOT_SILENCE`.

    Attributes:
        meaning: what the alert says; `make docs` writes it into docs/operations.md.
        log_level: at which it is logged as well: INFO for good news, NOTSET for what the log of
            the run has already.
    """

    meaning: str
    log_level: int

    def __new__(cls, name: str, meaning: str, log_level: int = logging.WARNING) -> Self:
        """Make a kind whose value is its name."""
        kind = str.__new__(cls, name)
        kind._value_, kind.meaning, kind.log_level = name, meaning, log_level
        return kind

    ALL_CONFIRMED = "all-confirmed", "every model of the round is confirmed", logging.INFO
    MODEL_FAILED = (
        "model-failed",
        "which model, why, and the command that tries again",
        logging.NOTSET,
    )
    FALLBACK_USED = (
        "fallback-used",
        "which model's predictions were replaced by those of older weights or of its fallback, "
        "why, and the command that tries again",
        logging.NOTSET,
    )
    TRAINING_FAILED = (
        "training-failed",
        "which model could not be trained, why, where in its code, and how to try it in seconds",
        logging.NOTSET,
    )
    DEADLINE_NEAR = (
        "deadline-near",
        "30, 15 and 5 minutes before the close: what is not accepted, why, what to type",
    )
    ROUND_MISSED = (
        "round-missed",
        "the models whose round closed without their submission, in one message; after days of "
        "downtime as well",
    )
    SCORES_PUBLISHED = "scores-published", "the day's scores of each model", logging.INFO
    DATA_CHANGED = (
        "data-changed",
        "a new or vanished data version, a file replaced in place, another `target`",
    )
    RULES_CHANGED = (
        "rules-changed",
        "other scores, multipliers or limits than the round before; an unknown score; new or "
        "vanished fields of the API",
    )
    PIPELINE_BROKEN = (
        "pipeline-broken",
        "a model that does not predict again what it submitted, or was given other features than "
        "in its training",
    )
    DISK_NEARLY_FULL = "disk-nearly-full", "less than 2 GB are left"
    CREDENTIALS_REFUSED = "credentials-refused", "Numerai refuses the key, and what to do"
    KEY_MAY_MOVE_STAKE = "key-may-move-stake", "the key may do more than Numebot needs"
    PREFLIGHT_FAILED = (
        "preflight-failed",
        "two hours before a round may open: what would fail, and the remedy",
    )
    PLAN_TOO_LONG = (
        "plan-too-long",
        "when the round opens: which models will not fit into the hour",
    )
    SUBMITTED_ELSEWHERE = (
        "submitted-elsewhere",
        "Numerai holds a file for a model that was not uploaded from this data folder; another "
        "installation of Numebot is named by its id",
    )


class Settings(BaseSettings):
    """Everything that a user can set, with the defaults of a first run."""

    # `.env` and `.secret` are read by `load_settings`.
    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    numerai_public_id: SecretStr | None = None
    numerai_secret_key: SecretStr | None = None
    numerai_api_url: str = NUMERAI_API_URL
    numerai_data_folder: Path = Path("data")
    model_configs_path: Path = Path("model_configs.csv")
    dagster_home: Path | None = None

    numebot_data_version: str | None = Field(default=None, pattern=r"^v\d+\.\d+$")
    numebot_rounds: Literal["every", "weekend"] = "every"

    numebot_connect_timeout: float = Field(default=5.0, gt=0, description="seconds")
    numebot_read_timeout: float = Field(default=30.0, gt=0, description="seconds")
    numebot_retry_deadline: float = Field(
        default=120.0, gt=0, description="seconds for one call with all its retries"
    )

    # Both may hold tokens in any of their parts, so all of them is secret.
    numebot_notify_urls: SecretStr | None = None
    numebot_heartbeat_url: SecretStr | None = None
    numebot_silence: Annotated[frozenset[AlertKind], NoDecode] = frozenset()

    numebot_rates_file: Path | None = Field(
        default=None, description="CSV of exchange rates by day: date, nmr_usd, eur_usd"
    )

    # What the UI of `numebot up` asks its visitors for.
    numebot_ui_password: SecretStr | None = None
    # Host names of the UI besides those of this machine, as behind a proxy.
    numebot_ui_hosts: Annotated[frozenset[str], NoDecode] = frozenset()

    @field_validator("numebot_silence", mode="before")
    @classmethod
    def _kinds(cls, value: Any) -> Any:
        """Split names of kinds at commas or spaces."""
        if not isinstance(value, str):
            return value
        names = value.replace(",", " ").split()
        unknown = [name for name in names if name not in {str(kind) for kind in AlertKind}]
        if unknown:
            raise ValueError(
                f"there is no alert {', '.join(unknown)}; the alerts are {', '.join(AlertKind)}"
            )
        return frozenset(names)

    @field_validator("numebot_ui_hosts", mode="before")
    @classmethod
    def _host_names(cls, value: Any) -> Any:
        """Split names at commas or spaces."""
        if not isinstance(value, str):
            return value
        names = value.lower().replace(",", " ").split()
        for name in names:
            if "/" in name or "*" in name:
                raise ValueError(
                    f"{name!r} is not a host name; write `bot.example` or `bot.example:8443`"
                )
        return frozenset(names)

    @field_validator("numebot_ui_password", mode="before")
    @classmethod
    def _without_outer_spaces(cls, value: Any) -> Any:
        """Count no spaces around a password, because headers do not keep them."""
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("numebot_heartbeat_url")
    @classmethod
    def _is_web_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("it begins with https:// or http://")
        return value

    @field_validator("numerai_api_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError(f"{value!r} is not an address; it begins with https:// or http://")
        return value.rstrip("/")

    @field_validator(
        "numerai_data_folder", "model_configs_path", "dagster_home", "numebot_rates_file"
    )
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else _expanded(value).absolute()

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.numerai_public_id is None) != (self.numerai_secret_key is None):
            raise ValueError(
                "NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY go together: set both or neither"
            )
        return self

    @property
    def instance_folder(self) -> Path:
        """Where Dagster keeps its instance: `DAGSTER_HOME`, or a folder under the data folder.

        Raises:
            SettingsError: Dagster cannot work in a folder of this name.
        """
        home = self.dagster_home or self.numerai_data_folder / "dagster"
        if pattern := _PATTERN.search(str(home)):
            raise SettingsError(
                f"Dagster cannot work in {home}, because of {pattern[0]} in its name: set "
                "DAGSTER_HOME to a folder without brackets, *, ? and % in its name"
            )
        return home

    def with_retry_deadline(self, seconds: float) -> Self:
        """Return these settings with at most some seconds for one call with all its retries."""
        shorter = min(seconds, self.numebot_retry_deadline)
        return self.model_copy(update={"numebot_retry_deadline": shorter})

    @property
    def key_remedy(self) -> str:
        """What gives a key that the endpoint accepts, as an advice."""
        if self.is_practice:
            where = "as `numebot practice serve` prints them"
        else:
            where = "to a key made at numer.ai (Account, Custom API keys)"
        return f"set NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY in .env {where}"

    @property
    def is_practice(self) -> bool:
        """Whether the endpoint is something else than Numerai's own."""
        return self.numerai_api_url != NUMERAI_API_URL


def _expanded(path: Path) -> Path:
    """Replace `~` and `$NAME` in a path, unless there is a folder of just that name.

    Raises:
        ValueError: a variable is not set, or there is no home folder.
    """
    if path.exists():
        return path
    expanded = Path(os.path.expandvars(path))
    if name := _VARIABLE.search(str(expanded)):
        raise ValueError(
            f"the variable {name[0]} in {str(path)!r} is not set: write the whole path"
        )
    try:
        return expanded.expanduser()
    except RuntimeError:
        raise ValueError(
            f"{str(path)!r} begins with ~, but there is no home folder: write the whole path"
        ) from None


class Origin(StrEnum):
    """Where the value of a setting comes from, the strongest first."""

    ENVIRONMENT = "environment"
    DOTENV = ".env"
    SECRET = ".secret"  # noqa: S105  (the name of a file)
    DEFAULT = "default"


Layer = Mapping[str, str]


def load_settings(folder: Path | None = None) -> Settings:
    """Read the settings, from the environment before `.env` before `.secret`.

    Raises:
        SettingsError: naming each bad setting and why it is bad.
    """
    folder = folder or Path.cwd()
    values: dict[str, Any] = {}
    for layer in reversed(_layers(folder).values()):
        values |= layer
    try:
        return Settings(_env_file=None, **values)  # type: ignore[call-arg]
    except ValidationError as error:
        problems = "; ".join(
            f"{str(problem['loc'][0]).upper() + ': ' if problem['loc'] else ''}"
            f"{problem['msg'].removeprefix('Value error, ')}"  # which says nothing to the user
            for problem in error.errors(include_input=False, include_url=False)
        )
        message = f"{problems}. Correct it in the environment or in {folder / '.env'}."
        # `from None`: pydantic's own text would show the input, which may be a secret.
        raise SettingsError(message) from None


def origins(folder: Path | None = None) -> dict[str, Origin]:
    """Tell for each setting, by its field's name, where `load_settings` takes it from."""
    layers = _layers(folder or Path.cwd())
    return {
        field: next((origin for origin in layers if field in layers[origin]), Origin.DEFAULT)
        for field in Settings.model_fields
    }


def in_force(
    settings: Settings, sources: Mapping[str, Origin], account: str | None = None
) -> list[str]:
    """Describe endpoint, account and data folder, each with where it comes from."""
    where = "a practice tournament" if settings.is_practice else "Numerai"
    key = "no key"
    if settings.numerai_public_id is not None:
        public_id = settings.numerai_public_id.get_secret_value()
        name = f"{account}, " if account else ""
        key = f"{name}key {public_id[:4]}… ({sources['numerai_public_id']})"
    return [
        f"endpoint: {where} at {settings.numerai_api_url} ({sources['numerai_api_url']})",
        f"account: {key}",
        f"data folder: {settings.numerai_data_folder} ({sources['numerai_data_folder']})",
    ]


def dotenv_lines(folder: Path) -> dict[str, str]:
    """Read the names and values of a folder's `.env`, those of other programs included.

    Raises:
        SettingsError: the file is not UTF-8; Dagster reads it as well, and would not start.
    """
    return _lines(folder / ".env", utf_16=False)


def _lines(path: Path, *, utf_16: bool) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        text = read_text(path, utf_16=utf_16)
    except UnreadableText as error:
        raise SettingsError(str(error)) from None
    values = dotenv_values(stream=io.StringIO(text))
    return {name: value or "" for name, value in values.items()}


def _layers(folder: Path) -> dict[Origin, Layer]:
    """Return the values that each source sets, by the names of fields."""
    environment, dotenv = _fields(os.environ), _fields(dotenv_lines(folder))
    layers = {Origin.ENVIRONMENT: environment, Origin.DOTENV: dotenv}
    # The credentials are a pair: when one half is set elsewhere, none is taken from `.secret`.
    if not any(field in layer for field in _PAIR.values() for layer in layers.values()):
        layers[Origin.SECRET] = _secret_file(folder / ".secret")
    return layers


def _fields(variables: Layer) -> Layer:
    """Return the settings among variables; one without a value, as in `.env.example`, is unset."""
    return {
        name.lower(): value
        for name, value in variables.items()
        if value and name.lower() in Settings.model_fields
    }


_PAIR = {"PUBLIC_ID": "numerai_public_id", "SECRET_KEY": "numerai_secret_key"}


def _secret_file(path: Path) -> Layer:
    """Return the credentials of the original numebot's `.secret` (`PUBLIC_ID`, `SECRET_KEY`)."""
    lines = _lines(path, utf_16=True)
    missing = [name for name in _PAIR if not lines.get(name)]
    if len(missing) == 1:
        raise SettingsError(
            f"{path} has no {missing[0]}: PUBLIC_ID and SECRET_KEY go together, set both or neither"
        )
    return {field: lines[name] for name, field in _PAIR.items() if not missing}
