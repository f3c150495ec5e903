import numpy as np
import pytest
import volumes

from pipeline.errors import UsageError
from pipeline.program.execute import convert_to_stored
from pipeline.program.program import Packing, StoredType, choose_dtype, choose_packing
from pipeline.steps.clip import Clip
from pipeline.steps.normalise import Normalise
from pipeline.steps.window import Channel, Window
from pipeline.volume import ClampedLine, Scale, VolumeSpec

HU = VolumeSpec(volumes.grid())
CLIPPED = Clip(-1000, 400).after(HU)
ZERO_ONE = Normalise("zero_one").after(CLIPPED)
CHANNELS = Normalise("zero_one").after(Window(channels=(Channel("brain"), Channel("bone"))).after(HU))
WAITING = Normalise("z_score").after(CLIPPED)
Z_SCORE = VolumeSpec(volumes.grid(), scale=Scale.NORMALISED, lines=(ClampedLine(0.004, 0.5),))


@pytest.mark.parametrize("spec", [HU, CLIPPED, ZERO_ONE, WAITING])
def test_auto_is_int16_of_normalised_values_too(spec: VolumeSpec) -> None:
    assert choose_dtype("auto", spec) == "int16"


@pytest.mark.parametrize(
    ("spec", "dtype"), [(HU, "uint16"), (CLIPPED, "uint8"), (CLIPPED, "uint16"), (WAITING, "uint8")]
)
def test_a_dtype_that_cannot_hold_the_values_is_refused(spec: VolumeSpec, dtype: StoredType) -> None:
    with pytest.raises(UsageError, match=dtype):
        choose_dtype(dtype, spec)


def test_hounsfield_units_that_fit_an_unsigned_dtype_are_stored_in_it() -> None:
    assert choose_dtype("uint8", Clip(0, 255).after(HU)) == "uint8"
    assert choose_packing("uint8", Clip(0, 255).after(HU)) is None


def test_normalised_values_in_int16_are_whole_hounsfield_units() -> None:
    packed = choose_packing("int16", ZERO_ONE)
    assert packed is not None
    hu = np.arange(-1000, 401, dtype=np.float32)[None, None]
    line = ZERO_ONE.lines[0]
    assert line is not None
    np.testing.assert_array_equal(convert_to_stored(line(hu), "int16", packed), hu)


@pytest.mark.parametrize("spec", [ZERO_ONE, CHANNELS])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "uint8"])
def test_packed_values_are_within_half_a_step(spec: VolumeSpec, dtype: StoredType) -> None:
    packed = choose_packing(dtype, spec)
    assert packed is not None
    values = np.linspace(0, 1, 500, dtype=np.float32)[None, None]
    back = convert_to_stored(values, dtype, packed).astype(np.float64) * packed.scale_factor + packed.add_offset
    assert np.abs(back - values).max() <= packed.scale_factor / 2 + 1e-7
    finest = min(line.a for line in spec.lines if line)
    assert packed.scale_factor == pytest.approx(max(finest, 1 / 255 if dtype == "uint8" else 0))


def test_a_z_score_without_limits_is_stored_as_hounsfield_units() -> None:
    assert choose_packing("int16", Z_SCORE) == Packing(0.004, 0.5)
    packed = choose_packing("uint16", Z_SCORE)
    assert packed is not None
    line = Z_SCORE.lines[0]
    assert line is not None
    hu = np.array([[[-1024, 0, 3071]]], np.float32)
    np.testing.assert_array_equal(convert_to_stored(line(hu), "uint16", packed), hu + 32768)


def test_floats_and_hounsfield_units_are_not_packed() -> None:
    assert choose_packing("float16", ZERO_ONE) is None
    assert choose_packing("int16", CLIPPED) is None


def test_whole_numbers_are_rounded_to_nearest_and_saturate() -> None:
    voxels = np.array([[[-40000, -1.5, -0.4, 0.5, 1.5, 40000]]], np.float32)
    np.testing.assert_array_equal(convert_to_stored(voxels, "int16", None), [[[-32768, -2, 0, 0, 2, 32767]]])
    np.testing.assert_array_equal(convert_to_stored(voxels, "uint8", None), [[[0, 0, 0, 0, 2, 255]]])


def test_half_precision_saturates_at_its_largest_finite_value() -> None:
    stored = convert_to_stored(np.array([[[-1e9, 1e9, 0.5]]], np.float32), "float16", None)
    np.testing.assert_array_equal(stored, np.array([[[-65504, 65504, 0.5]]], np.float16))


def test_single_precision_is_stored_bit_for_bit() -> None:
    voxels = volumes.noise().voxels / np.float32(3)
    assert convert_to_stored(voxels, "float32", None).tobytes() == voxels.tobytes()
