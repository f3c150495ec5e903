from io import BytesIO
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stores import StoreContent, write_store

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.report import pictures
from pipeline.report.pictures import (
    LONGEST_SIDE,
    MOST_FRAMES,
    VIEWS,
    Pictures,
    Planes,
    PlaneSampler,
    View,
    pictures_of,
    read_pictures,
    write_pictures,
)
from pipeline.report.windows import SOFT_TISSUE, StoredScale
from pipeline.store.layout import StoreOptions
from pipeline.store.read import StoredVolume, open_store

AXES = Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0))
HU = {"units": "HU", "inverse": None}
JPEG_LIMIT = 65_535


def stored(folder: Path, voxels: np.ndarray, attributes: dict[str, Any], **content: Any) -> StoredVolume:
    spacing_mm = content.pop("spacing_mm", Zyx(1.0, 1.0, 1.0))
    geometry = Geometry(Zyx(*voxels.shape[-3:]), spacing_mm, Xyz(0, 0, 0), AXES)
    measured = np.ones(geometry.shape, np.bool_)
    given = StoreContent(array=voxels, valid=measured, geometry=geometry, attributes=attributes, **content)
    write_store(folder / "volume.zarr", given, StoreOptions())
    return open_store(folder / "volume.zarr")


def head(shape: tuple[int, int, int] = (20, 40, 40)) -> np.ndarray:
    """Air, and in its middle a block of soft tissue that reaches through all slices and has a bright left half."""
    voxels = np.full(shape, -1000, np.int16)
    voxels[:, 10:30, 10:30] = 40
    voxels[:, 10:30, 20:30] = 200
    return voxels


def image(drawn: Pictures, name: str) -> Image.Image:
    return Image.open(BytesIO(drawn.files[name]))


def test_slices_have_the_proportions_of_the_patient_and_one_scale(tmp_path: Path) -> None:
    drawn = pictures_of(stored(tmp_path, head(), HU, spacing_mm=Zyx(4.0, 1.0, 0.5)), "none")
    half, quarter = LONGEST_SIDE // 2, LONGEST_SIDE // 4
    assert [(strip.view.name, strip.width, strip.height) for strip in drawn.strips] == [
        ("axial", quarter, half),
        ("coronal", quarter, LONGEST_SIDE),
        ("sagittal", half, LONGEST_SIDE),
    ]
    for strip in drawn.strips:
        assert image(drawn, f"{strip.view.name}-brain.jpg").size == (strip.n * strip.width, strip.height)
        assert len(strip.places_mm) == strip.n


def test_air_is_black_and_the_brighter_half_lies_on_its_side(tmp_path: Path) -> None:
    drawn = pictures_of(stored(tmp_path, head(), HU), "none")
    axial = np.asarray(image(drawn, "thumb.jpg").convert("L"))
    quarter = LONGEST_SIDE // 4
    assert axial[8, 8] < 8
    assert abs(int(axial[2 * quarter, 3 * quarter // 2]) - 142) < 12
    assert axial[2 * quarter, 5 * quarter // 2] > 220


def test_slices_are_capped_in_number_and_a_strip_in_width(tmp_path: Path) -> None:
    drawn = pictures_of(stored(tmp_path, np.zeros((300, 4, 300), np.int16), HU), "none")
    assert [strip.n for strip in drawn.strips] == [MOST_FRAMES, 4, MOST_FRAMES]
    assert MOST_FRAMES * LONGEST_SIDE < JPEG_LIMIT


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_animations_show_every_slice_of_each_view(tmp_path: Path, kind: Any) -> None:
    noise = np.random.default_rng(1).normal(40, 90, (6, 20, 22)).astype(np.int16)
    drawn = pictures_of(stored(tmp_path, noise, HU), kind)
    assert drawn.animations == tuple(f"moving-{view}.{kind}" for view in ("axial", "coronal", "sagittal"))
    assert image(drawn, drawn.animations[0]).format == kind.upper()
    assert [image(drawn, name).n_frames for name in drawn.animations] == [6, 20, 22]
    assert [strip.n for strip in drawn.strips] == [6, 20, 22]


def test_no_animation_is_made_where_none_is_wanted(tmp_path: Path) -> None:
    drawn = pictures_of(stored(tmp_path, head(), HU), "none")
    assert drawn.animations == ()
    assert len(drawn.files) == 3 * 2 + 1


@pytest.mark.parametrize("channels", [None, ("soft", "bone")])
def test_normalised_values_are_shown_in_hounsfield_units(tmp_path: Path, channels: tuple[str, ...] | None) -> None:
    inverse: dict[str, float] = {"a": 1400.0, "b": -1000.0}
    values = ((head() + 1000) / 1400).astype(np.float32)
    array = values if channels is None else np.stack([values, values[::-1]])
    attributes = {"units": "normalised", "inverse": inverse if channels is None else [inverse, inverse]}
    normalised = pictures_of(stored(tmp_path, array, attributes, channels=channels), "none")
    (tmp_path / "hu").mkdir()
    assert normalised == pictures_of(stored(tmp_path / "hu", head(), HU), "none")


def test_packed_integers_are_unpacked_before_they_are_turned_back(tmp_path: Path) -> None:
    attributes = {"units": "normalised", "inverse": {"a": 1400.0, "b": -1000.0}}
    packed = stored(tmp_path, head(), attributes, scale_factor=1 / 1400, add_offset=1000 / 1400)
    window = pictures_of(packed, "none").windows[0]
    assert window.name == SOFT_TISSUE.name
    assert (window.low, window.high) == pytest.approx((-160, 200), abs=0.01)


def test_a_volume_of_one_value_or_one_voxel_across_still_has_pictures(tmp_path: Path) -> None:
    drawn = pictures_of(stored(tmp_path, np.zeros((1000, 1, 1), np.int16), HU), "webp")
    assert [(strip.width, strip.height) for strip in drawn.strips] == [(1, 1), (1, LONGEST_SIDE), (1, LONGEST_SIDE)]


def test_a_volume_finer_than_any_picture_of_it_is_sampled_in_steps_and_keeps_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pictures_of(stored(tmp_path, head(), HU), "none")
    monkeypatch.setattr(pictures, "MOST_SAMPLED", 20)
    (tmp_path / "steps").mkdir()
    coarse = pictures_of(stored(tmp_path / "steps", head(), HU), "none")
    assert [(strip.width, strip.height) for strip in coarse.strips] == [
        (strip.width, strip.height) for strip in whole.strips
    ]


SHAPE = Zyx(4, 5, 6)
LPS = Geometry(SHAPE, Zyx(3.0, 2.0, 1.0), Xyz(0, 0, 0), Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0)))
VOXELS = np.arange(4 * 5 * 6).reshape(SHAPE)
AXIAL, CORONAL, SAGITTAL = VIEWS


def sample(array: np.ndarray, geometry: Geometry, view: View, n_planes: int) -> Planes:
    sampler = PlaneSampler(geometry, n_planes)
    for z, plane in enumerate(array):
        sampler.put(z, plane)
    return sampler.planes()[VIEWS.index(view)]


def test_axial_planes_begin_at_the_head_and_show_the_front_at_the_top_and_the_right_on_the_left() -> None:
    planes = sample(VOXELS, LPS, AXIAL, 2)
    assert np.array_equal(planes.values, VOXELS[[3, 0]])
    assert (planes.height_mm, planes.width_mm, planes.places_mm) == (10, 6, (9, 0))


def test_coronal_planes_begin_at_the_front_and_show_the_head_at_the_top_and_the_right_on_the_left() -> None:
    planes = sample(VOXELS, LPS, CORONAL, 2)
    assert np.array_equal(planes.values, [VOXELS[::-1, 0], VOXELS[::-1, 4]])
    assert (planes.height_mm, planes.width_mm, planes.places_mm) == (12, 6, (0, 8))


def test_sagittal_planes_begin_on_the_right_and_show_the_head_at_the_top_and_the_front_on_the_left() -> None:
    planes = sample(VOXELS, LPS, SAGITTAL, 2)
    assert np.array_equal(planes.values, [VOXELS[::-1, :, 0], VOXELS[::-1, :, 5]])
    assert (planes.height_mm, planes.width_mm, planes.places_mm) == (12, 10, (0, 5))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_any_orientation_of_the_array_gives_the_same_pictures(view: View) -> None:
    expected = sample(VOXELS, LPS, view, 3)
    for order, steps in product(permutations(range(3)), product((1, -1), repeat=3)):
        start = Zyx(*(0 if step > 0 else n - 1 for step, n in zip(steps, SHAPE, strict=True)))
        turned = LPS.regrid(start, Zyx(*steps), SHAPE).permute(Zyx(*order))
        array = VOXELS[tuple(slice(None, None, step) for step in steps)].transpose(order)
        planes = sample(array, turned, view, 3)
        assert np.array_equal(planes.values, expected.values)
        assert (planes.height_mm, planes.width_mm) == (expected.height_mm, expected.width_mm)
        assert planes.places_mm == expected.places_mm


def test_pictures_that_were_written_are_found_again_for_the_same_store_alone(tmp_path: Path) -> None:
    drawn = pictures_of(stored(tmp_path, head(), HU), "none")
    write_pictures(tmp_path / "report", drawn, "abc")
    found = read_pictures(tmp_path / "report", "abc", "none")
    assert found is not None
    assert (found.windows, found.strips, found.files.keys()) == (drawn.windows, drawn.strips, drawn.files.keys())
    assert read_pictures(tmp_path / "report", "another", "none") is None
    assert read_pictures(tmp_path / "report", "abc", "gif") is None
    (tmp_path / "report" / "thumb.jpg").unlink()
    assert read_pictures(tmp_path / "report", "abc", "none") is None


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16"])
def test_numbers_of_two_bytes_are_looked_up_as_they_are_computed(dtype: str) -> None:
    scale = StoredScale(12.5, -1000.0, in_hu=True)
    numbers = np.arange(0, 120).astype(dtype)
    assert np.array_equal(scale.greys(numbers, SOFT_TISSUE), SOFT_TISSUE.grey(scale.values(numbers)))
