"""List the kinds of faults; each was seen at Numerai, follows from its API, or is feared."""

from __future__ import annotations

from collections.abc import Mapping

from numebot_dagster.practice.faults import (
    answer_faults,
    file_faults,
    network_faults,
    tournament_faults,
)
from numebot_dagster.practice.faults.fault import Fault

SECTIONS: Mapping[str, tuple[type[Fault], ...]] = {
    "The network and proxies": (
        network_faults.Latency,
        network_faults.Drip,
        network_faults.Cut,
        network_faults.Status,
        network_faults.TooLarge,
        network_faults.Html,
        network_faults.NotJson,
        network_faults.EmptyAnswer,
        network_faults.ClockSkew,
    ),
    "Files": (
        file_faults.IgnoreRange,
        file_faults.StaleEtag,
        file_faults.LateData,
        file_faults.ChangingData,
        file_faults.TargetSwitched,
        file_faults.TruncatedUpload,
        file_faults.LostUpload,
    ),
    "GraphQL": (
        answer_faults.Error,
        answer_faults.ExpiredUpload,
        answer_faults.NotOpen,
        answer_faults.RateLimitAsError,
        answer_faults.Null,
        answer_faults.FieldRemoved,
        answer_faults.UnknownStatus,
        answer_faults.UnknownScore,
        answer_faults.TwoPayouts,
        answer_faults.ZeroAmounts,
        answer_faults.NegativePayouts,
        answer_faults.ScopeWithdrawn,
    ),
    "The tournament": (
        tournament_faults.HiddenSubmission,
        tournament_faults.InvalidLater,
        tournament_faults.DeadlineMoved,
        tournament_faults.DuplicateTrigger,
    ),
}

KINDS: Mapping[str, type[Fault]] = {
    kind.kind: kind for kinds in SECTIONS.values() for kind in kinds
}
