from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs import LENIENT, processed, series_of, stack_of
from phantoms import Series, write_series
from pydicom.dataset import Dataset
from running import ORIENTED, InThisProcess, carry_out

from pipeline.dicom.pixels.hounsfield import SliceSource, SourceFacts
from pipeline.dicom.policy import GeometryOptions, HounsfieldOptions, Policy
from pipeline.errors import SeriesRefusedError
from pipeline.prepare.job import Job
from pipeline.prepare.series import process
from pipeline.prepare.source import (
    build_accepted_stack,
    hash_content,
    measure_series,
    read_plausible_facts,
    remove_duplicates,
)
from pipeline.store.read import open_store
from pipeline.vocabulary import Reason, SeriesWarning, Status

POLICY = Policy()


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in")


def facts_of(folder: Path) -> SourceFacts:
    stack = stack_of(folder)
    return read_plausible_facts(SliceSource(stack, POLICY), stack)


def test_identical_copies_are_dropped_unless_any_duplicate_is_refused(series: Series) -> None:
    (series.folder / "copy.dcm").write_bytes(series.paths[4].read_bytes())
    slices = series_of(series.folder)
    unique = remove_duplicates(slices, POLICY)
    assert (len(unique.slices), len(unique.dropped)) == (12, 1)
    strict = Policy(geometry=GeometryOptions(duplicate_position="reject"))
    assert (len(remove_duplicates(slices, strict).slices), remove_duplicates(slices, strict).dropped) == (13, ())
    with pytest.raises(SeriesRefusedError) as refused:
        build_accepted_stack(remove_duplicates(slices, strict), strict)
    assert refused.value.reason is Reason.DUPLICATE_POSITION


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        (Reason.TOO_FEW_SLICES, {"n": 2}),
        (Reason.DUPLICATE_POSITION, {"n": 4, "positions_mm": (0, 0, 2.5, 5)}),
        (Reason.SLICE_GAP, {"n": 6, "positions_mm": (0, 2.5, 5, 10, 12.5, 15)}),
        (Reason.SPACING_NONUNIFORM, {"n": 6, "positions_mm": (0, 1, 3, 6, 10, 15)}),
    ],
)
def test_a_stack_that_is_not_accepted_is_refused_with_its_reason(
    tmp_path: Path, reason: Reason, wanted: dict[str, Any]
) -> None:
    write_series(tmp_path / "in", **wanted)
    with pytest.raises(SeriesRefusedError) as refused:
        stack_of(tmp_path / "in", POLICY)
    assert refused.value.reason is reason
    assert refused.value.detail


def test_a_stack_that_the_policy_repairs_is_accepted(tmp_path: Path) -> None:
    write_series(tmp_path / "in", n=6, positions_mm=(0, 2.5, 5, 10, 12.5, 15))
    assert stack_of(tmp_path / "in", LENIENT).verdict == "gap"


@pytest.mark.parametrize(
    ("hu", "told"), [(np.zeros((4, 16, 16)), "same value"), (np.full((4, 16, 16), 5000) + np.arange(16), "outside")]
)
def test_values_that_cannot_be_hounsfield_units_are_refused(tmp_path: Path, hu: np.ndarray, told: str) -> None:
    write_series(tmp_path / "in", hu=hu.astype(np.int16), bits_stored=16)
    with pytest.raises(SeriesRefusedError, match=told) as refused:
        facts_of(tmp_path / "in")
    assert refused.value.reason is Reason.HU_IMPLAUSIBLE


def test_every_slice_is_checked_whether_requested_or_not(series: Series) -> None:
    stack = stack_of(series.folder)
    source = SliceSource(stack, POLICY)
    source.plane(3)
    facts = read_plausible_facts(source, stack)
    assert facts.histogram.total == series.truth.size
    assert len(facts.pixel_hashes) == 12


def test_a_hash_of_content_does_not_depend_on_the_order_of_slices(series: Series) -> None:
    facts = facts_of(series.folder)
    turned = replace(facts, hu_hashes=facts.hu_hashes[::-1])
    other = replace(facts, hu_hashes=(*facts.hu_hashes[:-1], "0" * 64))
    assert hash_content(facts) == hash_content(turned) != hash_content(other)
    assert len(hash_content(facts)) == 20


def test_without_rescale_stored_values_are_hounsfield_units_where_that_is_allowed(tmp_path: Path) -> None:
    def forget(dataset: Dataset, _: int) -> None:
        del dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType

    series = write_series(tmp_path / "in", change=forget, signed=True, bits_stored=16, intercept=0)
    result = processed(series.folder, policy=Policy(hounsfield=HounsfieldOptions(rescale_missing="assume_hu")))
    assert (result.record.status, result.record.warnings) == (Status.OK, (SeriesWarning.W_RESCALE_TYPE,))
    np.testing.assert_array_equal(open_store(tmp_path / "out.zarr").array[...], series.truth)


def jobs_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Return the jobs of a run over ``in``."""
    seen: list[Job] = []

    class Watched(InThisProcess):
        def process(self, function: Any, jobs: Any) -> Iterator[tuple[Any, Any]]:
            for job in jobs:
                seen.append(job)
                yield job, function(job)

    monkeypatch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: Watched())
    carry_out(tmp_path, tmp_path / "in", ORIENTED + "report: {enabled: false}\n")
    return seen


def test_measuring_equals_processing_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path / "in" / "a", n=5, rows=16, columns=16)
    (job,) = jobs_of(tmp_path, monkeypatch)
    whole, looked = process(job), measure_series(job)
    for name in ("series_key", "status", "content_hash", "fingerprint", "elements", "n_slices"):
        assert getattr(looked.record, name) == getattr(whole.record, name)
    assert looked.histogram is not None
    assert whole.histogram is not None
    assert looked.histogram.first_bin_hu == whole.histogram.first_bin_hu
    np.testing.assert_array_equal(looked.histogram.counts, whole.histogram.counts)
    assert (looked.record.store, looked.slices) == (None, ())


@pytest.mark.parametrize("wanted", [{"n": 2}, {"hu": np.full((5, 16, 16), 40, np.int16)}])
def test_measuring_refuses_the_same_series_as_processing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any]
) -> None:
    write_series(tmp_path / "in" / "a", **({"n": 5, "rows": 16, "columns": 16} | wanted))
    (job,) = jobs_of(tmp_path, monkeypatch)
    whole, looked = process(job).record, measure_series(job).record
    assert (looked.status, looked.reason, looked.detail) == (whole.status, whole.reason, whole.detail)
    assert looked.status is Status.REJECTED
    assert looked.reason in {Reason.TOO_FEW_SLICES, Reason.HU_IMPLAUSIBLE}
