from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from phantoms import write_series
from running import ORIENTED, InThisProcess, carry_out

from pipeline.prepare.job import Job
from pipeline.prepare.series import process
from pipeline.prepare.source import measure_series
from pipeline.vocabulary import Reason, Status


def jobs_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Return the jobs of a run over ``in``."""
    seen: list[Job] = []

    class Watched(InThisProcess):
        def run(self, function: Any, jobs: Any) -> Iterator[tuple[Any, Any]]:
            for job in jobs:
                seen.append(job)
                yield job, function(job)

    monkeypatch.setattr("pipeline.run.session.open_pool", lambda *_: Watched())
    carry_out(tmp_path, tmp_path / "in", ORIENTED + "report: {enabled: false}\n")
    return seen


def test_it_finds_what_processing_finds_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_it_refuses_what_processing_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any]
) -> None:
    write_series(tmp_path / "in" / "a", **({"n": 5, "rows": 16, "columns": 16} | wanted))
    (job,) = jobs_of(tmp_path, monkeypatch)
    whole, looked = process(job).record, measure_series(job).record
    assert (looked.status, looked.reason, looked.detail) == (whole.status, whole.reason, whole.detail)
    assert looked.status is Status.REJECTED
    assert looked.reason in {Reason.TOO_FEW_SLICES, Reason.HU_IMPLAUSIBLE}
