from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ome_zarr_models.v05.image_label import ImageLabel
from ome_zarr_models.v05.labels import Labels as LabelsGroup
from stores import ATTRIBUTES, CHUNKED, SHAPE, content, data_files, write_store

from pipeline.errors import SeriesRefusedError
from pipeline.geometry import LPS_AXES, Geometry, Xyz, Zyx
from pipeline.output.durable import hash_store, size_of_store
from pipeline.store import write
from pipeline.store.layout import StoreOptions
from pipeline.store.read import _open_labels, open_store
from pipeline.store.write import LabelImage, write_labels
from pipeline.vocabulary import Reason


@pytest.mark.parametrize("dtype", ["int16", "uint8", "uint16", "float16", "float32"])
@pytest.mark.parametrize("shards", ["auto", None, (2, 16, 32), (200, 160, 160)])
def test_a_store_is_read_as_it_was_written(tmp_path: Path, dtype: str, shards: Any) -> None:
    written = content(dtype=dtype)
    receipt = write_store(tmp_path / "s", written, replace(CHUNKED, shards=shards))
    store = open_store(tmp_path / "s")
    assert store.array.dtype == dtype
    np.testing.assert_array_equal(store.array[...], written.array)
    np.testing.assert_array_equal(store.mask[...], written.valid)
    assert store.mask.dtype == "uint8"
    assert store.geometry == written.geometry
    assert receipt.sha256 == hash_store(tmp_path / "s")
    assert receipt.n_bytes == size_of_store(tmp_path / "s")


def test_zarr_settings_do_not_change_bytes(tmp_path: Path) -> None:
    first = write_store(tmp_path / "a", content(), CHUNKED)
    with zarr.config.set({"array.write_empty_chunks": True, "array.order": "F", "json_indent": None}):
        second = write_store(tmp_path / "b", content(array=np.asfortranarray(content().array)), CHUNKED)
    assert first == second


def test_another_voxel_or_name_gives_another_hash(tmp_path: Path) -> None:
    changed = content().array.copy()
    changed[4, 19, 29] += 1
    contents = (content(), content(array=changed), content(attributes=ATTRIBUTES | {"series_key": "00fe"}))
    hashes = {write_store(tmp_path / str(n), each, CHUNKED).sha256 for n, each in enumerate(contents)}
    assert len(hashes) == 3


def test_the_attributes_describe_the_array_and_its_position(tmp_path: Path) -> None:
    write_store(tmp_path / "s", content(), CHUNKED)
    attributes = open_store(tmp_path / "s").attributes
    assert attributes.items() >= ATTRIBUTES.items()
    assert (attributes["format"], attributes["format_version"]) == ("ctprep-volume", 1)
    assert attributes["spacing_mm"] == [2.5, 0.8, 0.7]
    assert attributes["origin_mm"] == [-11.2, -12.8, -100.0]
    assert attributes["affine_lps"] == [[0, 0, 0.7, -11.2], [0, 0.8, 0, -12.8], [2.5, 0, 0, -100], [0, 0, 0, 1]]
    assert attributes["affine_ras"] == [[0, 0, -0.7, 11.2], [0, -0.8, 0, 12.8], [2.5, 0, 0, -100], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("option", "all_measured", "expected"),
    [("auto", True, False), ("auto", False, True), (True, True, True), (False, False, False)],
)
def test_a_mask_is_written_if_a_voxel_is_invalid_or_on_request(
    tmp_path: Path, option: Any, *, all_measured: bool, expected: bool
) -> None:
    valid = np.ones(SHAPE, bool) if all_measured else content().valid
    write_store(tmp_path / "s", content(valid=valid), replace(CHUNKED, mask=option))
    assert (open_store(tmp_path / "s").mask is not None) is expected


def test_padding_compresses_to_little_and_reads_as_padding(tmp_path: Path) -> None:
    padding = np.full((64, 64, 64), -1024, np.int16)
    written = content(shape=padding.shape, array=padding, fill_value=-1024.0)
    write_store(tmp_path / "s", written, StoreOptions(mask=False))
    assert sum(path.stat().st_size for path in data_files(tmp_path / "s")) < padding.nbytes / 200
    np.testing.assert_array_equal(open_store(tmp_path / "s").array[...], padding)


def test_a_failed_series_leaves_no_folder(tmp_path: Path) -> None:
    written = content()

    def failing(z: int) -> Any:
        if z == 3:
            raise SeriesRefusedError(Reason.PIXEL_DECODE, "")
        return written.plane(z)

    given = write.StoreContent(planes=failing, dtype="int16", geometry=written.geometry)
    with pytest.raises(SeriesRefusedError), write.create_store(tmp_path / "s", CHUNKED) as store:
        store.write(given)
    assert list(tmp_path.iterdir()) == []


def test_a_mask_that_begins_late_is_whole_before(tmp_path: Path) -> None:
    valid = np.ones(SHAPE, bool)
    valid[4, 3, 2] = False
    write_store(tmp_path / "s", content(valid=valid), replace(CHUNKED, shards=(2, 32, 32)))
    np.testing.assert_array_equal(open_store(tmp_path / "s").mask[...], valid)


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        write_store(tmp_path, content(), CHUNKED)


def test_an_attribute_that_is_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_store(tmp_path / "s", content(attributes={"inverse": float("nan")}), CHUNKED)


def test_planes_are_requested_once_in_order(tmp_path: Path) -> None:
    written, asked = content(), []

    def plane(z: int) -> Any:
        asked.append(z)
        return written.plane(z)

    given = write.StoreContent(planes=plane, dtype="int16", geometry=written.geometry)
    with write.create_store(tmp_path / "s", CHUNKED) as store:
        store.write(given)
        store.finish(given, ATTRIBUTES)
    assert asked == list(range(SHAPE[0]))


def test_a_plane_may_be_reused_after_it_was_added(tmp_path: Path) -> None:
    written = content()
    reused, mask = np.empty((1, *SHAPE[1:]), np.int16), np.empty(SHAPE[1:], np.bool_)

    def plane(z: int) -> Any:
        reused[:], mask[:] = written.array[z], written.valid[z]
        return reused, mask

    given = write.StoreContent(planes=plane, dtype="int16", geometry=written.geometry)
    with write.create_store(tmp_path / "s", CHUNKED) as store:
        store.write(given)
        store.finish(given, ATTRIBUTES)
    np.testing.assert_array_equal(open_store(tmp_path / "s").array[...], written.array)
    np.testing.assert_array_equal(open_store(tmp_path / "s").mask[...], written.valid)


def test_a_store_refused_at_its_end_leaves_no_folder(tmp_path: Path) -> None:
    written = content()
    given = write.StoreContent(planes=written.plane, dtype="int16", geometry=written.geometry)

    def refused() -> None:
        with write.create_store(tmp_path / "s", CHUNKED) as store:
            store.write(given)
            assert data_files(tmp_path / "s")
            raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, "")

    with pytest.raises(SeriesRefusedError):
        refused()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shards", ["auto", None, (2, 16, 32)])
@pytest.mark.parametrize("dtype", ["int16", "float16"])
def test_the_number_of_threads_does_not_change_bytes(tmp_path: Path, shards: Any, dtype: str) -> None:
    options = replace(CHUNKED, shards=shards)
    first = write_store(tmp_path / "a", content(dtype=dtype), options)
    with zarr.config.set({"threading.max_workers": 4, "async.concurrency": 16}):
        assert write_store(tmp_path / "b", content(dtype=dtype), options) == first


FINE = Geometry(Zyx(9, 20, 17), Zyx(2.0, 1.0, 1.0), Xyz(1.0, 2.0, 3.0), LPS_AXES)
COARSE = Geometry(Zyx(5, 10, 9), Zyx(4.0, 2.0, 2.0), Xyz(1.0, 2.0, 3.0), LPS_AXES)
ORGANS = np.random.default_rng(0).integers(0, 300, tuple(FINE.shape)).astype(np.uint16)
LAYERS = np.arange(2 * prod(FINE.shape), dtype=np.uint8).reshape(2, *FINE.shape) % 2
NAMES = {2: "second", 1: "first"}
IMAGES = {"organs": LabelImage((ORGANS,)), "gtv": LabelImage((LAYERS,), NAMES)}


def write_images(path: Path, images: dict[str, LabelImage], grids: tuple[Geometry, ...] = (FINE,)) -> zarr.Group:
    write_labels(zarr.create_group(path, zarr_format=3), images, grids, StoreOptions(chunks=(4, 8, 8)))
    return zarr.open_group(path, mode="r")


def test_label_images_have_their_own_types_and_shapes(tmp_path: Path) -> None:
    group = write_images(tmp_path / "s.zarr", IMAGES)
    for name, image in IMAGES.items():
        written: Any = group[f"labels/{name}/0"]
        (array,) = image.levels
        assert (written.dtype, written.fill_value) == (array.dtype, 0)
        assert written.metadata.dimension_names == ("c", "z", "y", "x")[-array.ndim :]
        np.testing.assert_array_equal(written[...], array)
    assert set(_open_labels(group)) == {"organs", "gtv"}


def test_labels_list_their_members_and_each_is_a_label_image(tmp_path: Path) -> None:
    group = write_images(tmp_path / "s.zarr", {"organs": LabelImage((ORGANS, ORGANS[::2, ::2, ::2]))}, (FINE, COARSE))
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
    group: Any = write_images(tmp_path / "s.zarr", images)
    assert group["labels/flat"].attrs["ome"]["image-label"]["properties"] == [
        {"label-value": 1, "name": "first"},
        {"label-value": 2, "name": "second"},
    ]
    layered = group["labels/gtv"].attrs
    assert [axis["type"] for axis in layered["ome"]["multiscales"][0]["axes"]] == ["channel", *["space"] * 3]
    assert "properties" not in layered["ome"]["image-label"]
    assert layered["ctprep"] == {"layers": ["first", "second"]}


def test_without_labels_there_is_no_folder_of_them(tmp_path: Path) -> None:
    write_images(tmp_path / "s.zarr", {})
    assert not (tmp_path / "s.zarr" / "labels").exists()


def test_the_same_labels_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    write_images(tmp_path / "a", IMAGES)
    write_images(tmp_path / "b", dict(reversed(IMAGES.items())))
    assert hash_store(tmp_path / "a") == hash_store(tmp_path / "b")


@pytest.mark.parametrize("name", ["plain"])
def test_plain_arrays_of_older_stores_are_read(tmp_path: Path, name: str) -> None:
    group = zarr.create_group(tmp_path / "s.zarr", zarr_format=3)
    group.create_group("labels").create_array(name, data=ORGANS, chunks=(4, 8, 8))
    np.testing.assert_array_equal(_open_labels(group)[name][...], ORGANS)
