"""Every configuration in configs/, run on a cohort like the one it is for, against plain numpy and Pillow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from phantoms import truth_volume, write_series
from PIL import Image
from pydicom import Dataset
from recomputed import PADDING_HU, PADDING_STORED, Expected, keys, read
from running import InThisProcess, Quiet, store_of

from pipeline.config import load
from pipeline.geometry import Xyz, Zyx
from pipeline.record import SeriesRecord
from pipeline.run.fit import fit
from pipeline.run.run import Outcome, run
from pipeline.store.read import open_store

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(autouse=True)
def _fit_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: InThisProcess())


CONFIGS = Path(__file__).parents[2] / "configs"
FEET_FIRST = {"row_axis": Xyz(-1.0, 0.0, 0.0), "column_axis": Xyz(0.0, 1.0, 0.0)}
PRONE = {"row_axis": Xyz(-1.0, 0.0, 0.0), "column_axis": Xyz(0.0, -1.0, 0.0)}
PADDED = {"signed": True, "bits_stored": 16}
HALF_A_HU = 0.5 / 1400 + 1e-6
"""Of values from 0 to 1 that stand for -1000 to 400 HU or more, packed in steps of 1 HU, and a float32 before."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What a run has made of one series."""

    record: SeriesRecord
    values: NDArray[np.float64]
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, ...]

    def assert_is(self, expected: Expected, within: float) -> None:
        np.testing.assert_array_equal(self.mask, expected.valid)
        np.testing.assert_allclose(self.values, expected.values, rtol=0, atol=within)
        np.testing.assert_allclose(self.spacing_mm, expected.spacing_mm, rtol=0, atol=1e-6)


def carried_out(tmp_path: Path, name: str, *overrides: str) -> Outcome:
    """Run a configuration of configs/ over ``in``, without pictures unless it is asked for them."""
    config = load(CONFIGS / f"{name}.yaml", overrides=overrides, inputs=[tmp_path / "in"], output=tmp_path / "out")
    return run(config, Quiet())


def stored(outcome: Outcome) -> dict[str, Stored]:
    """Return the stores by PatientID."""
    found = {}
    for record in outcome.records:
        if record.store:
            store = open_store(store_of(outcome.output, record))
            packing = {"scale_factor": 1.0, "add_offset": 0.0, **store.array.attrs}
            values = np.asarray(store.array[:], np.float64) * packing["scale_factor"] + packing["add_offset"]
            mask = np.ones(values.shape[-3:]) if store.mask is None else store.mask[:]
            patient = str(record.elements["PatientID"])
            found[patient] = Stored(record, values, mask.astype(bool), tuple(store.geometry.spacing_mm))
    return found


def pad(dataset: Dataset, _z: int) -> None:
    """Set what lies outside a circle to -2000, as GE scanners do."""
    pixels = np.frombuffer(dataset.PixelData, "<i2").reshape(dataset.Rows, dataset.Columns).copy()
    y, x = np.ogrid[: dataset.Rows, : dataset.Columns]
    pixels[np.hypot((y + 0.5) / dataset.Rows - 0.5, (x + 0.5) / dataset.Columns - 0.52) > 0.45] = PADDING_STORED
    dataset.PixelData = pixels.tobytes()
    dataset.add_new("PixelPaddingValue", "SS", PADDING_STORED)


NO_PICTURES = "report.enabled=false"


@pytest.mark.parametrize(
    ("name", "low_hu", "high_hu"),
    [("default", -1000, 400), ("dsb2017", -1000, 400), ("lung", -1350, 150), ("soft_tissue", -125, 225)],
)
def test_chests_of_three_scanners_come_out_alike(tmp_path: Path, name: str, low_hu: float, high_hu: float) -> None:
    write_series(tmp_path / "in/supine", patient_id="supine")
    write_series(tmp_path / "in/feet", patient_id="feet first", seed=1, spacing=Zyx(3.2, 0.6, 0.9), **FEET_FIRST)
    write_series(tmp_path / "in/prone", patient_id="prone", seed=2, change=pad, **PADDED, **PRONE)
    found = stored(carried_out(tmp_path, name, NO_PICTURES, "manifest.identifiers=keep"))
    for folder, patient in (("supine", "supine"), ("feet", "feet first"), ("prone", "prone")):
        expected = read(tmp_path / "in" / folder).oriented().resampled((1, 1, 1)).scaled(low_hu, high_hu)
        found[patient].assert_is(expected, 0.5 / (high_hu - low_hu) + 1e-6)
        assert found[patient].record.orientation == "LPS"


def test_seed_blog_halves_and_centres_heads_of_the_usual_length_and_padding_is_no_water(tmp_path: Path) -> None:
    head: dict[str, Any] = {"spacing": Zyx(5.0, 0.8, 0.8), "change": pad, **PADDED}
    for number, n in enumerate((10, 10, 8)):
        write_series(tmp_path / f"in/{number}", patient_id=f"CQ500-CT-{number}", seed=number, n=n, **head)
    write_series(tmp_path / "in/thick", patient_id="CQ500-CT-0", n=10, seed=9, **head | {"spacing": Zyx(6.0, 0.8, 0.8)})
    outcome = carried_out(tmp_path, "seed_blog", NO_PICTURES)
    found = stored(outcome)
    assert sorted(found) == ["CQ500-CT-0", "CQ500-CT-1"]
    assert [record.reason for record in outcome.records if not record.store] == ["NOT_SELECTED"] * 2
    for number in (0, 1):
        expected = read(tmp_path / f"in/{number}").clipped(-1000, 2000).halved_in_plane()
        assert not expected.valid.all()
        mean = expected.values[expected.valid].mean()
        centred = replace(expected, values=expected.values - mean)
        found[f"CQ500-CT-{number}"].assert_is(centred, 1e-3)
        assert found[f"CQ500-CT-{number}"].values.min() == pytest.approx(-1000 - mean, abs=1e-3)


def test_osic_resizes_in_plane_as_pillow_and_orders_by_slice_location(tmp_path: Path) -> None:
    def lose_position(dataset: Dataset, _z: int) -> None:
        del dataset.ImagePositionPatient

    hu = truth_volume(4, 352, 400)
    size = {"hu": hu, "n": 4, "rows": 352, "columns": 400, "spacing": Zyx(10.0, 0.7, 0.7)}
    write_series(tmp_path / "in/placed", patient_id="ID1", **size)
    write_series(tmp_path / "in/lost", patient_id="ID2", change=lose_position, **size)
    outcome = carried_out(tmp_path, "osic")
    found = stored(outcome)
    for patient, folder in (("ID1", "placed"), ("ID2", "lost")):
        source = read(tmp_path / "in" / folder)
        planes = [Image.fromarray(plane.astype(np.float32)) for plane in source.values]
        values = np.stack([np.asarray(plane.resize((319, 319), Image.Resampling.BICUBIC)) for plane in planes])
        assert found[patient].record.dtype == "int16"
        np.testing.assert_allclose(found[patient].values, values, rtol=0, atol=0.5 + 1e-2)
        np.testing.assert_allclose(found[patient].spacing_mm, (10, 0.7 * 352 / 319, 0.7 * 400 / 319))
        pictures = outcome.output.report / "series" / found[patient].record.series_key
        assert len(list(pictures.glob("moving-*.gif"))) == 3
    assert "W_POSITION_FALLBACK" in found["ID2"].record.warnings


def test_nnunet_clips_and_scales_by_what_the_training_patients_hold(tmp_path: Path) -> None:
    for number in range(6):
        write_series(tmp_path / f"in/{number}", patient_id=str(number), seed=number, spacing=Zyx(2.5, 0.8, 1.3))
    config = load(
        CONFIGS / "nnunet.yaml",
        overrides=[NO_PICTURES, "manifest.identifiers=keep"],
        inputs=[tmp_path / "in"],
        output=tmp_path / "out",
    )
    fit(config, Quiet())
    found = stored(run(config, Quiet()))
    splits = {patient: one.record.split for patient, one in found.items()}
    assert set(splits.values()) == {"train", "validation"}
    sources = {patient: read(tmp_path / "in" / patient).oriented() for patient in found}
    training = np.concatenate([sources[patient].values.ravel() for patient in found if splits[patient] == "train"])
    low_hu, high_hu = np.percentile(training, [0.5, 99.5], method="inverted_cdf")
    for patient, source in sources.items():
        clipped = source.clipped(low_hu, high_hu)
        scaled = replace(clipped, values=(clipped.values - training.mean()) / training.std())
        found[patient].assert_is(scaled.resampled((1, 1, 1), keys), 4 * HALF_A_HU)


WINDOWS = {"brain": (0, 80), "subdural": (-20, 180), "bone": (-500, 1300)}


def windows(expected: Expected) -> Expected:
    """Return a channel a window."""
    return replace(expected, values=np.stack([expected.scaled(*limits).values for limits in WINDOWS.values()]))


def head_of(tmp_path: Path) -> Stored:
    (found,) = stored(carried_out(tmp_path, "head", NO_PICTURES, "manifest.identifiers=keep")).values()
    assert found.record.status == "ok"
    return found


def test_head_puts_a_tilted_gantry_upright(tmp_path: Path) -> None:
    tilt = np.radians(15.0)
    write_series(tmp_path / "in/tilted", tilt_deg=15.0, spacing=Zyx(4.0, 0.8, 0.7))
    found = head_of(tmp_path)
    source = read(tmp_path / "in/tilted")
    offsets = np.sin(tilt) * 4.0 / 0.8 * np.arange(12.0)
    expected = replace(upright(source, offsets), spacing_mm=(4.0 * np.cos(tilt), 0.8, 0.7))
    found.assert_is(windows(expected.resampled((1, 1, 1))), HALF_A_HU)
    assert "W_GANTRY_TILT" in found.record.warnings


def upright(source: Expected, offsets: Sequence[float]) -> Expected:
    """Return slices moved by so many pixels down their columns, onto one grid that holds them all."""
    low, high = int(np.floor(min(offsets))), int(np.ceil(max(offsets)))
    rows = source.values.shape[1]
    at = np.arange(rows + high - low) + low
    values = np.full((len(source.values), len(at), source.values.shape[2]), PADDING_HU)
    measured = np.zeros(values.shape, bool)
    for z, offset in enumerate(offsets):
        inside = (at - offset > -1e-6) & (at - offset < rows - 1 + 1e-6)
        for x in range(source.values.shape[2]):
            values[z, inside, x] = np.interp(at[inside] - offset, np.arange(rows), source.values[z, :, x])
        measured[z, inside] = True
    return replace(source, values=values, valid=measured)


def test_head_evens_out_slices_that_lie_farther_apart_above_the_base(tmp_path: Path) -> None:
    places = np.array([0, 2.5, 5, 7.5, 10, 12.5, 17.5, 22.5, 27.5, 32.5])
    write_series(tmp_path / "in/uneven", n=10, positions_mm=places.tolist(), spacing=Zyx(2.5, 0.8, 0.7))
    found = head_of(tmp_path)
    source = read(tmp_path / "in/uneven")
    planes = 2.5 * np.arange(14)
    values = np.apply_along_axis(lambda column: np.interp(planes, places, column), 0, source.values)
    even = Expected(values, np.ones(values.shape, bool), (2.5, 0.8, 0.7), source.axes).resampled((1, 1, 1))
    np.testing.assert_allclose(found.values, windows(even).values, rtol=0, atol=HALF_A_HU)
    assert "W_SPACING_RESAMPLED" in found.record.warnings
    assert (~found.mask & even.valid).any(), "a plane between slices 5 mm apart was not measured"
    assert not (found.mask & ~even.valid).any()


def test_head_repairs_what_wrapped_at_twelve_bits(tmp_path: Path) -> None:
    hu = truth_volume(12, 32, 32)
    wrapped = np.where(hu < 0, hu + 4096, hu).astype(np.int16)
    write_series(tmp_path / "in/wrapped", hu=wrapped, intercept=0)
    found = head_of(tmp_path)
    source = replace(read(tmp_path / "in/wrapped"), values=hu.astype(float))
    found.assert_is(windows(source.resampled((1, 1, 1))), HALF_A_HU)
