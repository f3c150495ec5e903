"""What the figures are worth: beside SimpleITK's before rounding, and what rounding to a stored type costs."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import volumes
from running import carry_out, store_of
from scipy import ndimage

from pipeline.geometry import Geometry
from pipeline.program.execute import PreparedVolume, execute_on_volume
from pipeline.program.program import Program, StoredType
from pipeline.program.step import Step
from pipeline.steps.clip import Clip
from pipeline.steps.normalise import Normalise
from pipeline.steps.resample import Resample
from pipeline.store.read import open_store
from pipeline.volume import Volume, VolumeSpec, Voxels

if TYPE_CHECKING:
    import SimpleITK

LARGEST_HU = 0.001
"""How far a voxel may lie from SimpleITK's linear interpolation: what is rounded once to float32 near 3000 HU."""

HALVES = np.arange(-40000.0, 40000.0, 0.5, np.float32)


def image_of(voxels: Voxels, geometry: Geometry) -> "SimpleITK.Image":
    """Return a volume as SimpleITK knows it: everything in the order x, y, z."""
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(tuple(geometry.spacing_mm)[::-1])
    image.SetOrigin(tuple(geometry.origin_mm))
    image.SetDirection(np.array(geometry.axes)[::-1].T.ravel().tolist())
    return image


def theirs(voxels: Voxels, source: Geometry, target: Geometry) -> Voxels:
    """Return a volume on another grid, by SimpleITK's linear interpolation."""
    sitk = pytest.importorskip("SimpleITK")
    like = image_of(np.zeros(target.shape, np.float32), target)
    resampled = sitk.Resample(
        image_of(voxels, source), like, sitk.Transform(), sitk.sitkLinear, -5000.0, sitk.sitkFloat32
    )
    return sitk.GetArrayFromImage(resampled)


def prepared(source: Volume, steps: list[Step], dtype: StoredType) -> PreparedVolume:
    return execute_on_volume(Program.compile(steps, VolumeSpec(source.geometry), dtype), source)


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (3.0, 1.7, 0.5)])
def test_no_voxel_lies_a_thousandth_of_a_unit_from_simpleitks(spacing_mm: tuple[float, float, float]) -> None:
    geometry = volumes.turned(12, volumes.grid((24, 384, 512), (2.5, 0.703125, 0.703125)))
    noise = np.random.default_rng(0).normal(0, 300, geometry.shape).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, 3) * 40
    source = volumes.volume(np.rint(smooth + noise).clip(-1024, 3071), geometry)
    ours = prepared(source, [Resample(spacing_mm=spacing_mm, antialias=False)], "float32")
    difference = np.abs(ours.array - theirs(source.voxels, geometry, ours.spec.geometry))[ours.valid]
    assert difference.size > 0.9 * ours.array.size
    assert difference.max() < LARGEST_HU


@pytest.mark.usefixtures("in_this_process")
def test_a_real_volume_comes_out_as_simpleitks(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "sts_ibsi/dicom/STS_002/CT/image"
    stores = []
    stored = "store: {dtype: float32, mask: true}\nreport: {enabled: false}\n"
    for name, steps in (("plain", ""), ("fine", ", {resample: {spacing_mm: [1, 1, 1], antialias: false}}")):
        yaml = f"steps: [{{orient: {{to: LPS}}}}{steps}]\n{stored}"
        outcome = carry_out(tmp_path, source, yaml, name)
        stores.append(open_store(store_of(outcome.output, outcome.records[0])))
    plain, fine = stores
    expected = theirs(plain.array[:], plain.geometry, fine.geometry)
    valid = fine.mask[:].astype(bool)
    assert valid.mean() > 0.9
    assert np.abs(fine.array[:] - expected)[valid].max() < LARGEST_HU


def test_hounsfield_units_in_int16_are_rounded_to_nearest_even_and_saturate() -> None:
    source = volumes.volume(HALVES.reshape(1, 400, 400), volumes.grid((1, 400, 400)))
    stored = prepared(source, [], "int16").array.ravel()
    np.testing.assert_array_equal(stored, np.rint(HALVES.astype(np.float64)).clip(-32768, 32767).astype(np.int16))


def test_float16_keeps_what_it_can_hold_and_saturates() -> None:
    source = volumes.volume(HALVES.reshape(1, 400, 400) * 4, volumes.grid((1, 400, 400)))
    stored = prepared(source, [], "float16").array.ravel()
    assert np.isfinite(stored).all()
    np.testing.assert_array_equal(stored, (HALVES * 4).clip(-65504, 65504).astype(np.float16))


@pytest.mark.parametrize(
    ("dtype", "normalise", "half_a_step_hu"),
    [
        ("int16", Normalise("zero_one"), 0.5),
        ("int16", Normalise("z_score"), 0.5),
        ("uint16", Normalise("minus_one_one"), 0.5),
        ("uint16", Normalise("z_score"), 0.5),
        ("uint8", Normalise("zero_one"), 1400 / 255 / 2),
    ],
)
def test_packed_values_are_wrong_by_half_a_step_at_most(
    dtype: StoredType, normalise: Normalise, half_a_step_hu: float
) -> None:
    source = volumes.noise(volumes.grid((12, 24, 20)))
    steps: list[Step] = [Resample(spacing_mm=(1, 1, 1)), Clip(-1000, 400), normalise]
    exact, packed = prepared(source, steps, "float32"), prepared(source, steps, dtype)
    assert packed.scale_factor is not None
    assert packed.add_offset is not None
    assert isinstance(packed.inverse, dict)
    values = packed.array.astype(np.float64) * packed.scale_factor + packed.add_offset
    error_hu = np.abs(values - exact.array) * packed.inverse["a"]
    assert error_hu.max() <= half_a_step_hu * (1 + 1e-3)
    assert error_hu.max() > half_a_step_hu * 0.9


def test_half_precision_of_normalised_values_is_wrong_by_a_third_of_a_unit() -> None:
    source = volumes.noise(volumes.grid((12, 24, 20)))
    steps: list[Step] = [Resample(spacing_mm=(1, 1, 1)), Clip(-1000, 400), Normalise("zero_one")]
    exact, half = prepared(source, steps, "float32"), prepared(source, steps, "float16")
    assert 0.3 < np.abs(half.array.astype(np.float64) - exact.array).max() * 1400 < 0.35


@pytest.mark.parametrize("value", [-1024, -1000, 0.1, 37, 3071])
@pytest.mark.parametrize("method", ["linear", "cubic", "nearest"])
def test_a_constant_stays_exactly_constant(value: float, method: str) -> None:
    geometry = volumes.turned(7, volumes.grid((9, 20, 30), (2.5, 0.7, 0.7)))
    source = volumes.volume(np.full(geometry.shape, value, np.float32), geometry)
    for spacing_mm in ((1.0, 1.0, 1.0), (0.9, 2.3, 3.1)):
        result = prepared(source, [Resample(spacing_mm=spacing_mm, method=method)], "float32")  # type: ignore[arg-type]
        np.testing.assert_array_equal(result.array, np.float32(value))
