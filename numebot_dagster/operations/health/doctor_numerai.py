"""Check that Numerai answers, its clock, the permissions of the key, and the account's models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from numebot_dagster.modeling.registry import RegistryError
from numebot_dagster.numerai.errors import NotAuthorised, NumeraiError, NumeraiUnavailable
from numebot_dagster.numerai.http.error_translation import PassingFault
from numebot_dagster.numerai.schema_use import REQUIRED_FIELDS
from numebot_dagster.operations.health.findings import Check, Finding, Verdict
from numebot_dagster.operations.platform import Platform

NEEDED_SCOPES = (
    "upload_submission",
    "download_submission",
    "read_submission_info",
    "read_user_info",
)
STAKE_SCOPES = ("stake", "web3_staking")
WORST_SKEW = timedelta(seconds=30)


def examine_numerai(platform: Platform, *, live: bool = False) -> Iterator[Finding]:
    """Yield the findings of endpoint, clock and account, and with `live` of the served schema."""
    try:
        platform.client.rounds(limit=1)
    except NumeraiError as error:
        yield no_answer(platform, error)
        return
    yield from _endpoint(platform)
    yield _clock(platform)
    if platform.settings.numerai_public_id is not None:
        yield from _account(platform)
    if live:
        yield from _schema(platform)


def no_answer(platform: Platform, error: NumeraiError) -> Finding:
    """Return that the endpoint does not answer, or that its answer is not Numerai's."""
    silent = isinstance(error, NumeraiUnavailable) and not (
        isinstance(error, PassingFault) and error.answered
    )
    if silent:
        remedy = "check the network, or NUMERAI_API_URL"
        if platform.settings.is_practice:
            remedy += "; a practice tournament must be running: numebot practice serve"
        return Finding(Check.ENDPOINT, Verdict.FAILURE, f"no answer: {error}", remedy)
    remedy = (
        "wait if Numerai is under maintenance; otherwise check NUMERAI_API_URL, and whether a "
        "proxy or a log-in page answers in its place"
    )
    text = f"the answer is not one of Numerai's API: {error}"
    return Finding(Check.ENDPOINT, Verdict.FAILURE, text, remedy)


def _endpoint(platform: Platform) -> Iterator[Finding]:
    try:
        round_ = platform.round_to_play()
    except NumeraiError as error:
        yield no_answer(platform, error)
        return
    if round_ is None:
        text = f"no round is open at {platform.client.now():%a %Y-%m-%d %H:%M} UTC"
    else:
        text = f"round {round_.number} is open until {round_.close_staking_time:%a %d %b %H:%M} UTC"
    yield Finding(Check.ENDPOINT, Verdict.OK, text)


def _clock(platform: Platform) -> Finding:
    skew = platform.client.skew or timedelta(0)
    if platform.settings.is_practice:
        text = f"the practice clock shows {platform.client.now():%a %Y-%m-%d %H:%M} UTC"
        return Finding(Check.CLOCK, Verdict.OK, text)
    text = f"Numerai's clock is {skew.total_seconds():+.1f} s from this machine's"
    if abs(skew) > WORST_SKEW:
        remedy = "set this machine's clock (timedatectl set-ntp true); rounds follow Numerai's"
        return Finding(Check.CLOCK, Verdict.WARNING, text, remedy)
    return Finding(Check.CLOCK, Verdict.OK, text)


def _account(platform: Platform) -> Iterator[Finding]:
    try:
        account = platform.client.enrichment.account()
        slots = set(platform.client.fleet().models)
    except NotAuthorised as error:
        remedy = platform.settings.key_remedy
        yield Finding(Check.CREDENTIALS, Verdict.FAILURE, str(error), remedy)
        return
    except NumeraiError as error:
        # The key may be right: a new one would not help.
        remedy = "try again later; if it fails again, type: numebot doctor --live"
        yield Finding(Check.ACCOUNT, Verdict.FAILURE, f"not checked: {error}", remedy)
        return
    yield _scopes(account.username, account.scopes)
    yield from _slots(platform, slots)


def _scopes(username: str, scopes: tuple[str, ...]) -> Finding:
    missing = [scope for scope in NEEDED_SCOPES if scope not in scopes]
    text = f"account {username}, scopes {', '.join(scopes) or 'none'}"
    if missing:
        remedy = f"create a key that also has {', '.join(missing)}"
        return Finding(Check.CREDENTIALS, Verdict.FAILURE, text, remedy)
    if set(STAKE_SCOPES) & set(scopes):
        remedy = "create a key without the scope to change stakes, which Numebot never does"
        return Finding(Check.CREDENTIALS, Verdict.WARNING, text, remedy)
    return Finding(Check.CREDENTIALS, Verdict.OK, text)


def _slots(platform: Platform, slots: set[str]) -> Iterator[Finding]:
    try:
        submitting = platform.registry.submitting
    except RegistryError:  # reported by the check of the registry
        return
    missing = [
        model.name if model.line is None else f"{model.name} (line {model.line})"
        for model in submitting
        if model.name not in slots
    ]
    if missing:
        remedy = (
            f"correct numerai_name in {platform.registry.path}; the account has "
            f"{', '.join(sorted(slots)) or 'none'}"
        )
        yield Finding(
            Check.MODELS, Verdict.FAILURE, f"not in the account: {', '.join(missing)}", remedy
        )
    else:
        yield Finding(
            Check.MODELS, Verdict.OK, f"all {len(submitting)} registered models are in the account"
        )


def _schema(platform: Platform) -> Iterator[Finding]:
    """Check that the served schema has every field that our own queries use."""
    for type_name, needed in sorted(REQUIRED_FIELDS.items()):
        try:
            served = platform.client.enrichment.schema_fields(type_name)
        except NumeraiError as error:
            yield Finding(Check.SCHEMA, Verdict.FAILURE, f"{type_name}: {error}", "try again later")
            continue
        missing = sorted(needed - served)
        text = f"{type_name}: {len(needed)} fields in use"
        if missing:
            remedy = "Numerai has changed its API: update Numebot before the next round"
            yield Finding(Check.SCHEMA, Verdict.FAILURE, f"{text}, missing {missing}", remedy)
        else:
            yield Finding(Check.SCHEMA, Verdict.OK, text)
