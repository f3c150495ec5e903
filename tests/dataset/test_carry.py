from pathlib import Path

import numpy as np
import prepared
import pytest
from prepared import Moved, ball, dice, only

FINE = "steps: [{orient: {to: LPS}}, {resample: {spacing_mm: [1, 1, 1]}}]\n"


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("stack", ["regular", "feet first", "coronal", "gap"])
def test_project_then_restore_is_exact_where_nothing_was_resampled(stack: str, dtype: type, moved: Moved) -> None:
    volume = moved("pad")[stack]
    labels = np.random.default_rng(0).integers(0, 7, (12, 32, 32)).astype(dtype)
    restored = volume.restore(volume.project(labels))
    assert restored.dtype == dtype
    np.testing.assert_array_equal(restored, labels)


def test_a_tilted_stack_loses_its_outermost_pixels_at_most(moved: Moved) -> None:
    volume = moved("pad")["tilted"]
    labels = np.ones((12, 32, 32), np.uint8)
    assert volume.restore(volume.project(labels))[:, 1:-1, 1:-1].all()


@pytest.mark.parametrize("method", ["nearest", "linear"])
def test_a_smooth_mask_survives_resampling(method: str, tmp_path: Path) -> None:
    spacing_mm = (2.0, 0.8, 0.8)
    wanted = {"n": 40, "rows": 96, "columns": 96, "spacing": prepared.phantoms.Zyx(*spacing_mm)}
    volume = only(prepared.prepared(tmp_path, FINE, series=wanted))
    mask = ball((40, 96, 96), spacing_mm, 30)
    if method == "nearest":
        restored = volume.restore(volume.project(mask))
    else:
        restored = volume.restore(volume.project(mask.astype(np.float32)), "linear") >= 0.5
    assert dice(mask, restored) >= 0.99


@pytest.mark.parametrize("stack", prepared.STACKS)
def test_a_restored_ramp_is_the_ramp(stack: str, moved: Moved) -> None:
    volume = moved("resample")[stack]
    ramp = volume.to_world(np.moveaxis(np.indices(volume.geometry.shape), 0, -1)) @ [3.0, -2.0, 1.0]
    pixels = volume.from_pixel(*np.indices((12, 32, 32)))
    inside = ((pixels >= 0) & (pixels <= np.array(volume.geometry.shape) - 1)).all(axis=-1)
    restored = volume.restore(ramp, "linear")
    assert inside.mean() > 0.8
    np.testing.assert_allclose(restored[inside], (volume.to_world(pixels) @ [3.0, -2.0, 1.0])[inside], atol=1e-3)


def test_what_was_cut_off_comes_back_as_0(tmp_path: Path) -> None:
    volume = only(prepared.prepared(tmp_path, "steps: [{crop_or_pad: {shape: [12, 16, 16]}}]\n", series={}))
    restored = volume.restore(np.ones((12, 16, 16), np.int16))
    assert restored.sum() == 12 * 16 * 16
    assert restored[:, 8:24, 8:24].all()


def test_an_array_on_another_grid_is_refused(moved: Moved) -> None:
    volume = moved("resample")["regular"]
    with pytest.raises(ValueError, match=r"shape is \(2, 2, 2\), and the source's grid is \(12, 32, 32\)"):
        volume.project(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="the store's grid is"):
        volume.restore(np.zeros((2, 2, 2)))
