from pathlib import Path

import numpy as np
import zarr

from pipeline.output.durable import hash_store
from pipeline.store.arrays import write_labels
from pipeline.store.layout import StoreOptions

LABELS = {
    "organs": np.random.default_rng(0).integers(0, 300, (9, 20, 17)).astype(np.uint16),
    "gtv": np.pad(np.ones((3, 4, 5), np.uint8), 6),
}


def test_labels_are_arrays_of_their_own_names_types_and_shapes(tmp_path: Path) -> None:
    write_labels(zarr.create_group(tmp_path / "s.zarr", zarr_format=3), LABELS, StoreOptions(chunks=(4, 8, 8)))
    group = zarr.open_group(tmp_path / "s.zarr", mode="r")
    for name, array in LABELS.items():
        written = group[f"labels/{name}"]
        assert isinstance(written, zarr.Array)
        assert (written.dtype, written.fill_value, written.metadata.dimension_names) == (
            array.dtype,
            0,
            ("z", "y", "x"),
        )
        np.testing.assert_array_equal(written[...], array)


def test_without_labels_there_is_no_folder_of_them(tmp_path: Path) -> None:
    write_labels(zarr.create_group(tmp_path / "s.zarr", zarr_format=3), {}, StoreOptions())
    assert not (tmp_path / "s.zarr" / "labels").exists()


def test_the_same_labels_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    for name, labels in (("a", LABELS), ("b", dict(reversed(LABELS.items())))):
        write_labels(zarr.create_group(tmp_path / name, zarr_format=3), labels, StoreOptions())
    assert hash_store(tmp_path / "a") == hash_store(tmp_path / "b")
