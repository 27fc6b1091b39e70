"""Bind a data folder to one tournament and one account, and refuse any other.

The folder records the endpoint and, hashed, Numerai's id of the account and the public ids of its
keys. Numerai is asked once for the account of a key that is not recorded. A key is refused only
when it belongs to another account; without an answer the round is played.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from numebot_dagster.lake import files, json_records
from numebot_dagster.numerai.errors import NumeraiError, NumeraiUnavailable
from numebot_dagster.numerai.records import Identity
from numebot_dagster.operations.platform import Platform
from numebot_dagster.settings import Settings, SettingsError

PATIENCE = 3.0  # seconds for what is only good to know
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class OtherTournament(SettingsError):
    """The data folder belongs to another tournament or account than the settings name."""


@dataclass(frozen=True)
class Owner(json_records.Record):
    """The tournament and the account of a data folder.

    Attributes:
        account: hash of Numerai's id of the account, if it was ever asked.
        keys: hashes of the public ids of keys of that account.
    """

    endpoint: str
    account: str | None = None
    keys: tuple[str, ...] = ()


def claim(platform: Platform) -> None:
    """Record tournament and account at the first use of a data folder, and refuse any other.

    Numerai is asked only for a key that is not recorded.

    Raises:
        OtherTournament: the folder belongs to another tournament or account.
        NumeraiUnavailable: the key is new, and Numerai does not answer.
    """
    settings, path = platform.settings, platform.lake.owner_file
    recorded = _read(platform, path)
    _refuse_other_endpoint(recorded, settings, path)
    key = _key(settings)
    owner = replace(recorded or Owner(""), endpoint=settings.numerai_api_url)
    if key is not None and key not in owner.keys:
        account = _account(platform, needed=owner.account is not None)
        _refuse_other_account(owner, account, settings, path)
        if account is not None:  # otherwise Numerai is asked again next time
            owner = replace(owner, account=_hash(account.id), keys=(*owner.keys, key))
    if owner != recorded:
        _write(platform, path, owner, is_new=recorded is None)


def _refuse_other_endpoint(owner: Owner | None, settings: Settings, path: Path) -> None:
    """Refuse another address, unless it is a new port of the same practice tournament.

    Its key identifies a practice tournament, once it has answered.
    """
    if owner is None or owner.endpoint == settings.numerai_api_url:
        return
    is_local = all(
        urlsplit(url).hostname in LOOPBACK for url in (owner.endpoint, settings.numerai_api_url)
    )
    if is_local and (not owner.keys or _key(settings) in owner.keys):
        return
    raise OtherTournament(
        f"the data folder {settings.numerai_data_folder} belongs to the tournament at "
        f"{owner.endpoint}, but NUMERAI_API_URL is {settings.numerai_api_url}. Set "
        f"NUMERAI_DATA_FOLDER to another folder for this tournament. If only the address of the "
        f"tournament has changed, remove {path}"
    )


def refuse_other_endpoint(platform: Platform) -> None:
    """Refuse another address than the recorded one, without asking or writing anything."""
    path = platform.lake.owner_file
    _refuse_other_endpoint(_read(platform, path), platform.settings, path)


def account_name(platform: Platform) -> str | None:
    """Return the public name of the account, if Numerai answers within seconds."""
    if platform.settings.numerai_public_id is None:
        return None
    try:
        return platform.client.enrichment.identity(seconds=PATIENCE).username
    except NumeraiError:
        return None


def _refuse_other_account(
    owner: Owner, account: Identity | None, settings: Settings, path: Path
) -> None:
    if account is None or owner.account in (None, _hash(account.id)):
        return
    raise OtherTournament(
        f"the data folder {settings.numerai_data_folder} belongs to another account, and "
        f"NUMERAI_PUBLIC_ID is a key of {account.username}. Set NUMERAI_DATA_FOLDER to another "
        f"folder for {account.username}, or use a key of the former account, which {path} records"
    )


def _account(platform: Platform, *, needed: bool) -> Identity | None:
    """Return the account of the key, if Numerai answers.

    Raises:
        NumeraiUnavailable: it is needed, and Numerai does not answer.
    """
    try:
        return platform.client.enrichment.identity(seconds=None if needed else PATIENCE)
    except NumeraiUnavailable:
        if needed:
            raise
    except NumeraiError as error:
        platform.log.warning("The account of NUMERAI_PUBLIC_ID could not be looked up: %s", error)
    return None


def _read(platform: Platform, path: Path) -> Owner | None:
    with files.explained(path):
        return json_records.read_or_set_aside(path, Owner)


def _write(platform: Platform, path: Path, owner: Owner, *, is_new: bool) -> None:
    write = json_records.create if is_new else json_records.write
    try:
        write(path, owner)
    except FileExistsError:  # another process was first: compare with what it recorded
        claim(platform)
    except files.CannotWrite as error:
        platform.log.warning("The account of the data folder was not recorded: %s", error)


def _key(settings: Settings) -> str | None:
    public_id = settings.numerai_public_id
    return None if public_id is None else _hash(public_id.get_secret_value())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
