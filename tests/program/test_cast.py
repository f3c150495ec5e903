import numpy as np
import volumes

from pipeline.program.packing import convert_to_stored


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
