"""The settings of one participant: environment first, then `.env`, then `.secret`, then defaults.

Names in the environment are the field names in upper case. Secrets are `SecretStr`, so that
neither a log nor an exception nor a `repr` can show them.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

NUMERAI_API_URL = "https://api-tournament.numer.ai"


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it and says what to do."""


class AlertKind(StrEnum):
    """What the user can be told, and can silence by these names in `NUMEBOT_SILENCE`."""

    ALL_CONFIRMED = "all-confirmed"
    MODEL_FAILED = "model-failed"
    FALLBACK_USED = "fallback-used"
    DEADLINE_NEAR = "deadline-near"
    ROUND_MISSED = "round-missed"
    SCORES_PUBLISHED = "scores-published"
    DATA_CHANGED = "data-changed"
    RULES_CHANGED = "rules-changed"
    DISK_NEARLY_FULL = "disk-nearly-full"
    CREDENTIALS_REFUSED = "credentials-refused"
    KEY_MAY_MOVE_STAKE = "key-may-move-stake"
    PREFLIGHT_FAILED = "preflight-failed"
    PLAN_TOO_LONG = "plan-too-long"


class Settings(BaseSettings):
    """Everything that a user can set, with the defaults of a first run."""

    # A line without a value, as in `.env.example`, sets nothing.
    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

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
    numebot_requests_per_second: float = Field(default=20.0, gt=0)
    numebot_request_burst: int = Field(default=60, gt=0)

    # Both may hold tokens in any of their parts, so all of them is secret.
    numebot_notify_urls: SecretStr | None = None
    numebot_heartbeat_url: SecretStr | None = None
    numebot_silence: Annotated[frozenset[AlertKind], NoDecode] = frozenset()

    # Host names of the UI besides those of this machine, as behind a proxy.
    numebot_ui_hosts: Annotated[frozenset[str], NoDecode] = frozenset()

    @field_validator("numebot_silence", mode="before")
    @classmethod
    def _kinds(cls, value: Any) -> Any:
        """Names of kinds, separated by commas or spaces."""
        if not isinstance(value, str):
            return value
        names = value.replace(",", " ").split()
        unknown = [name for name in names if name not in {str(kind) for kind in AlertKind}]
        if unknown:
            raise ValueError(
                f"there is no alert {', '.join(unknown)}; there are {', '.join(AlertKind)}"
            )
        return frozenset(names)

    @field_validator("numebot_ui_hosts", mode="before")
    @classmethod
    def _host_names(cls, value: Any) -> Any:
        """Names, separated by commas or spaces."""
        if not isinstance(value, str):
            return value
        names = value.lower().replace(",", " ").split()
        for name in names:
            if "/" in name or "*" in name:
                raise ValueError(
                    f"{name!r} is no host name; write `bot.example` or `bot.example:8443`"
                )
        return frozenset(names)

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
            raise ValueError(f"{value!r} is no address; it begins with https:// or http://")
        return value.rstrip("/")

    @field_validator("numerai_data_folder", "model_configs_path", "dagster_home")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.numerai_public_id is None) != (self.numerai_secret_key is None):
            raise ValueError(
                "NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY go together: set both or neither"
            )
        return self

    @property
    def instance_folder(self) -> Path:
        """Where Dagster keeps its instance: `DAGSTER_HOME`, or a folder under the data folder."""
        return self.dagster_home or self.numerai_data_folder / "dagster"

    @property
    def is_practice(self) -> bool:
        """Whether the endpoint is something else than Numerai's own."""
        return self.numerai_api_url != NUMERAI_API_URL


def load_settings(folder: Path | None = None) -> Settings:
    """Reads the settings.

    Args:
        folder: where `.env` and `.secret` lie; the working directory by default.

    Raises:
        SettingsError: naming each bad setting and why it is bad.
    """
    folder = folder or Path.cwd()
    try:
        # The init arguments win over the environment, so only what the environment leaves open
        # is taken from `.secret`.
        return Settings(_env_file=folder / ".env", **_secret_file(folder / ".secret"))  # type: ignore[arg-type,call-arg]
    except ValidationError as error:
        problems = "; ".join(
            f"{str(problem['loc'][0]).upper() + ': ' if problem['loc'] else ''}"
            f"{problem['msg'].removeprefix('Value error, ')}"  # which says nothing to the user
            for problem in error.errors(include_input=False, include_url=False)
        )
        message = f"{problems}. Correct it in the environment or in {folder / '.env'}."
        # `from None`: pydantic's own text would show the input, which may be a secret.
        raise SettingsError(message) from None


def _secret_file(path: Path) -> dict[str, str]:
    """The credentials of the original numebot's `.secret` file (`PUBLIC_ID`, `SECRET_KEY`).

    They are a pair: when one half is set elsewhere, none is taken from here.
    """
    if not path.is_file():
        return {}
    names = {"PUBLIC_ID": "numerai_public_id", "SECRET_KEY": "numerai_secret_key"}
    dotenv = dotenv_values(path.with_name(".env"))
    if any(os.environ.get(field.upper()) or dotenv.get(field.upper()) for field in names.values()):
        return {}
    held = dotenv_values(path)
    return {field: value for name, field in names.items() if (value := held.get(name))}
