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
        where: The endpoints that it strikes unless told otherwise; see `faults.endpoints_of`.
        does: What a client sees, in one sentence.
        values: What can be set, with the defaults.
        times: How often it strikes unless told otherwise; None means until it is removed.
        standing: Whether it holds as long as it is there, instead of striking single requests.
    """

    name: str
    where: str
    does: str
    values: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    times: int | None = None
    standing: bool = False


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
    ),
    Kind("html", "graphql:*", "A proxy's web page, with HTTP 200."),
    Kind("not-json", "graphql:*", "HTTP 200 and JSON that ends in the middle."),
    Kind("clock-skew", "*", "The Date header is `seconds` ahead.", {"seconds": 900.0}),
    # --- files
    Kind("ignore-range", "download:*", "A Range is ignored: the whole file comes, with HTTP 200."),
    Kind(
        "stale-etag",
        "download:*",
        "A file's entity tag stays what it was when its bytes change, and ranges of it are given.",
    ),
    Kind(
        "late-data",
        "download:*live*",
        "The round is open, but the file is still that of the round (or week) before, and the "
        "pipeline says that no data are ready.",
    ),
    Kind(
        "changing-data",
        "download:*live*",
        "The file is still the one before, and changes while it is fetched: the connection is cut "
        "half way.",
        times=2,
    ),
    Kind(
        "target-switched",
        "download:v5.3/*",
        "The column `target` is another name of ender's over `days` days, in the same version.",
        {"days": 20.0},
    ),
    Kind(
        "truncated-upload",
        "upload:*",
        "A PUT is answered with 200, but only the first `bytes` are kept (-1: half of them).",
        {"bytes": HALF},
    ),
    # --- what GraphQL says
    Kind("error", "graphql:*", "A GraphQL error with this `message`.",
         {"message": "Internal server error"}),
    Kind("not-open", "graphql:rounds", "A GraphQL error that says that no round is open.",
         {"message": "Current round not open for submissions"}),
    Kind(
        "null",
        "graphql:*",
        "Null in every nullable field that matches `field`, a pattern as Round.* or "
        "LatestSubmission.status.",
        {"field": "*"},
    ),
    Kind(
        "field-removed",
        "graphql:*",
        "The schema has no `field` (as Round.closeTime) any more: who asks for it is refused.",
        {"field": "Round.closeTime"},
    ),
    Kind("unknown-status", "graphql:*", "Submissions have a `status` that nobody has seen before.",
         {"status": "under-review"}),
    Kind("unknown-score", "graphql:*", "Rounds and submissions have one more score, `name`.",
         {"name": "zeta60"}),
    Kind(
        "two-payouts",
        "graphql:*",
        "Each payout score of a round is configured twice, as version 2 with half the multiplier.",
    ),
    Kind("zero-amounts", "graphql:*", 'Amounts of nothing are written as "0E-18".'),
    Kind("negative-payouts", "graphql:*", "Every payout is a burn."),
    Kind(
        "scope-withdrawn",
        "graphql:*",
        "The token has lost `scope`.",
        {"scope": "upload_submission"},
    ),
    # --- what the tournament does
    Kind(
        "hidden-submission",
        "graphql:*",
        "Submissions are not shown for their first `seconds` of wall time.",
        {"seconds": 60.0},
    ),
    Kind(
        "invalid-later",
        "graphql:*",
        "A submission that was accepted turns invalid, `seconds` of wall time after its upload.",
        {"seconds": 0.0},
        times=1,
        standing=True,
    ),
    Kind(
        "deadline-moved",
        "rounds",
        "The on-time deadline of `round` (0: the next to close) moves by `minutes`: an early close "
        "when negative.",
        {"minutes": -30.0, "round": 0.0},
        standing=True,
    ),
    Kind("duplicate-trigger", "webhook:*", "A webhook is called twice with one trigger."),
)  # fmt: skip

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
