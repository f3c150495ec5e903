"""Volumes of an output in a bucket: parts are read where they lie."""

import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.dataset import Cohort, open_cohort
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from bucket_server import BucketServer


def test_patches_labels_and_values_are_those_of_the_folder(
    server: "BucketServer", packed: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTPREP_CACHE", str(tmp_path))
    root = packed.output.root
    bucket = server.opened("out")
    for path in root.rglob("*"):
        if path.is_file() and "private" not in path.parts:
            bucket.put(path.relative_to(root).as_posix(), path)
    far = open_cohort(f"{bucket.address}")
    assert far.keys == packed.keys
    volume, here = far.volume(far.keys[0]), packed.volume(far.keys[0])
    for start, shape in (((2, 5, 9), (6, 20, 9)), ((-1, 30, 0), (4, 9, 32))):
        np.testing.assert_array_equal(volume.patch(start, shape), here.patch(start, shape))
        np.testing.assert_array_equal(
            volume.label_patch("lesion", start, shape), here.label_patch("lesion", start, shape)
        )
        np.testing.assert_array_equal(volume.label_patch("mask", start, shape), here.label_patch("mask", start, shape))
    np.testing.assert_array_equal(volume.values(), here.values())
    assert pickle.loads(pickle.dumps(far)).volume(far.keys[0]).geometry == here.geometry  # noqa: S301  its own
    with pytest.raises(UsageError, match="lies in a bucket"):
        volume.array  # noqa: B018  it cannot be opened
