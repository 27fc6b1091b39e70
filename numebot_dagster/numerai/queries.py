"""Define our own GraphQL: the fewest fields, spelled and typed as Numerai's schema has them.

The hour of a round depends on the first part alone: whatever Numerai renames elsewhere, a round
can still be seen, played and confirmed.
"""

from __future__ import annotations

# --- the hour of a round ----------------------------------------------------------------------

OPEN_ROUNDS = """
query ($tournament: Int) {
  rounds(tournament: $tournament, status: OPEN) { number openTime closeStakingTime }
}
"""

# Upcoming rounds are left out by naming the others: there is no status for "has begun".
ROUNDS = """
query ($tournament: Int, $limit: Int) {
  open: rounds(tournament: $tournament, status: OPEN) {
    number openTime closeStakingTime
  }
  resolving: rounds(tournament: $tournament, status: RESOLVING) {
    number openTime closeStakingTime
  }
  resolved: rounds(tournament: $tournament, status: RESOLVED, limit: $limit) {
    number openTime closeStakingTime
  }
}
"""

ROUND = """
query ($tournament: Int, $number: Int) {
  rounds(tournament: $tournament, number: $number) { number openTime closeStakingTime closeTime }
}
"""

FLEET = """
query ($latestRounds: Int) {
  account {
    models {
      id
      name
      tournament
      latestSubmissions(latestNRounds: $latestRounds) { id filename roundNumber status timestamp }
    }
  }
}
"""

AUTHORISE_UPLOAD = """
query ($filename: String!, $tournament: Int!, $modelId: ID) {
  submissionUploadAuth(filename: $filename, tournament: $tournament, modelId: $modelId) {
    filename
    url
  }
}
"""

CREATE_SUBMISSION = """
mutation ($filename: String!, $tournament: Int!, $modelId: ID, $source: String) {
  createSubmission(
    filename: $filename, tournament: $tournament, modelId: $modelId, source: $source
  ) { id }
}
"""

SUBMISSIONS_OF_MODEL = """
query ($modelId: ID) {
  submissions(modelId: $modelId) { id filename }
}
"""

AUTHORISE_DOWNLOAD = """
query ($id: ID!) {
  submissionDownloadAuth(id: $id) { url }
}
"""

DATASET_URL = """
query ($filename: String!, $round: Int, $tournament: Int) {
  dataset(filename: $filename, round: $round, tournament: $tournament)
}
"""


def submission_states(count: int) -> str:
    """Return a query for `count` submissions: variables `i0`, `i1`, …; answers `s0`, `s1`, …"""
    variables = ", ".join(f"$i{index}: ID" for index in range(count))
    fields = "{ id filename selected insertedAt round { number } }"
    lines = "\n".join(f"  s{index}: submissions(id: $i{index}) {fields}" for index in range(count))
    return f"query ({variables}) {{\n{lines}\n}}\n"


# --- enrichment: its failure is a warning, never a missed round -------------------------------

ACCOUNT = """
query {
  apiTokenInfo { accountUsername name publicId scopes }
  account { models { id name tournament } }
}
"""

IDENTITY = """
query { account { id username } }
"""

# Both fields are deprecated and mostly null, so that nothing else may depend on this query.
REFUSAL = """
query ($id: ID) {
  submissions(id: $id) { id status errorInfo }
}
"""

SCORES = """
query ($modelId: ID!, $tournament: Int, $lastNRounds: Int) {
  submissionScores(modelId: $modelId, tournament: $tournament, lastNRounds: $lastNRounds) {
    roundNumber
    submissionId
    displayName
    version
    day
    date
    value
    percentile
    resolved
  }
}
"""

LEADERBOARD = """
query ($limit: Int, $offset: Int) {
  v2Leaderboard(limit: $limit, offset: $offset) {
    username
    rank
    nmrStaked
    bmcRep
    corj60Rep
    corr20Rep
    corr20V2Rep
    corr60Rep
    cort20Rep
    fncRep
    fncV3Rep
    mmcRep
    mmc60Rep
    tcRep
    return1Day
    return13Weeks
    return52Weeks
  }
}
"""

AUTHORISE_DIAGNOSTICS = """
query ($filename: String!, $tournament: Int!, $modelId: ID) {
  diagnosticsUploadAuth(filename: $filename, tournament: $tournament, modelId: $modelId) {
    filename
    url
  }
}
"""

CREATE_DIAGNOSTICS = """
mutation ($filename: String!, $tournament: Int!, $modelId: ID) {
  createDiagnostics(filename: $filename, tournament: $tournament, modelId: $modelId) { id }
}
"""

DIAGNOSTICS = """
query ($id: ID, $modelId: ID) {
  diagnostics(id: $id, modelId: $modelId) {
    id
    status
    message
    erasAcceptedCount
    erasMissing
    trainedOnVal
    validationCorrMean
    validationCorrStd
    validationCorrSharpe
    validationCorrMaxDrawdown
    validationMmcMean
    validationMmcStd
    validationMmcSharpe
    validationBmcMean
    validationFeatureNeutralCorrV3Mean
    validationFeatureCorrMax
    perEraDiagnostics {
      era
      validationCorr
      validationMmc
      validationBmc
      validationFeatureNeutralCorrV3
      validationFeatureCorrMax
    }
  }
}
"""

TYPE_FIELDS = """
query ($name: String!) {
  __type(name: $name) { fields(includeDeprecated: true) { name } }
}
"""

ALL = {
    "open rounds": OPEN_ROUNDS,
    "rounds": ROUNDS,
    "round": ROUND,
    "fleet": FLEET,
    "upload authorisation": AUTHORISE_UPLOAD,
    "submission": CREATE_SUBMISSION,
    "submissions of a model": SUBMISSIONS_OF_MODEL,
    "submission states": submission_states(2),
    "download authorisation": AUTHORISE_DOWNLOAD,
    "dataset": DATASET_URL,
    "account": ACCOUNT,
    "identity": IDENTITY,
    "refusal of a submission": REFUSAL,
    "scores": SCORES,
    "leaderboard": LEADERBOARD,
    "diagnostics authorisation": AUTHORISE_DIAGNOSTICS,
    "diagnostics upload": CREATE_DIAGNOSTICS,
    "diagnostics": DIAGNOSTICS,
    "fields of a type": TYPE_FIELDS,
}
