from pathlib import Path

import numpy as np
import pytest
from phantoms import write_series
from running import carry_out, store_of

from pipeline import versions as stages
from pipeline.store.read import open_store
from pipeline.versions import STAGES, describe_stages, find_changed_stages

EVERY_STAGE = """
steps:
  - orient: {to: LPS}
  - resample: {spacing_mm: [2, 1, 1]}
  - clip: {low_hu: -1000, high_hu: 400}
  - normalise: {to: zero_one}
report: {enabled: false}
"""


def test_the_current_stages_are_unchanged() -> None:
    assert find_changed_stages(describe_stages()) == []


def test_a_stage_that_counts_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = describe_stages()
    monkeypatch.setattr(stages, "STAGES", STAGES | {"steps": STAGES["steps"] + 1, "colour": 1})
    assert find_changed_stages(before) == ["steps", "colour"]


def test_of_a_series_that_kept_nothing_every_stage_changed() -> None:
    assert find_changed_stages("") == list(STAGES)


@pytest.mark.usefixtures("in_this_process")
def test_stage_versions_match_the_result_of_a_series(tmp_path: Path) -> None:
    """Where this fails on purpose, count up the stage that changed, so that old stores are made again."""
    write_series(tmp_path / "in", tilt_deg=12)
    outcome = carry_out(tmp_path, tmp_path / "in", EVERY_STAGE)
    (record,) = outcome.records
    store = open_store(store_of(outcome.output, record))
    packing = store.array.attrs
    values = np.asarray(store.array[:], float) * packing["scale_factor"] + packing["add_offset"]
    assert store.mask is not None
    found = (values.mean(), values.std(), store.mask[:].mean(), record.hu_mean, record.noise_hu, record.body_share)
    assert values.shape == (15, 32, 23)
    assert found == pytest.approx((0.208764, 0.284126, 0.616304, -639.024089, 36.3237, 0.329183), rel=1e-4)
