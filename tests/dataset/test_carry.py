from pathlib import Path
from typing import get_args

import numpy as np
import prepared
import pytest
import zarr
from prepared import Moved, ball, dice, only

from pipeline.dataset.carry import restore
from pipeline.dataset.chain import Chain
from pipeline.dataset.places import Places
from pipeline.dataset.volume import affine_xyz
from pipeline.dataset.xarray import to_dataarray
from pipeline.geometry import Geometry, Orientation, Xyz, Zyx
from pipeline.steps.orient import Orient, StoreAxes
from pipeline.steps.resample import Resample
from pipeline.store.layout import Axes
from pipeline.volume import VolumeSpec

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


@pytest.mark.parametrize("to", get_args(Orientation))
def test_a_mask_drawn_on_a_models_grid_comes_back_in_any_orientation_and_order_of_axes(to: Orientation) -> None:
    order = sorted(get_args(Axes))[get_args(Orientation).index(to) % 6]
    axes = Zyx(Xyz(0.0, 0.0, -1.0), Xyz(0.0, 1.0, 0.0), Xyz(-1.0, 0.0, 0.0))
    source = Geometry(Zyx(24, 50, 48), Zyx(2.0, 0.8, 0.7), Xyz(10.0, -30.0, 55.0), axes)
    spec, changes = VolumeSpec(source), []
    for step in (Orient(to), Resample(spacing_mm=0.6, grid="first_voxel", shape_rule="round"), StoreAxes(order)):
        changes.append(step.change(spec))
        spec = changes[-1].after(spec)
    places = Places(Chain(source, (), tuple(changes)), spec.geometry)
    at_mm = np.moveaxis(np.indices(spec.geometry.shape), 0, -1) @ spec.geometry.affine_lps[:3, :3].T
    drawn = np.linalg.norm(at_mm + spec.geometry.origin_mm - source.world(Zyx(11.2, 24.3, 24.1)), axis=-1) < 16
    pixels = np.moveaxis(np.indices(source.shape), 0, -1) @ source.affine_lps[:3, :3].T
    wanted = np.linalg.norm(pixels + source.origin_mm - source.world(Zyx(11.2, 24.3, 24.1)), axis=-1) < 16
    assert dice(restore(places, drawn.astype(np.float32), "linear") >= 0.5, wanted) >= 0.99


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


def test_a_store_with_x_first_says_so_everywhere(tmp_path: Path) -> None:
    yaml = "steps: [{orient: {to: RAS}}]\nstore: {axes: xyz, pyramid_levels: 2}\nreport: {enabled: false}\n"
    volume = only(prepared.prepared(tmp_path, yaml, series={}))
    row, plain = (
        volume.row,
        only(prepared.prepared_from(tmp_path, tmp_path / "dicom", "steps: [{orient: {to: LPS}}]\n", "plain")),
    )
    assert (row["orientation"], volume.axes, volume.shape) == ("RAS", "xyz", (32, 32, 12))
    assert "W_NGFF_APPROXIMATE" in row["warnings"]
    group = zarr.open_group(volume.output.root / row["store"], mode="r")
    ome = group.attrs["ome"]["multiscales"][0]
    assert [(axis["name"], axis["orientation"]["value"]) for axis in ome["axes"]] == [
        ("x", "left-to-right"),
        ("y", "posterior-to-anterior"),
        ("z", "inferior-to-superior"),
    ]
    assert group["0"].metadata.dimension_names == ("x", "y", "z")
    assert to_dataarray(volume).dims == ("x", "y", "z")
    np.testing.assert_array_equal(volume.array[...], plain.array[...].transpose(2, 1, 0)[::-1, ::-1])
    affine = affine_xyz(volume.geometry, volume.axes)
    np.testing.assert_allclose(affine[:3, :3], np.diag(np.array(volume.geometry.spacing_mm)), atol=1e-6)
    labels = np.random.default_rng(0).integers(0, 7, (12, 32, 32)).astype(np.uint8)
    np.testing.assert_array_equal(volume.restore(volume.project(labels)), labels)
