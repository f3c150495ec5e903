import json
from pathlib import Path

import numpy as np
import pytest
from jobs import KEY, LENIENT, processed, series_of
from phantoms import Series, uid, write_series
from pydicom.uid import JPEG2000Lossless

from pipeline.prepare.source import compute_fingerprint
from pipeline.privacy import PseudonymKey
from pipeline.steps.clip import Clip
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.store.read import open_store


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in")


def test_a_fingerprint_does_not_depend_on_order_but_on_the_key(series: Series) -> None:
    slices = series_of(series.folder).slices
    hashes = [str(k) for k in range(12)]
    turned = compute_fingerprint(slices[::-1], hashes[::-1], KEY)
    assert compute_fingerprint(slices, hashes, KEY) == turned
    assert compute_fingerprint(slices, hashes[::-1], KEY) != turned
    assert compute_fingerprint(slices, hashes, PseudonymKey(b"l" * 32)) != turned


def test_equal_content_has_one_hash_for_any_patient(tmp_path: Path) -> None:
    one = write_series(tmp_path / "a" / "in")
    other = write_series(tmp_path / "b" / "in", patient_id="P-2", series_uid=uid("x"), transfer_syntax=JPEG2000Lossless)
    changed = write_series(tmp_path / "c" / "in", seed=1)
    first, second, third = (processed(each.folder).record for each in (one, other, changed))
    assert first.content_hash == second.content_hash != third.content_hash
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3


def test_the_store_holds_its_trail_and_no_name(series: Series) -> None:
    processed(series.folder, Orient("LPS"), Clip(-1000, 400), Normalise("zero_one"))
    attributes = open_store(series.folder.parent / "out.zarr").attributes
    assert [step["step"] for step in attributes["trail"]] == ["orient", "clip", "normalise"]
    assert attributes["units"] == "normalised"
    assert attributes["source_geometry"]["verdict"] == "regular"
    text = json.dumps(attributes)
    assert not any(
        word in text for word in (series.patient_id, series.series_uid, series.study_uid, str(series.folder))
    )


def test_a_record_describes_the_source_before_repairs(tmp_path: Path) -> None:
    write_series(tmp_path / "in", n=7, positions_mm=(0, 2.5, 5, 7.5, 15, 17.5, 20))
    record = processed(tmp_path / "in", policy=LENIENT).record
    assert (record.shape_in.z if record.shape_in else None, record.n_slices) == (7, 9)
    assert record.geometry == "gap"
    assert record.interpolated_share == pytest.approx(2 / 9, abs=1e-6)
    assert record.span_mm == 20
    attributes = open_store(tmp_path / "out.zarr").attributes
    assert attributes["source_geometry"]["shape"] == [7, 32, 32]
    assert attributes["trail"][0]["step"] == "interpolate_gap"


def test_a_tilt_is_recorded_in_degrees(tmp_path: Path) -> None:
    write_series(tmp_path / "in", tilt_deg=12)
    record = processed(tmp_path / "in").record
    assert record.geometry == "tilted"
    assert abs(record.tilt_deg or 0) == pytest.approx(12, abs=0.01)
    assert record.interpolated_share == 0


def test_the_way_back_to_hounsfield_units_is_in_the_store(series: Series) -> None:
    processed(series.folder, Clip(-1000, 400), Normalise("zero_one"))
    store = open_store(series.folder.parent / "out.zarr")
    inverse = store.attributes["inverse"]
    packing = store.array.attrs
    values = store.array[...].astype(np.float64) * packing["scale_factor"] + packing["add_offset"]
    back = inverse["a"] * values + inverse["b"]
    np.testing.assert_allclose(back, series.truth.clip(-1000, 400), atol=1e-3)
    assert store.attributes["padding"] == [0]
