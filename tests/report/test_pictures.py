from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.axes import Xyz, Zyx
from pipeline.geometry import Geometry
from pipeline.report.pictures import LONGEST_SIDE, LUNG, SOFT_TISSUE, Picture, hu_line, pictures_of, window_for
from pipeline.store import StoreContent, StoredVolume, StoreOptions, open_store, write_store

AXES = Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0))
HU = {"units": "HU", "inverse": None}


def stored(folder: Path, voxels: np.ndarray, attributes: dict[str, Any], **content: Any) -> StoredVolume:
    spacing_mm = content.pop("spacing_mm", Zyx(1.0, 1.0, 1.0))
    geometry = Geometry(Zyx(*voxels.shape[-3:]), spacing_mm, Xyz(0, 0, 0), AXES)
    measured = np.ones(geometry.shape, np.bool_)
    given = StoreContent(array=voxels, measured=measured, geometry=geometry, attributes=attributes, **content)
    write_store(folder / "volume.zarr", given, StoreOptions())
    return open_store(folder / "volume.zarr")


def grey_of(picture: Picture) -> np.ndarray:
    head, data = picture.uri.split(",")
    assert head == "data:image/webp;base64"
    return np.asarray(Image.open(BytesIO(b64decode(data))).convert("L"))


def head(shape: tuple[int, int, int] = (20, 40, 40)) -> np.ndarray:
    """Air, and in its middle a block of soft tissue that reaches through all slices and has a bright left half."""
    voxels = np.full(shape, -1000, np.int16)
    voxels[:, 10:30, 10:30] = 40
    voxels[:, 10:30, 20:30] = 200
    return voxels


def test_pictures_have_the_proportions_of_the_patient_and_one_scale(tmp_path: Path) -> None:
    pictures = pictures_of(stored(tmp_path, head(), HU, spacing_mm=Zyx(4.0, 1.0, 0.5)))
    assert [(p.view.name, p.width, p.height) for p in pictures.planes] == [
        ("axial", 80, 160),
        ("coronal", 80, LONGEST_SIDE),
        ("sagittal", 160, LONGEST_SIDE),
    ]
    assert all(grey_of(p).shape == (p.height, p.width) for p in pictures.planes)


def test_air_is_black_and_the_brighter_half_lies_on_its_side(tmp_path: Path) -> None:
    axial = grey_of(pictures_of(stored(tmp_path, head(), HU)).planes[0])
    assert axial[10, 10] < 8
    assert abs(int(axial[160, 120]) - 142) < 12
    assert axial[160, 200] > 220


@pytest.mark.parametrize("channels", [None, ("soft", "bone")])
def test_normalised_values_are_shown_in_hounsfield_units(tmp_path: Path, channels: tuple[str, ...] | None) -> None:
    inverse: dict[str, float] = {"a": 1400.0, "b": -1000.0}
    values = ((head() + 1000) / 1400).astype(np.float32)
    array = values if channels is None else np.stack([values, values[::-1]])
    attributes = {"units": "normalised", "inverse": inverse if channels is None else [inverse, inverse]}
    normalised = pictures_of(stored(tmp_path, array, attributes, channels=channels))
    (tmp_path / "hu").mkdir()
    assert normalised == pictures_of(stored(tmp_path / "hu", head(), HU))


def test_packed_integers_are_unpacked_before_they_are_turned_back(tmp_path: Path) -> None:
    attributes = {"units": "normalised", "inverse": {"a": 1400.0, "b": -1000.0}}
    packed = pictures_of(stored(tmp_path, head(), attributes, scale_factor=1 / 1400, add_offset=1000 / 1400))
    assert packed.window.name == SOFT_TISSUE.name
    assert (packed.window.low, packed.window.high) == pytest.approx((-160, 200), abs=0.01)


def test_values_without_a_way_back_are_shown_between_their_own_extremes(tmp_path: Path) -> None:
    z_scores = np.linspace(-2, 2, 20 * 40 * 40, dtype=np.float32).reshape(20, 40, 40)
    window = pictures_of(stored(tmp_path, z_scores, {"units": "normalised", "inverse": None})).window
    assert (window.name, window.unit) == ("stored values", "")
    assert -2 <= window.low < -1.5
    assert 1.5 < window.high <= 2


def test_a_volume_of_one_value_still_has_pictures(tmp_path: Path) -> None:
    flat = np.zeros((3, 4, 5), np.float32)
    assert len(pictures_of(stored(tmp_path, flat, {"units": "normalised", "inverse": None})).planes) == 3


def test_a_line_as_long_as_a_thousand_voxels_is_at_least_a_pixel_wide(tmp_path: Path) -> None:
    planes = pictures_of(stored(tmp_path, np.zeros((1000, 1, 1), np.int16), HU)).planes
    assert [(plane.width, plane.height) for plane in planes] == [(1, 1), (1, LONGEST_SIDE), (1, LONGEST_SIDE)]


def test_a_chest_gets_the_lung_window_and_a_leg_on_a_mat_that_of_soft_tissue() -> None:
    chest = np.full((40, 40), 40, np.float32)
    chest[10:30, 12:20] = -800
    leg = np.full((40, 40), 40, np.float32)
    leg[32:] = -800
    leg[0, 0] = chest[0, 0] = -1000
    assert (window_for([chest], in_hu=True).name, window_for([leg], in_hu=True).name) == (LUNG.name, SOFT_TISSUE.name)


def test_a_window_is_no_wider_than_what_the_values_were_clipped_to() -> None:
    window = window_for([np.float32([[0, 40, 80]])], in_hu=True)
    assert (window.low, window.high) == (0, 80)


def test_the_way_back_to_hounsfield_units_is_that_of_the_first_channel() -> None:
    line = {"a": 2.0, "b": -5.0}
    assert hu_line({"units": "HU"}) == (1, 0)
    assert hu_line({"units": "normalised", "inverse": line}) == (2, -5)
    assert hu_line({"units": "normalised", "inverse": [line, None]}) == (2, -5)
    assert hu_line({"units": "normalised", "inverse": [None, line]}) is None
    assert hu_line({"units": "normalised"}) is None
