"""What stands between the platform and the next round, checked one thing at a time."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import psutil

from numebot_dagster.lake import files
from numebot_dagster.modeling import weights
from numebot_dagster.modeling.registry import RegistryError, code_hash
from numebot_dagster.numerai.errors import NumeraiError
from numebot_dagster.numerai.schema_use import REQUIRED_FIELDS
from numebot_dagster.operations.platform import Platform

NEEDED_SCOPES = (
    "upload_submission",
    "download_submission",
    "read_submission_info",
    "read_user_info",
)
STAKE_SCOPES = ("stake", "web3_staking")
GIGABYTE = 10**9
LEAST_FREE_DISK, ENOUGH_FREE_DISK = 2 * GIGABYTE, 30 * GIGABYTE
LEAST_MEMORY = 4 * GIGABYTE
WORST_SKEW = timedelta(seconds=30)
LIBRARIES = ("dagster", "numerapi", "numerai-tools", "polars", "duckdb", "pyarrow")


class Verdict(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do unless all is well."""

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""


def examine(platform: Platform, *, live: bool = False) -> Iterator[Finding]:
    """Looks at everything that a round needs.

    Args:
        platform: whose settings, lake and account are looked at.
        live: whether to compare the fields that we use with the endpoint's schema as well.
    """
    yield _settings(platform)
    yield _disk(platform)
    yield _memory()
    yield _libraries()
    yield _registry(platform)
    if _answers(platform):
        yield _endpoint(platform)
        yield _clock(platform)
        yield from _account(platform)
        if live:
            yield from _schema(platform)
    else:
        yield Finding(
            "endpoint",
            Verdict.FAILURE,
            f"{platform.settings.numerai_api_url} does not answer",
            "check the network, or NUMERAI_API_URL; a practice tournament must be running: "
            "numebot practice serve",
        )
    yield from _weights(platform)


def _settings(platform: Platform) -> Finding:
    settings = platform.settings
    where = "a practice tournament" if settings.is_practice else "Numerai"
    return Finding(
        "settings",
        Verdict.OK,
        f"{where} at {settings.numerai_api_url}; data in {settings.numerai_data_folder}; "
        f"DAGSTER_HOME={settings.instance_folder}",
    )


def _disk(platform: Platform) -> Finding:
    free = files.free_bytes(platform.settings.numerai_data_folder)
    text = f"{free / GIGABYTE:.0f} GB free for {platform.settings.numerai_data_folder}"
    if free < LEAST_FREE_DISK:
        remedy = "free some space, or set NUMERAI_DATA_FOLDER to another disk"
        return Finding("disk", Verdict.FAILURE, text, remedy)
    if free < ENOUGH_FREE_DISK and not platform.settings.is_practice:
        remedy = "the full training data need about 10 GB a vintage"
        return Finding("disk", Verdict.WARNING, text, remedy)
    return Finding("disk", Verdict.OK, text)


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    text = f"{memory.available / GIGABYTE:.0f} of {memory.total / GIGABYTE:.0f} GB available"
    if memory.available < LEAST_MEMORY:
        remedy = "close other programs; a model is stopped when it exceeds its memory_budget"
        return Finding("memory", Verdict.WARNING, text, remedy)
    return Finding("memory", Verdict.OK, text)


def _libraries() -> Finding:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    tool = "" if shutil.which("dagster") else "; the dagster command is not on the PATH"
    return Finding("versions", Verdict.OK, versions + tool)


def _registry(platform: Platform) -> Finding:
    try:
        registry = platform.registry
    except RegistryError as error:
        return Finding("registry", Verdict.FAILURE, str(error), "correct the file")
    names = ", ".join(model.name for model in registry.enabled)
    if not names:
        remedy = "add a line: numerai_name,model_code"
        return Finding("registry", Verdict.WARNING, f"{registry.path} has no enabled model", remedy)
    idle = ", ".join(model.name for model in registry.enabled if model.fallback)
    if idle:
        remedy = "fallbacks are read but not played yet: a model that fails is not submitted"
        return Finding("registry", Verdict.WARNING, f"fallback is set for {idle}", remedy)
    return Finding("registry", Verdict.OK, f"{registry.path}: {names}")


def _answers(platform: Platform) -> bool:
    try:
        platform.client.rounds(limit=1)
    except NumeraiError:
        return False
    return True


def _endpoint(platform: Platform) -> Finding:
    now = platform.client.now()
    found = [one for one in platform.client.open_rounds() if one.is_open(now)]
    if not found:
        return Finding("endpoint", Verdict.OK, f"no round is open at {now:%a %Y-%m-%d %H:%M} UTC")
    last = found[-1]
    return Finding(
        "endpoint",
        Verdict.OK,
        f"round {last.number} is open until {last.close_staking_time:%a %d %b %H:%M} UTC",
    )


def _clock(platform: Platform) -> Finding:
    skew = platform.client.skew or timedelta(0)
    if platform.settings.is_practice:
        return Finding(
            "clock",
            Verdict.OK,
            f"the practice clock says {platform.client.now():%a %Y-%m-%d %H:%M} UTC",
        )
    text = f"{skew.total_seconds():+.1f} s from this machine's to Numerai's"
    if abs(skew) > WORST_SKEW:
        remedy = (
            "set this machine's clock (timedatectl set-ntp true); rounds are timed by Numerai's"
        )
        return Finding("clock", Verdict.WARNING, text, remedy)
    return Finding("clock", Verdict.OK, text)


def _account(platform: Platform) -> Iterator[Finding]:
    try:
        account = platform.client.account()
        held = platform.client.fleet().models
    except NumeraiError as error:
        remedy = "make a key at numer.ai (Account, Custom API keys) and put it into .env"
        yield Finding("credentials", Verdict.FAILURE, str(error), remedy)
        return
    yield _scopes(account.username, account.scopes)
    yield _slots(platform, set(held))


def _scopes(username: str, scopes: tuple[str, ...]) -> Finding:
    missing = [scope for scope in NEEDED_SCOPES if scope not in scopes]
    text = f"account {username}, scopes {', '.join(scopes) or 'none'}"
    if missing:
        remedy = f"make a key that has {', '.join(missing)} as well"
        return Finding("credentials", Verdict.FAILURE, text, remedy)
    if set(STAKE_SCOPES) & set(scopes):
        remedy = "the key may move stake, which is never needed here: make one without that scope"
        return Finding("credentials", Verdict.WARNING, text, remedy)
    return Finding("credentials", Verdict.OK, text)


def _slots(platform: Platform, held: set[str]) -> Finding:
    try:
        wanted = {model.name for model in platform.registry.enabled if model.submit}
    except RegistryError:
        return Finding("models", Verdict.FAILURE, "the registry cannot be read", "see registry")
    missing = sorted(wanted - held)
    if missing:
        remedy = f"correct numerai_name; the account has {', '.join(sorted(held)) or 'none'}"
        return Finding("models", Verdict.FAILURE, f"not at Numerai: {', '.join(missing)}", remedy)
    return Finding("models", Verdict.OK, f"{len(wanted)} registered models have their slot")


def _schema(platform: Platform) -> Iterator[Finding]:
    """Every field that our own queries use must exist in the schema that the endpoint serves."""
    for type_name, needed in sorted(REQUIRED_FIELDS.items()):
        try:
            served = platform.client.schema_fields(type_name)
        except NumeraiError as error:
            yield Finding("schema", Verdict.FAILURE, f"{type_name}: {error}", "try again later")
            continue
        missing = sorted(needed - served)
        text = f"{type_name}: {len(needed)} fields in use"
        if missing:
            remedy = "Numerai has changed its API: update Numebot before the next round"
            yield Finding("schema", Verdict.FAILURE, f"{text}, missing {missing}", remedy)
        else:
            yield Finding("schema", Verdict.OK, text)


def _weights(platform: Platform) -> Iterator[Finding]:
    try:
        models = platform.registry.enabled
    except RegistryError:
        return
    for model in models:
        try:
            chosen = weights.choose(platform.lake, model.name, code_hash(model), model.vintage)
        except weights.NoWeights as error:
            yield Finding("weights", Verdict.FAILURE, str(error), "numebot train")
            continue
        text = f"{model.name}: vintage {chosen.vintage}, {chosen.manifest.data_version}"
        if chosen.code_hash != code_hash(model):
            remedy = f"numebot train --models {model.name}"
            yield Finding("weights", Verdict.WARNING, f"{text}; the code changed since", remedy)
        else:
            yield Finding("weights", Verdict.OK, text)
