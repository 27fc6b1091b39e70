"""What the doctor asks Numerai: does it answer, what time is it there, what may the key do?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from numebot_dagster.modeling.registry import RegistryError
from numebot_dagster.numerai.errors import NotAuthorised, NumeraiError, NumeraiUnavailable
from numebot_dagster.numerai.http.error_translation import PassingFault
from numebot_dagster.numerai.schema_use import REQUIRED_FIELDS
from numebot_dagster.operations.health.findings import Finding, Verdict
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
    """Looks at endpoint, clock and account, and with `live` at the schema that is served."""
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
    """The endpoint is silent, or something answers there that is not Numerai."""
    silent = isinstance(error, NumeraiUnavailable) and not (
        isinstance(error, PassingFault) and error.answered
    )
    if silent:
        remedy = "check the network, or NUMERAI_API_URL"
        if platform.settings.is_practice:
            remedy += "; a practice tournament must be running: numebot practice serve"
        return Finding("endpoint", Verdict.FAILURE, f"no answer: {error}", remedy)
    remedy = (
        "wait if Numerai is being maintained; otherwise check NUMERAI_API_URL, and whether a proxy "
        "or a log-in page stands before it"
    )
    text = f"something answers, but not as Numerai does: {error}"
    return Finding("endpoint", Verdict.FAILURE, text, remedy)


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
    yield Finding("endpoint", Verdict.OK, text)


def _clock(platform: Platform) -> Finding:
    skew = platform.client.skew or timedelta(0)
    if platform.settings.is_practice:
        text = f"the practice clock says {platform.client.now():%a %Y-%m-%d %H:%M} UTC"
        return Finding("clock", Verdict.OK, text)
    text = f"{skew.total_seconds():+.1f} s from this machine's to Numerai's"
    if abs(skew) > WORST_SKEW:
        remedy = (
            "set this machine's clock (timedatectl set-ntp true); rounds are timed by Numerai's"
        )
        return Finding("clock", Verdict.WARNING, text, remedy)
    return Finding("clock", Verdict.OK, text)


def _account(platform: Platform) -> Iterator[Finding]:
    try:
        account = platform.client.enrichment.account()
        held = platform.client.fleet().models
    except NotAuthorised as error:
        remedy = platform.settings.key_remedy
        yield Finding("credentials", Verdict.FAILURE, str(error), remedy)
        return
    except NumeraiError as error:
        # Says nothing about the key: a new one would not help.
        remedy = "try again; if it stays, compare with numer.ai: numebot doctor --live"
        yield Finding("account", Verdict.FAILURE, f"not examined: {error}", remedy)
        return
    yield _scopes(account.username, account.scopes)
    yield from _slots(platform, set(held))


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


def _slots(platform: Platform, slots: set[str]) -> Iterator[Finding]:
    try:
        submitting = [model for model in platform.registry.enabled if model.submit]
    except RegistryError:  # which is a finding of its own
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
        yield Finding("models", Verdict.FAILURE, f"not at Numerai: {', '.join(missing)}", remedy)
    else:
        yield Finding("models", Verdict.OK, f"{len(submitting)} registered models have their slot")


def _schema(platform: Platform) -> Iterator[Finding]:
    """Every field that our own queries use must exist in the schema that the endpoint serves."""
    for type_name, needed in sorted(REQUIRED_FIELDS.items()):
        try:
            served = platform.client.enrichment.schema_fields(type_name)
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
