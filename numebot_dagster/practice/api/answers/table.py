"""Every query and mutation that the practice tournament answers, by Numerai's names."""

from __future__ import annotations

from numebot_dagster.practice.api.answers.overview import OverviewAnswers
from numebot_dagster.practice.api.answers.services import ServiceAnswers

STAKE_MUTATIONS = {
    "cancelPendingStakeRelease",
    "increaseStake",
    "releaseStake",
    "v2ChangePayoutSelection",
    "v2ChangeStake",
    "v2WithdrawNmr",
    "v3ChangePayoutSelection",
}


class Answers(OverviewAnswers, ServiceAnswers):
    """The root of all answers; what the schema has and this lacks is refused by name."""
