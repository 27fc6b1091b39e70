"""Define a finding: what was checked, the verdict on it, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Check(StrEnum):
    """What a finding is about, by the name that is shown."""

    SETTINGS = "settings"
    ALERTS = "alerts"
    PASSWORD = "password"  # noqa: S105  (a name)
    FOLDER = "folder"
    DISK = "disk"
    DISK_FEATURES = "disk can"
    MEMORY = "memory"
    VERSIONS = "versions"
    REGISTRY = "registry"
    CLASSES = "classes"
    CREDENTIALS = "credentials"
    ENDPOINT = "endpoint"
    CLOCK = "clock"
    ACCOUNT = "account"
    MODELS = "models"
    SCHEMA = "schema"
    WEIGHTS = "weights"
    OPENINGS = "openings"
    PREFLIGHT = "pre-flight"
    REPLAY = "replay"
    # Of the pre-flight alone.
    REHEARSAL = "rehearsal"
    CHANGES = "changes"
    STAKES = "stakes"
    # Of Dagster's instance.
    INSTANCE = "instance"
    DAEMON = "daemon"
    AUTOMATION = "automation"
    QUEUE = "queue"
    RUNS = "runs"
    # The steps of trying a model; most are phases of its worker.
    DATA = "data"
    IMPORT = "import"
    READ = "read"
    TRAIN = "train"
    SAVE = "save"
    LOAD = "load"
    CANARY = "canary"
    STORE = "store"
    PREDICT = "predict"
    TRAIN_TIME = "train time"
    TRAIN_MEMORY = "train memory"
    TRAINING = "training"
    PREDICTING = "predicting"


class Verdict(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """The result of one check; `remedy` names what to do unless all is well."""

    name: Check
    verdict: Verdict
    text: str
    remedy: str = ""
