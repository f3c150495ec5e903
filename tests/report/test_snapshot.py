from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from stores import StoreContent, write_store

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.report.pictures import GAP, SNAPSHOT_SIDE, snapshot_of
from pipeline.store.layout import StoreOptions
from pipeline.store.read import StoredVolume, open_store

AXES = Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0))
HU = {"units": "HU", "inverse": None}


def stored(
    folder: Path, voxels: NDArray[Any], spacing_mm: Zyx[float], attributes: dict[str, Any] = HU, **content: Any
) -> StoredVolume:
    geometry = Geometry(Zyx(*voxels.shape[-3:]), spacing_mm, Xyz(0, 0, 0), AXES)
    measured = np.ones(geometry.shape, np.bool_)
    given = StoreContent(array=voxels, valid=measured, geometry=geometry, attributes=attributes, **content)
    write_store(folder / "volume.zarr", given, StoreOptions())
    return open_store(folder / "volume.zarr")


def opened(png: bytes) -> NDArray[np.uint8]:
    image = Image.open(BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image)


def halves() -> NDArray[np.int16]:
    """Soft tissue, the patient's left half brighter."""
    voxels = np.zeros((10, 20, 20), np.int16)
    voxels[:, :, 10:] = 200
    return voxels


def test_three_planes_stand_beside_each_other_at_one_scale(tmp_path: Path) -> None:
    sheet = opened(snapshot_of(stored(tmp_path, halves(), Zyx(4.0, 1.0, 1.0))))
    assert sheet.shape == (40, 20 + 20 + 20 + 2 * GAP)
    assert sheet[5, 2] < sheet[5, 17]
    assert not sheet[:, 20 : 20 + GAP].any()


def test_a_large_volume_is_shown_at_a_bounded_size(tmp_path: Path) -> None:
    sheet = opened(snapshot_of(stored(tmp_path, halves(), Zyx(0.001, 1.0, 1.0))))
    assert sheet.shape[0] == SNAPSHOT_SIDE


def test_of_channels_the_first_is_shown(tmp_path: Path) -> None:
    channels = np.stack([halves(), np.zeros_like(halves())])
    sheet = opened(snapshot_of(stored(tmp_path, channels, Zyx(1.0, 1.0, 1.0), channels=("soft", "none"))))
    assert sheet[5, 2] < sheet[5, 17]
