"""Run models in a worker process, each within its budgets."""

from __future__ import annotations

from typing import Self, TypeVar

from numebot_dagster.lake import files
from numebot_dagster.modeling.worker.failures import ModelCrashed, ModelFailed
from numebot_dagster.modeling.worker.messages import (
    DescribeRequest,
    Failure,
    ModelTraits,
    OutOfSampleRequest,
    OutOfSampleResult,
    PredictRequest,
    PredictResult,
    Request,
    TrainRequest,
    TrainResult,
)
from numebot_dagster.modeling.worker.worker_process import (
    GIGABYTE,
    Budget,
    NotStarted,
    WorkerProcess,
)

T = TypeVar("T")

# Only the class says its budgets, so its import has a fixed one.
_DESCRIBE = Budget(60.0, 8.0, ("", ""))


class Worker:
    """Runs models in a worker process, one after another, each within its budgets.

    The process stays warm between models, and is replaced after one that failed. It is started
    when it is first needed. To be used by one thread at a time, as a context manager:

        with Worker() as worker:
            result = worker.predict(PredictRequest(...))

    Args:
        background: the process gives way to all others, as training does to the hour of a round.
    """

    def __init__(self, *, background: bool = False) -> None:
        self._background = background
        self._process: WorkerProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker process and all below it; a later request starts a new one."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def describe(self, request: DescribeRequest) -> ModelTraits:
        """Import a model's class and return what it declares.

        Raises:
            ModelError: the import failed, hung or crashed.
        """
        return self._ask(request, _DESCRIBE, ModelTraits)

    def train(self, request: TrainRequest) -> TrainResult:
        """Train a model and store its weights, verified by loading them again.

        Raises:
            ModelError: what went wrong; nothing is stored then.
            FileExistsError: the weights folder exists.
        """
        if request.folder.exists():
            raise FileExistsError(f"{request.folder} exists already and is never overwritten")
        traits = self.describe(DescribeRequest(request.model, request.code))
        budget = Budget(
            traits.train_time_budget,
            traits.train_memory_budget,
            ("train_time_budget", "train_memory_budget"),
            {"canary": (traits.time_budget, "time_budget")},
        )
        try:
            return self._ask(request, budget, TrainResult)
        finally:
            if request.folder.parent.exists():
                files.sweep(request.folder.parent)

    def predict(self, request: PredictRequest, seconds: float | None = None) -> PredictResult:
        """Load a model's weights, repeat its canary and predict one round.

        The budgets are those of the weights' manifest.

        Args:
            request: what to predict.
            seconds: the most that it may take, where that is less than its time budget.

        Raises:
            ModelError: what went wrong.
            DamagedWeights: the manifest cannot be read.
        """
        from numebot_dagster.modeling.weights.weight_store import read_manifest

        manifest = read_manifest(request.weights)
        allowed = manifest.time_budget if seconds is None else min(manifest.time_budget, seconds)
        budget = Budget(allowed, manifest.memory_budget, ("time_budget", "memory_budget"))
        return self._ask(request, budget, PredictResult)

    def predict_out_of_sample(self, request: OutOfSampleRequest) -> OutOfSampleResult:
        """Load a model's weights, repeat its canary and predict past eras one by one.

        Each era may take the time of a round; the eras that are read together come on top of a
        round's memory.

        Raises:
            ModelError: what went wrong, as a request for eras that the weights have seen.
            DamagedWeights: the manifest cannot be read.
        """
        from numebot_dagster.modeling.weights.weight_store import read_manifest
        from numebot_dagster.modeling.worker.past_eras import BLOCK_BYTES

        manifest = read_manifest(request.weights)
        budget = Budget(
            manifest.time_budget * len(request.eras),
            manifest.memory_budget + 2 * BLOCK_BYTES / GIGABYTE,
            ("time_budget", "memory_budget"),
        )
        return self._ask(request, budget, OutOfSampleResult)

    def _ask(self, request: Request, budget: Budget, expected: type[T]) -> T:
        if self._process and self._process.uses_more_than(budget.gigabytes / 2):
            self.close()  # what earlier models left behind is not this model's fault
        process = self._started(request.model)
        try:
            answer = process.ask(request, budget)
        except BaseException:
            self.close()
            raise
        if isinstance(answer, Failure):
            self.close()
            raise ModelFailed(request.model, answer, process.log_tail)
        if process.has_subprocesses:
            self.close()  # they would use the machine while the next model runs
        if not isinstance(answer, expected):
            raise TypeError(f"the worker answered {type(answer).__name__} to {request}")
        return answer

    def _started(self, model_name: str) -> WorkerProcess:
        if self._process is not None and self._process.is_alive:
            return self._process
        self.close()
        try:
            self._process = WorkerProcess(background=self._background)
        except NotStarted as error:
            text = f"was not run: the worker process did not start\n{error}"
            raise ModelCrashed(model_name, text) from error
        return self._process
