"""Check everything that a round needs, from the settings to the weights."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from numebot_dagster import command_lines
from numebot_dagster.lake import files
from numebot_dagster.modeling.registry import RegisteredModel, RegistryError
from numebot_dagster.modeling.source.modules import SourceNotFound
from numebot_dagster.modeling.source.own_code import own_code
from numebot_dagster.modeling.weights import weight_store
from numebot_dagster.numerai.errors import NumeraiUnavailable
from numebot_dagster.operations.alerts import channels
from numebot_dagster.operations.health import doctor_machine
from numebot_dagster.operations.health.doctor_numerai import examine_numerai
from numebot_dagster.operations.health.findings import Check, Finding, Verdict
from numebot_dagster.operations.health.ownership import OtherTournament, claim
from numebot_dagster.operations.platform import Platform
from numebot_dagster.operations.training.library_changes import changed_libraries
from numebot_dagster.settings import in_force, origins

GIGABYTE = 10**9
LEAST_FREE_DISK, ENOUGH_FREE_DISK = 2 * GIGABYTE, 30 * GIGABYTE
SHORTEST_PASSWORD = 12
LIBRARIES = ("dagster", "numerapi", "numerai-tools", "polars", "duckdb", "pyarrow")


def examine(platform: Platform, *, live: bool = False) -> Iterator[Finding]:
    """Yield the findings of everything that a round needs."""
    yield _settings(platform)
    yield _alerts(platform)
    yield _password(platform)
    yield _folder(platform)
    yield from _disk(platform)
    yield doctor_machine.examine_memory()
    yield _libraries()
    yield from _registry(platform)
    yield from _key_is_set(platform)
    yield from examine_numerai(platform, live=live)
    yield from _weights(platform)


def _settings(platform: Platform) -> Finding:
    lines = in_force(platform.settings, origins())
    if platform.settings.numerai_data_folder.is_dir():
        lines.append(f"installation {platform.installation}")
    lines.append(f"DAGSTER_HOME={platform.settings.instance_folder}")
    return Finding(Check.SETTINGS, Verdict.OK, "; ".join(lines))


def _alerts(platform: Platform) -> Finding:
    """Check that an alert would reach somebody before a round is missed."""
    settings = platform.settings
    alerts, heartbeat = settings.numebot_notify_urls, settings.numebot_heartbeat_url
    silenced = ", ".join(sorted(settings.numebot_silence))
    text = (
        f"NUMEBOT_NOTIFY_URLS is {'set' if alerts else 'not set'}, NUMEBOT_HEARTBEAT_URL is "
        f"{'set' if heartbeat else 'not set'}" + (f"; silenced: {silenced}" if silenced else "")
    )
    open_channels = channels.open_channels(settings)
    invalid = [channel.name for channel in open_channels if not channel.is_understood()]
    if invalid:
        remedy = "correct NUMEBOT_NOTIFY_URLS; github.com/caronc/apprise/wiki lists valid addresses"
        return Finding(
            Check.ALERTS, Verdict.FAILURE, f"{text}; invalid: {', '.join(invalid)}", remedy
        )
    if not alerts and not settings.is_practice:
        remedy = (
            "set NUMEBOT_NOTIFY_URLS to the address of a channel (Slack, Discord, e-mail, …); "
            ".env.example shows how"
        )
        return Finding(Check.ALERTS, Verdict.WARNING, f"{text}: no alert reaches you", remedy)
    return Finding(Check.ALERTS, Verdict.OK, text)


def _password(platform: Platform) -> Finding:
    """Check that the password of the UI cannot be guessed."""
    password = platform.settings.numebot_ui_password
    if password is None:
        text = "NUMEBOT_UI_PASSWORD is not set: the UI is for this machine only"
        return Finding(Check.PASSWORD, Verdict.OK, text)
    if len(password.get_secret_value()) < SHORTEST_PASSWORD:
        text = f"NUMEBOT_UI_PASSWORD has less than {SHORTEST_PASSWORD} characters"
        remedy = "set NUMEBOT_UI_PASSWORD to a longer one, such as four random words"
        return Finding(Check.PASSWORD, Verdict.WARNING, text, remedy)
    return Finding(Check.PASSWORD, Verdict.OK, "NUMEBOT_UI_PASSWORD is set")


def _folder(platform: Platform) -> Finding:
    """Check that the data folder belongs to this account, and that a file can be written there."""
    folder = platform.settings.numerai_data_folder
    if not folder.is_dir():
        return _folder_to_be_made(folder)
    probe = platform.lake.lock_file("doctor")
    try:
        files.replace_bytes(probe, b"written by numebot doctor\n")
        files.remove(probe)
    except OSError as error:
        remedy = (
            f"make {folder} writable for this user, or set NUMERAI_DATA_FOLDER to another folder"
        )
        text = f"{folder} is not writable: {error.strerror or error}"
        return Finding(Check.FOLDER, Verdict.FAILURE, text, remedy)
    try:
        claim(platform)
    except OtherTournament as error:
        remedy = "set NUMERAI_DATA_FOLDER to another folder"
        return Finding(Check.FOLDER, Verdict.FAILURE, str(error), remedy)
    except NumeraiUnavailable:  # reported by the check of the endpoint
        return Finding(
            Check.FOLDER, Verdict.OK, f"{folder} is writable; the account of the key is unknown"
        )
    return Finding(Check.FOLDER, Verdict.OK, f"{folder} is writable")


def _folder_to_be_made(folder: Path) -> Finding:
    """Check that the first command that stores something can create the data folder."""
    parent = files.existing_parent(folder)
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK, effective_ids=True):
        text = f"{folder} does not exist yet; the first command that stores something creates it"
        return Finding(Check.FOLDER, Verdict.OK, text)
    text = f"{folder} cannot be created in {parent}"
    remedy = f"make {parent} writable for this user, or set NUMERAI_DATA_FOLDER to another folder"
    return Finding(Check.FOLDER, Verdict.FAILURE, text, remedy)


def _disk(platform: Platform) -> Iterator[Finding]:
    free = files.free_bytes(platform.settings.numerai_data_folder)
    text = f"{free / GIGABYTE:.0f} GB free for {platform.settings.numerai_data_folder}"
    if free < LEAST_FREE_DISK:
        remedy = "free some space, or set NUMERAI_DATA_FOLDER to another disk"
        yield Finding(Check.DISK, Verdict.FAILURE, text, remedy)
        return  # its features cannot be tried
    if free < ENOUGH_FREE_DISK and not platform.settings.is_practice:
        remedy = "free some space: the full training data need about 10 GB per vintage"
        yield Finding(Check.DISK, Verdict.WARNING, text, remedy)
    else:
        yield Finding(Check.DISK, Verdict.OK, text)
    if not platform.settings.numerai_data_folder.is_dir():
        return
    try:
        yield doctor_machine.examine_disk_abilities(platform.lake)
    except OSError:
        return  # the check of the folder reports that it is not writable


def _libraries() -> Finding:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    tool = "" if shutil.which("dagster") else "; the dagster command is not on the PATH"
    return Finding(Check.VERSIONS, Verdict.OK, versions + tool)


def _registry(platform: Platform) -> Iterator[Finding]:
    try:
        registry = platform.registry
    except RegistryError as error:
        yield Finding(Check.REGISTRY, Verdict.FAILURE, str(error), "correct the file")
        return
    names = ", ".join(model.name for model in registry.enabled)
    if not names:
        remedy = "add a line: numerai_name,model_code"
        yield Finding(
            Check.REGISTRY, Verdict.WARNING, f"{registry.path} has no enabled model", remedy
        )
        return
    yield Finding(Check.REGISTRY, Verdict.OK, f"{registry.path}: {names}")
    yield from doctor_machine.examine_classes(registry.enabled)


def _key_is_set(platform: Platform) -> Iterator[Finding]:
    """Check that a key is set, which needs no answer of Numerai."""
    if platform.settings.numerai_public_id is None:
        text = "NUMERAI_PUBLIC_ID and NUMERAI_SECRET_KEY are not set"
        yield Finding(Check.CREDENTIALS, Verdict.FAILURE, text, platform.settings.key_remedy)


def _weights(platform: Platform) -> Iterator[Finding]:
    try:
        models = platform.registry.enabled
    except RegistryError:
        return
    for model in models:
        yield _weights_of(platform, model)


def _weights_of(platform: Platform, model: RegisteredModel) -> Finding:
    train = command_lines.train(model.name)
    try:
        code = own_code(model.code)
        chosen = weight_store.choose(platform.lake, model.name, code.hash, model.vintage)
    except SourceNotFound as error:
        return Finding(Check.WEIGHTS, Verdict.FAILURE, str(error), "correct model_code")
    except weight_store.NoWeights as error:
        return Finding(Check.WEIGHTS, Verdict.FAILURE, str(error), train)
    text = f"{model.name}: vintage {chosen.vintage}, {chosen.manifest.data_version}"
    if code.remark:
        text = f"{text}; {code.remark}"
    changed = changed_libraries(chosen.manifest)
    if chosen.code_hash != code.hash:
        return Finding(Check.WEIGHTS, Verdict.WARNING, f"{text}; the code has changed since", train)
    if changed:
        text = f"{text}, trained with {', '.join(changed)}"
        remedy = f"{train}, if the predictions of its canary rows have changed"
        return Finding(Check.WEIGHTS, Verdict.WARNING, text, remedy)
    return Finding(Check.WEIGHTS, Verdict.OK, text)
