import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import Series, write_series
from running import InThisProcess, Quiet, by_uid, carry_out

from pipeline.cluster.jobs import JobFailure
from pipeline.cohort.splits import Split
from pipeline.config import load
from pipeline.errors import NoInputError, UsageError
from pipeline.features.statistics import Histogram
from pipeline.output.database import Database
from pipeline.output.state import SeriesTable
from pipeline.prepare.job import Job
from pipeline.run.fit import FitOutcome, Foreground, compute_figures, figures_of, fit
from pipeline.store.read import open_store
from pipeline.vocabulary import ExitCode, Reason, Status

NNUNET = """
steps:
  - orient: {to: LPS}
  - clip: {percentiles: [0.5, 99.5], statistics: cohort}
  - normalise: {to: z_score, statistics: cohort}
manifest: {split: {train: 0.5, test: 0.5}}
report: {enabled: false}
store: {dtype: float32}
"""
SPLIT = Split(train=0.5, test=0.5)
N_READ = 7
"""The series whose pixels are asked for: those of the cohort, and one that is then refused."""


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: InThisProcess())


@pytest.fixture
def cohort(tmp_path: Path) -> list[Series]:
    """Six patients of a series each, and a series that is refused."""
    write_series(tmp_path / "in" / "short", n=2, patient_id="P-short")
    return [write_series(tmp_path / "in" / f"p{n}", patient_id=f"P-{n}", seed=n, n=6) for n in range(6)]


def trains(series: Series) -> bool:
    return SPLIT.at(SPLIT.draw(("patient", series.patient_id))) == "train"


def fitted(
    tmp_path: Path, yaml: str = NNUNET, foreground: Foreground | None = None, listener: Quiet | None = None
) -> FitOutcome:
    config = tmp_path / "fit.yaml"
    config.write_text(yaml)
    asked = load(config, inputs=[tmp_path / "in"], output=tmp_path / "out")
    return fit(asked, listener or Quiet(), foreground)


def assert_figures(told: dict[str, float], voxels: np.ndarray) -> None:
    assert told["n_voxels"] == voxels.size
    assert told["mean_hu"] == voxels.mean(dtype=np.float64)
    assert told["std_hu"] == pytest.approx(voxels.std(dtype=np.float64), rel=1e-12)
    assert (told["min_hu"], told["max_hu"]) == (voxels.min(), voxels.max())


@pytest.mark.parametrize("foreground", [None, (-500, 300)])
def test_figures_are_what_numpy_says_of_all_training_voxels(
    tmp_path: Path, cohort: list[Series], foreground: Foreground | None
) -> None:
    found = fitted(tmp_path, foreground=foreground).statistics
    assert found is not None
    voxels = np.concatenate([one.truth.ravel() for one in cohort if trains(one)]).astype(np.int64)
    if foreground:
        voxels = voxels[(voxels >= foreground[0]) & (voxels <= foreground[1])]
    assert_figures(vars(found), voxels)
    for percent, hu in found.percentiles_hu.items():
        assert hu == np.percentile(voxels, float(percent))


@given(
    st.lists(st.integers(-1100, 3100), min_size=2, max_size=60).filter(lambda hu: len(set(hu)) > 1),
    st.floats(0, 100),
)
@settings(max_examples=100)
def test_every_percentile_of_any_voxels_is_numpys(hu: list[int], percent: float) -> None:
    voxels = np.array(hu)
    histogram = Histogram(int(voxels.min()), np.bincount(voxels - voxels.min()).astype(np.int64))
    told = figures_of(histogram, None, [percent])
    assert_figures(told, voxels)
    (found,) = told["percentiles_hu"].values()
    assert found == pytest.approx(np.percentile(voxels, percent), abs=1e-9)


def test_one_value_alone_is_no_statistic() -> None:
    with pytest.raises(UsageError, match="fewer than two different values"):
        figures_of(Histogram(40, np.array([9], np.int64)), None, [])


def test_it_is_reported_which_series_trained_and_under_what(tmp_path: Path, cohort: list[Series]) -> None:
    outcome = fitted(tmp_path)
    told = json.loads(outcome.path.read_text())
    assert outcome.exit_code is ExitCode.OK
    assert outcome.path == tmp_path / "out" / "statistics.json"
    assert told["n_series"] == told["n_patients"] == len(told["series_keys"]) == sum(map(trains, cohort))
    assert told["fitted_on"]["manifest.split"]["train"] == 0.5
    assert told["fitted_on"]["geometry"]["gap"] == "reject"
    assert outcome.splits == {"train": sum(map(trains, cohort)), "test": 6 - sum(map(trains, cohort))}


def test_one_configuration_is_fitted_and_then_run_on_a_fresh_output(tmp_path: Path, cohort: list[Series]) -> None:
    with pytest.raises(UsageError, match="run `ctprep fit CONFIG` first"):
        carry_out(tmp_path, tmp_path / "in", NNUNET)
    assert not (tmp_path / "out").exists()
    found = fitted(tmp_path).statistics
    assert found is not None
    records = by_uid(carry_out(tmp_path, tmp_path / "in", NNUNET))
    low, high = found.percentiles_hu["0.5"], found.percentiles_hu["99.5"]
    for series in cohort:
        record = records[series.series_uid]
        assert record.split == ("train" if trains(series) else "test")
        store = open_store(tmp_path / "out" / str(record.store))
        expected = (np.clip(series.truth, low, high) - found.mean_hu) / found.std_hu
        np.testing.assert_allclose(store.array[...], expected, atol=1e-5)
        assert [step["parameters"].get("mean_hu") for step in store.attributes["trail"]][-1] == found.mean_hu
    assert sorted(record.series_key for record in records.values() if record.split == "train") == list(
        found.series_keys
    )


@pytest.mark.usefixtures("cohort")
def test_what_is_read_once_is_not_read_again(tmp_path: Path) -> None:
    first, again = Quiet(), Quiet()
    before = fitted(tmp_path, listener=first).statistics
    after = fitted(tmp_path, listener=again).statistics
    assert (first.heard[0], again.heard) == ((N_READ, 0), [(0, N_READ)])
    assert before is not None
    assert after is not None
    assert vars(after) == vars(before) | {"fitted_at": after.fitted_at}


def test_what_a_run_has_counted_is_not_read_again_and_only_the_new_are(tmp_path: Path, cohort: list[Series]) -> None:
    fitted(tmp_path)
    carry_out(tmp_path, tmp_path / "in", NNUNET)
    fitted(tmp_path)
    with Database.read(tmp_path / "out/private/state.sqlite") as database:
        assert len(SeriesTable(database, "fit").read()) == N_READ - len(cohort)
    write_series(tmp_path / "in" / "new", patient_id="P-new", seed=9, n=6)
    listener = Quiet()
    fitted(tmp_path, listener=listener)
    assert listener.heard[0] == (1, N_READ)


@pytest.mark.usefixtures("cohort")
def test_voxels_that_would_be_read_otherwise_are_read_again(tmp_path: Path) -> None:
    fitted(tmp_path)
    listener = Quiet()
    fitted(tmp_path, NNUNET + "hounsfield: {padding_hu: -2000}\n", listener=listener)
    assert listener.heard[0] == (N_READ, 0)


@pytest.mark.usefixtures("cohort")
def test_other_steps_are_no_reason_to_read_again(tmp_path: Path) -> None:
    fitted(tmp_path)
    listener = Quiet()
    fitted(tmp_path, NNUNET.replace("99.5", "98.5"), listener=listener)
    assert listener.heard[0] == (0, N_READ)


def test_without_a_split_every_series_is_counted(tmp_path: Path, cohort: list[Series]) -> None:
    found = fitted(tmp_path, "steps: []\n").statistics
    assert found is not None
    assert found.n_series == len(cohort)


def test_who_shares_content_with_the_held_out_is_not_counted_apart(tmp_path: Path, cohort: list[Series]) -> None:
    """The copy of a training patient's series under a new name joins it, whatever the name would have drawn."""
    train = next(one for one in cohort if trains(one))
    names = (f"copy {n}" for n in range(99))
    other = next(name for name in names if SPLIT.at(SPLIT.draw(("patient", name))) == "test")
    write_series(tmp_path / "in" / "copy", patient_id=other, seed=int(train.patient_id[-1]), n=6)
    splits = {record.patient: record.split for record in fitted(tmp_path).records if record.status is Status.OK}
    assert sorted(splits.values()).count("train") == sum(map(trains, cohort)) + 1


@pytest.mark.usefixtures("cohort")
def test_a_series_that_failed_is_reported_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Losing(InThisProcess):
        def process(self, _function: object, jobs: Iterable[Job]) -> Iterator[tuple[Job, JobFailure]]:  # type: ignore[override]
            for job in jobs:
                yield job, JobFailure(Reason.TIMEOUT, "too long")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: Losing())
        outcome = fitted(tmp_path)
    assert (outcome.exit_code, outcome.n_failed, outcome.statistics) == (ExitCode.FAILED, N_READ, None)
    assert not outcome.path.exists()
    assert fitted(tmp_path).exit_code is ExitCode.OK


def test_where_nothing_trains_there_is_nothing_to_count(tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "short", n=2)
    with pytest.raises(NoInputError, match="nothing to count"):
        fitted(tmp_path)


def test_cases_weigh_alike_on_request_however_many_voxels_they_have() -> None:
    rng = np.random.default_rng(0)
    cases = [rng.integers(-500, 0, 100), rng.integers(-100, 900, 30_000)]
    histograms = [
        Histogram(int(hu.min()), np.bincount(hu - hu.min()).astype(np.int64)) for hu in cases
    ]  # fmt: skip
    found = compute_figures(histograms, (-300, 800), [50], "cases")
    kept = [hu[(hu >= -300) & (hu <= 800)] for hu in cases]
    drawn = np.concatenate([np.resize(hu, 3_000_000 // hu.size * hu.size) for hu in kept])
    assert found["n_voxels"] == sum(hu.size for hu in kept)
    assert found["mean_hu"] == pytest.approx(np.mean([hu.mean() for hu in kept]))
    assert found["std_hu"] == pytest.approx(drawn.std(), rel=1e-4)
    assert found["percentiles_hu"]["50"] == pytest.approx(np.median(drawn), abs=1)
    alike = compute_figures(histograms, (-300, 800), [50], "voxels")
    assert alike["mean_hu"] == pytest.approx(np.concatenate(kept).mean())
