"""Slices that end in zeros, as in a copy that was given its size and not finished."""

from pathlib import Path

import numpy as np
import pytest
from phantoms import write_series
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless
from stored_slices import headers_of

from pipeline.dicom.pixels.hounsfield import SliceSource
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.stack import build_stack
from pipeline.errors import SeriesRefusedError
from pipeline.vocabulary import SeriesWarning

AIR_STORED_AS_0 = -1024
N, ROWS, COLUMNS = 4, 32, 32


def is_suspect(*paths: Path) -> bool:
    facts = SliceSource(build_stack(headers_of(*paths)), Policy()).facts()
    return SeriesWarning.W_PIXELS_SUSPECT in facts.warnings


def put_zeros(path: Path, n_bytes: int) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-n_bytes] + bytes(n_bytes))


@pytest.mark.parametrize(("n_bytes", "expected"), [(600, True), (1500, True), (40, False)])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("k", [0, 2])
def test_a_slice_that_ends_in_zeros_is_suspect(
    tmp_path: Path, n_bytes: int, k: int, *, signed: bool, expected: bool
) -> None:
    paths = write_series(tmp_path, n=N, signed=signed, bits_stored=16, intercept=0 if signed else -1024).paths
    assert not is_suspect(*paths)
    put_zeros(paths[k], n_bytes)
    assert is_suspect(*paths) is expected


def test_air_that_is_stored_as_zero_in_all_slices_is_not_suspect(tmp_path: Path) -> None:
    hu = np.full((N, ROWS, COLUMNS), AIR_STORED_AS_0, np.int16)
    for z in range(N):
        hu[z, 4 : 12 + 4 * z, 4:28] = 40 + z
    assert not is_suspect(*write_series(tmp_path, hu=hu, n=N).paths)


def test_zero_that_means_air_in_some_slices_only_is_not_suspect(tmp_path: Path) -> None:
    hu = np.full((N, ROWS, COLUMNS), -1000, np.int16)
    hu[:, 4:20, 4:28] = 40

    def shift(dataset: Dataset, z: int) -> None:
        if z == 1:
            stored = np.frombuffer(dataset.PixelData, "<u2") - 24
            dataset.PixelData, dataset.RescaleIntercept = stored.astype("<u2").tobytes(), -1000

    assert not is_suspect(*write_series(tmp_path, hu=hu, n=N, change=shift).paths)


def test_a_codestream_that_ends_in_zeros_is_suspect_or_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path, n=N, transfer_syntax=JPEG2000Lossless).paths
    assert not is_suspect(*paths)
    put_zeros(paths[1], 200)
    try:
        is_accepted_as_it_is = not is_suspect(*paths)
    except SeriesRefusedError:
        is_accepted_as_it_is = False
    assert not is_accepted_as_it_is
