"""Cheats get no credit: each is shown to win where it may look ahead, and to gain nothing here.

All run in real worker processes on a vintage whose neighbouring eras share label days.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from numebot_dagster.lake import parquet
from numebot_dagster.modeling.worker.failures import ModelFailed
from numebot_dagster.modeling.worker.messages import OutOfSampleRequest
from numebot_dagster.modeling.worker.worker import Worker
from numebot_dagster.operations.diagnostics import (
    diagnosis,
    diagnosis_store,
    era_metrics,
    out_of_sample,
)
from tests.support import official_scores as official

# Where each of the four stretches of validation eras begins.
FIRST_ERAS = (41, 71, 101, 131)
# 300 random predictions correlate by less than four standard errors, and the mean of k eras that
# share nothing by less than that over the root of k.
NOTHING = 4 / 300**0.5


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


def corr_by_era(research, name, *, purge: int, refits: int, worker, tmp_path) -> dict[int, float]:
    """Diagnose up to the scores, with another purge than diagnostics use."""
    platform = research.platform
    model = platform.registry[name]
    subject = out_of_sample.open_subject(platform, model, research.train(name))
    plan = out_of_sample.plan(subject, refits=refits, purge=purge)
    folder = tmp_path / f"purge-{purge}"
    folder.mkdir()
    out_of_sample.predict(platform, worker, subject, plan, folder)
    verdict = era_metrics.judge(subject.yardstick, folder / diagnosis_store.PREDICTIONS, plan.rows)
    return corr_of(verdict.by_era)


def corr_of(by_era: pl.DataFrame) -> dict[int, float]:
    return dict(by_era.filter(metric="corr").select("era", "value").iter_rows())


def diagnosed_corr(research, name: str) -> dict[int, float]:
    research.train(name)
    model = research.platform.registry[name]
    return corr_of(diagnosis.diagnose(research.platform, model).by_era)


@pytest.mark.parametrize("name", ["LastLabelOnAll", "LastPlantedOnAll"])
def test_a_60_day_label_at_the_edge_of_training_walking_forward(
    research, worker, tmp_path, name: str
) -> None:
    cheated = corr_by_era(research, name, purge=0, refits=4, worker=worker, tmp_path=tmp_path)
    honest = diagnosed_corr(research, name)
    assert set(honest) == set(cheated) == set(range(41, 161))
    # The planted feature shows the label of four eras later than the last one of the training.
    seen = [era if name == "LastLabelOnAll" else era + 3 for era in FIRST_ERAS]
    assert min(cheated[era] for era in seen) > 0.6
    assert abs(np.mean([honest[era] for era in seen])) < NOTHING / 2
    assert abs(np.mean([honest[era] for era in FIRST_ERAS])) < NOTHING / 2
    assert abs(np.mean(list(honest.values()))) < NOTHING / 2


def test_a_60_day_label_at_the_edge_of_the_training_file(research, worker, tmp_path) -> None:
    cheated = corr_by_era(
        research, "LastLabel", purge=0, refits=0, worker=worker, tmp_path=tmp_path
    )
    honest = diagnosed_corr(research, "LastLabel")
    assert min(cheated) == 41
    assert cheated[41] > 0.6
    # What leaks fades with the days that are shared, and ends after twelve weeks.
    assert np.mean([cheated[era] for era in range(41, 45)]) > 0.5
    assert min(honest) == 57
    assert honest == {era: cheated[era] for era in honest}
    assert abs(np.mean(list(honest.values()))) < NOTHING / 2


def test_a_feature_that_is_the_label_itself_in_the_training_file(research) -> None:
    stored = research.train("Believer")
    honest = diagnosed_corr(research, "Believer")
    files = research.vintage.files
    train = pl.read_parquet(files["train.parquet"])
    weights = np.load(stored.model_folder / "weights.npy")
    seen = train.filter(pl.col("era") == "0040")
    matrix = seen.select(stored.manifest.features).to_numpy().astype(float) - 2
    assert official.corr(matrix @ weights, seen["target_ender_60"].to_numpy()) > 0.9
    assert abs(np.mean(list(honest.values()))) < NOTHING / 3


def test_labels_remembered_by_id(research) -> None:
    honest = diagnosed_corr(research, "Hoarder")
    assert set(honest) == set(range(41, 161))
    assert abs(np.mean(list(honest.values()))) < NOTHING / 3

    # The weights in use know every one of these eras by heart.
    stored = research.train("Hoarder")
    seen = json.loads((stored.model_folder / "seen.json").read_text())
    rows = parquet.read(research.vintage.files["validation.parquet"]).filter(era="0100")
    learnt = [seen[id_] for id_ in rows["id"]]
    assert official.corr(learnt, rows["target_ender_60"].to_numpy()) > 0.99


def test_weights_never_predict_what_they_have_seen(research, worker, tmp_path) -> None:
    stored = research.train("HonestOnAll")
    model = research.platform.registry["HonestOnAll"]
    subject = out_of_sample.open_subject(research.platform, model, stored)
    request = OutOfSampleRequest(
        model=model.name,
        code=model.code,
        weights=stored.folder,
        files=subject.yardstick.files,
        eras=(160, 161),
        predictions=tmp_path / "predictions.parquet",
    )
    with pytest.raises(ModelFailed, match="have seen eras up to 160"):
        worker.predict_out_of_sample(request)
    assert not request.predictions.exists()


def test_the_eras_after_a_20_day_training_are_purged_for_the_60_days_they_are_judged_by(
    research,
) -> None:
    stored = research.train("OfTwentyDays")
    model = research.platform.registry["OfTwentyDays"]
    subject = out_of_sample.open_subject(research.platform, model, stored)
    assert stored.manifest.last_era == 168
    assert subject.purge_eras == 16
