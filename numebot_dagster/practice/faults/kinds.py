"""What can be made to go wrong in the practice tournament, one line each.

Everything here was seen at Numerai, follows from how its API is built, or is what its participants
fear: the kinds are data, and how each is done is in `faulty_http` and `faulty_answers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Value = float | str
HALF = -1.0


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Attributes:
        name: What it is called.
        where: The endpoints that it strikes unless told otherwise; see `endpoints`.
        does: What a client sees, in one sentence.
        values: What can be set, with the defaults.
        times: How often it strikes unless told otherwise; None means until it is removed.
        standing: Whether it is done to the tournament itself, instead of to single requests.
        only: What the endpoints begin with that it can strike at all.
        by_change: Whether a strike counts only when it changed something: a request in which there
            is nothing to be changed uses up none of its ``times``.
    """

    name: str
    where: str
    does: str
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    times: int | None = None
    standing: bool = False
    only: str = ""
    by_change: bool = False


_ALL = (
    # --- the network and whatever stands before the service
    Kind("latency", "*", "The answer comes `seconds` late.", {"seconds": 2.0}),
    Kind("drip", "*", "The body comes in 20 pieces, `seconds` apart.", {"seconds": 0.2}),
    Kind(
        "cut",
        "*",
        "The work is done, but the connection is cut after `bytes` of the body (-1: half of it).",
        {"bytes": HALF},
    ),
    Kind(
        "status",
        "*",
        "HTTP `status` in the answer's place, with Retry-After when `retry_after` is not negative; "
        "with `acted` 1 the work is done first.",
        {"status": 500.0, "retry_after": -1.0, "acted": 0.0},
    ),
    Kind(
        "too-large",
        "graphql:submissionScores",
        "HTTP `status` in the place of answers of more than `bytes`.",
        {"bytes": 50_000.0, "status": 504.0},
        by_change=True,
    ),
    Kind("html", "graphql:*", "A proxy's web page, with HTTP 200."),
    Kind("not-json", "graphql:*", "HTTP 200 and JSON that ends in the middle.", only="graphql:"),
    Kind("clock-skew", "*", "The Date header is `seconds` ahead.", {"seconds": 900.0}),
    # --- files
    Kind(
        "ignore-range",
        "download:*",
        "A Range is ignored: the whole file comes, with HTTP 200.",
        by_change=True,
        only="download:",
    ),
    Kind(
        "stale-etag",
        "download:*",
        "A file's entity tag stays what it was when its bytes change, and ranges of it are given.",
        only="download:",
    ),
    Kind(
        "late-data",
        "download:*live*",
        "The round is open, but the file is still that of the round (or week) before, and the "
        "pipeline says that no data are ready.",
        by_change=True,
        only="download:",
    ),
    Kind(
        "changing-data",
        "download:*live*",
        "The file is still the one before, and changes while it is fetched: the connection is cut "
        "half way.",
        times=2,
        by_change=True,
        only="download:",
    ),
    Kind(
        "target-switched",
        "download:v5.3/*",
        "The column `target` is another name of ender's over `days` days, in the same version.",
        {"days": 20.0},
        only="download:",
    ),
    Kind(
        "truncated-upload",
        "upload:*",
        "A PUT is answered with 200, but only the first `bytes` are kept (-1: half of them).",
        {"bytes": HALF},
        only="upload:",
    ),
    Kind(
        "lost-upload",
        "upload:*",
        "A PUT is answered with 200, but nothing is kept: the file is not there.",
        only="upload:",
    ),
    # --- what GraphQL says
    Kind(
        "error",
        "graphql:*",
        "A GraphQL error with this `message`.",
        {"message": "Internal server error"},
        only="graphql:",
    ),
    Kind(
        "expired-upload",
        "graphql:submissionUploadAuth",
        "The address of an upload has expired when it comes: every PUT to it is refused with 403.",
        by_change=True,
        only="graphql:",
    ),
    Kind(
        "not-open",
        "graphql:rounds",
        "A GraphQL error that says that no round is open.",
        {"message": "Current round not open for submissions"},
        only="graphql:",
    ),
    Kind(
        "rate-limit-as-error",
        "graphql:*",
        "Calls past their rate limit are refused by a GraphQL error with HTTP 200, instead of 429.",
        standing=True,
        only="graphql:",
    ),
    Kind(
        "null",
        "graphql:*",
        "Null in every nullable field that matches `field`, a pattern as Round.* or "
        "LatestSubmission.status.",
        {"field": "*"},
        by_change=True,
        only="graphql:",
    ),
    Kind(
        "field-removed",
        "graphql:*",
        "The schema has no `field` (as Round.closeTime) any more: who asks for it is refused.",
        {"field": "Round.closeTime"},
        by_change=True,
        only="graphql:",
    ),
    Kind(
        "unknown-status",
        "graphql:*",
        "Submissions have a `status` that nobody has seen before.",
        {"status": "under-review"},
        by_change=True,
        only="graphql:",
    ),
    Kind(
        "unknown-score",
        "graphql:*",
        "Rounds and submissions have one more score, `name`.",
        {"name": "zeta60"},
        by_change=True,
        only="graphql:",
    ),
    Kind(
        "two-payouts",
        "graphql:*",
        "Each payout score of a round is configured twice, as version 2 with half the multiplier.",
        by_change=True,
        only="graphql:",
    ),
    Kind(
        "zero-amounts",
        "graphql:*",
        'Amounts of nothing are written as "0E-18".',
        by_change=True,
        only="graphql:",
    ),
    Kind(
        "negative-payouts", "graphql:*", "Every payout is a burn.", by_change=True, only="graphql:"
    ),
    Kind(
        "scope-withdrawn",
        "graphql:*",
        "The token has lost `scope`.",
        {"scope": "upload_submission"},
        by_change=True,
        only="graphql:",
    ),
    # --- what the tournament does
    Kind(
        "hidden-submission",
        "graphql:*",
        "Submissions are not shown for their first `seconds` of wall time.",
        {"seconds": 60.0},
        by_change=True,
        only="graphql:",
    ),
    Kind(
        "invalid-later",
        "submission:*",
        "A submission that was accepted turns invalid, `seconds` of wall time after its upload.",
        {"seconds": 0.0},
        times=1,
        standing=True,
        only="submission:",
    ),
    Kind(
        "deadline-moved",
        "rounds",
        "The on-time deadline of `round` (0: the next to close) moves by `minutes`: an early close "
        "when negative. A round that has closed stays so when the fault is removed.",
        {"minutes": -30.0, "round": 0.0},
        standing=True,
    ),
    Kind(
        "duplicate-trigger",
        "webhook:*",
        "A webhook is called twice with one trigger.",
        only="webhook:",
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
