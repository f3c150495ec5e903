from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05.image_label import ImageLabel
from ome_zarr_models.v05.labels import Labels as LabelsGroup

from pipeline.geometry import LPS_AXES, Geometry, Xyz, Zyx
from pipeline.output.durable import hash_store
from pipeline.store.labels import LabelImage, write_labels
from pipeline.store.layout import StoreOptions
from pipeline.store.read import _open_labels

FINE = Geometry(Zyx(9, 20, 17), Zyx(2.0, 1.0, 1.0), Xyz(1.0, 2.0, 3.0), LPS_AXES)
COARSE = Geometry(Zyx(5, 10, 9), Zyx(4.0, 2.0, 2.0), Xyz(1.0, 2.0, 3.0), LPS_AXES)
ORGANS = np.random.default_rng(0).integers(0, 300, tuple(FINE.shape)).astype(np.uint16)
LAYERS = np.arange(2 * prod(FINE.shape), dtype=np.uint8).reshape(2, *FINE.shape) % 2
NAMES = {2: "second", 1: "first"}
IMAGES = {"organs": LabelImage((ORGANS,)), "gtv": LabelImage((LAYERS,), NAMES)}


def write(path: Path, images: dict[str, LabelImage], grids: tuple[Geometry, ...] = (FINE,)) -> zarr.Group:
    write_labels(zarr.create_group(path, zarr_format=3), images, grids, StoreOptions(chunks=(4, 8, 8)))
    return zarr.open_group(path, mode="r")


def test_label_images_have_their_own_types_and_shapes(tmp_path: Path) -> None:
    group = write(tmp_path / "s.zarr", IMAGES)
    for name, image in IMAGES.items():
        written: Any = group[f"labels/{name}/0"]
        (array,) = image.levels
        assert (written.dtype, written.fill_value) == (array.dtype, 0)
        assert written.metadata.dimension_names == ("c", "z", "y", "x")[-array.ndim :]
        np.testing.assert_array_equal(written[...], array)
    assert set(_open_labels(group)) == {"organs", "gtv"}


def test_labels_list_their_members_and_each_is_a_label_image(tmp_path: Path) -> None:
    group = write(tmp_path / "s.zarr", {"organs": LabelImage((ORGANS, ORGANS[::2, ::2, ::2]))}, (FINE, COARSE))
    labels: Any = group["labels"]
    assert labels.attrs["ome"] == {"version": "0.5", "labels": ["organs"]}
    assert ImageLabel.from_zarr(labels["organs"]).ome_attributes.image_label is not None
    assert LabelsGroup.from_zarr(labels).label_paths == ["organs"]
    described = labels["organs"].attrs["ome"]
    assert described["image-label"] == {"source": {"image": "../../"}}
    (image,) = described["multiscales"]
    assert [axis["name"] for axis in image["axes"]] == ["z", "y", "x"]
    scales = [dataset["coordinateTransformations"][0]["scale"] for dataset in image["datasets"]]
    assert scales == [[2, 1, 1], [4, 2, 2]]
    assert [labels[f"organs/{dataset['path']}"].shape for dataset in image["datasets"]] == [(9, 20, 17), (5, 10, 9)]


def test_regions_that_the_configuration_names_have_their_names_in_the_store(tmp_path: Path) -> None:
    images = IMAGES | {"flat": LabelImage((ORGANS,), NAMES)}
    group: Any = write(tmp_path / "s.zarr", images)
    assert group["labels/flat"].attrs["ome"]["image-label"]["properties"] == [
        {"label-value": 1, "name": "first"},
        {"label-value": 2, "name": "second"},
    ]
    layered = group["labels/gtv"].attrs
    assert [axis["type"] for axis in layered["ome"]["multiscales"][0]["axes"]] == ["channel", *["space"] * 3]
    assert "properties" not in layered["ome"]["image-label"]
    assert layered["ctprep"] == {"layers": ["first", "second"]}


def test_without_labels_there_is_no_folder_of_them(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", {})
    assert not (tmp_path / "s.zarr" / "labels").exists()


def test_the_same_labels_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    write(tmp_path / "a", IMAGES)
    write(tmp_path / "b", dict(reversed(IMAGES.items())))
    assert hash_store(tmp_path / "a") == hash_store(tmp_path / "b")


@pytest.mark.parametrize("name", ["plain"])
def test_plain_arrays_of_older_stores_are_read(tmp_path: Path, name: str) -> None:
    group = zarr.create_group(tmp_path / "s.zarr", zarr_format=3)
    group.create_group("labels").create_array(name, data=ORGANS, chunks=(4, 8, 8))
    np.testing.assert_array_equal(_open_labels(group)[name][...], ORGANS)
