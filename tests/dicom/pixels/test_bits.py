"""Bits above BitsStored, in slices as archives hold them: what is read, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from headers import SOUND, changed
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from stored_slices import LIMITS, one_slice

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.dicom.pixels.stored import StoredSlice, correct_bits, read_stored
from pipeline.errors import SeriesRefusedError
from pipeline.vocabulary import Reason

Plane = NDArray[np.int64]
SIZE = 96


def body(noise_hu: float = 10, *, sharp: bool = False) -> Plane:
    """Return a body in air in HU [y, x]: fat, tissue and a bone; its edges are as soft as a scanner's unless sharp."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    inside = np.clip(35 - np.hypot(x, y), 0, 2) / 2
    bone = np.clip(8 - np.hypot(x - 14, y), 0, 3) / 3
    if sharp:
        inside, bone = np.rint(inside), np.rint(bone)
    noise = np.random.default_rng(1).normal(0, noise_hu, (SIZE, SIZE))
    return np.rint(-1000 + 1040 * inside + 900 * bone + noise).clip(-1024).astype(np.int64)


def implant(hu: Plane, top_hu: float, *, sharp: bool = False) -> Plane:
    """Put a rod of metal of ``top_hu`` into a body, three pixels from tissue to metal unless sharp."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    width = 0.01 if sharp else 6
    metal = np.clip((9 - np.hypot(x + 12, y)) / width, 0, 1)
    return np.rint(hu + metal * (top_hu - 40)).astype(np.int64)


def header(*, signed: bool, intercept: int | None = None, bits: int = 12, **pixels: Any) -> SliceHeader:
    intercept = (0 if signed else -1024) if intercept is None else intercept
    size = {"rows": SIZE, "columns": SIZE, "bits_stored": bits, "high_bit": bits - 1, "signed": signed}
    return changed(SOUND, pixels=size | pixels, rescale={"intercept": intercept})


def read(raw: Plane, of: SliceHeader) -> Plane:
    """Return the HU that are read from 16 bits a pixel."""
    frame = raw.astype(np.int16 if of.pixels.signed else np.uint16)
    return correct_bits(StoredSlice.of(frame), of).plane + int(of.rescale.intercept)


def is_refused(raw: Plane, of: SliceHeader) -> bool:
    with pytest.raises(SeriesRefusedError) as caught:
        read(raw, of)
    assert "BitsStored" in caught.value.detail
    return caught.value.reason is Reason.PIXEL_FORMAT


def drawing() -> Plane:
    """Return the pixels [y, x] of an overlay, 1 or 0: a frame and a cross, over air, tissue and bone."""
    marks = np.zeros((SIZE, SIZE), np.int64)
    marks[20:76:55, 20:76] = marks[20:76, 20:76:55] = 1
    marks[48, 30:70] = marks[30:70, 48] = 1
    return marks


SIGNS = pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])


@SIGNS
def test_metal_that_needs_more_bits_is_read_wide(*, signed: bool) -> None:
    of = header(signed=signed)
    hu = implant(body(), 5000)
    np.testing.assert_array_equal(read(hu - int(of.rescale.intercept), of), hu)


def test_metal_of_signed_values_above_an_intercept_is_read_wide() -> None:
    of, hu = header(signed=True, intercept=-1024), implant(body(), 2600)
    np.testing.assert_array_equal(read(hu + 1024, of), hu)


@SIGNS
@pytest.mark.parametrize("top_hu", [2500, 3500, 4976, 7000])
def test_a_block_that_stands_out_in_every_reading_is_refused(*, signed: bool, top_hu: int) -> None:
    hu = implant(body(0, sharp=True), top_hu, sharp=True)
    of = header(signed=signed)
    raw = hu - int(of.rescale.intercept)
    if raw.max() >= (2048 if signed else 4096):
        assert is_refused(raw, of)
    else:
        np.testing.assert_array_equal(read(raw, of), hu)


@pytest.mark.parametrize("top_hu", [2100, 2500, 3000, 3900])
def test_metal_in_water_without_air_is_never_read_as_air(top_hu: int) -> None:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    hu = np.where(np.hypot(x, y) < 9, top_hu, 40)
    assert is_refused(hu, header(signed=True))
    assert is_refused(hu + 1024, header(signed=True, intercept=-1024))


@SIGNS
def test_a_sign_that_runs_on_is_no_high_bit(*, signed: bool) -> None:
    of, hu = header(signed=signed), body()
    stored = correct_bits(StoredSlice.of((hu - int(of.rescale.intercept)).astype(np.int16)), of)
    assert not stored.has_high_bits
    np.testing.assert_array_equal(stored.plane + int(of.rescale.intercept), hu)


@pytest.mark.parametrize("sharp", [False, True])
def test_signed_values_without_a_sign_that_runs_on_are_read(*, sharp: bool) -> None:
    hu = body(0 if sharp else 10, sharp=sharp)
    np.testing.assert_array_equal(read(hu & 0xFFF, header(signed=True)), hu)


def test_a_sign_that_runs_on_is_believed_before_the_header() -> None:
    hu = body()
    np.testing.assert_array_equal(read(hu & 0xFFFF, header(signed=False, intercept=0)), hu)


def test_a_few_negative_values_under_an_unsigned_header_are_read() -> None:
    hu = implant(body(), 2500) + np.where(np.random.default_rng(6).random((SIZE, SIZE)) < 0.02, -30, 0)
    assert (hu < -1024).any()
    np.testing.assert_array_equal(read((hu + 1024) & 0xFFFF, header(signed=False)), hu)


@pytest.mark.parametrize("radius", [44, 46])
def test_padding_of_negative_values_under_an_unsigned_header_stays_padding(radius: int) -> None:
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    outside, hu = np.hypot(x, y) > radius, implant(body(), 2500)
    found = read(np.where(outside, 63536, hu + 1024), header(signed=False))
    np.testing.assert_array_equal(found, np.where(outside, -3024, hu))


def test_a_wrong_sign_that_runs_on_from_bone_is_masked() -> None:
    hu = body() + np.where(body() > 400, 500, 0)
    raw = hu + 1024
    of = header(signed=False)
    found = read(np.where(raw >= 2048, raw | 0xF000, raw), of)
    np.testing.assert_array_equal(found, hu)


@SIGNS
@pytest.mark.parametrize("bit", [12, 13, 15])
@pytest.mark.parametrize("noise_hu", [0, 10])
def test_an_overlay_that_nothing_declares_is_masked(*, signed: bool, bit: int, noise_hu: float) -> None:
    of, hu = header(signed=signed), body(noise_hu)
    raw = hu - int(of.rescale.intercept)
    np.testing.assert_array_equal(read(raw ^ (drawing() << bit), of), hu)


@SIGNS
@pytest.mark.parametrize("is_set", [True, False], ids=["bits set", "bits put in their place"])
def test_a_declared_overlay_is_masked_at_any_place(*, signed: bool, is_set: bool) -> None:
    of, hu = header(signed=signed, overlay_bits=1 << 13), body()
    raw = hu - int(of.rescale.intercept)
    bone = (hu > 400).astype(np.int64) << 13
    np.testing.assert_array_equal(read((raw | bone) if is_set else (raw & ~(1 << 13)) | bone, of), hu)


@SIGNS
def test_an_overlay_that_is_declared_where_values_run_on_is_refused(*, signed: bool) -> None:
    of = header(signed=signed, overlay_bits=1 << 12)
    assert is_refused(implant(body(), 5000 if not signed else 2600) - int(of.rescale.intercept), of)


@SIGNS
def test_bits_that_are_set_in_all_pixels_are_masked(*, signed: bool) -> None:
    of, hu = header(signed=signed), body()
    np.testing.assert_array_equal(read((hu - int(of.rescale.intercept)) | 0x4000, of), hu)


@SIGNS
def test_stray_bits_in_single_pixels_are_masked(*, signed: bool) -> None:
    of, hu = header(signed=signed), body()
    stray = np.where(np.random.default_rng(2).random((SIZE, SIZE)) < 0.01, 0x6000, 0)
    np.testing.assert_array_equal(read((hu - int(of.rescale.intercept)) ^ stray, of), hu)


def test_noise_in_the_high_bits_is_masked() -> None:
    of, hu = header(signed=False), body()
    noise = np.random.default_rng(3).integers(0, 16, (SIZE, SIZE)) << 12
    np.testing.assert_array_equal(read((hu + 1024) | noise, of), hu)


def test_noise_in_all_bits_is_refused() -> None:
    assert is_refused(np.random.default_rng(4).integers(0, 1 << 16, (SIZE, SIZE)), header(signed=False))


def test_metal_beside_an_overlay_that_nothing_declares_is_refused() -> None:
    raw = implant(body(), 5000) + 1024
    assert is_refused(raw ^ (drawing() << 14), header(signed=False))


def test_a_slice_of_nothing_but_air_is_read_with_its_sign() -> None:
    hu = np.rint(np.random.default_rng(5).normal(-1000, 10, (SIZE, SIZE))).astype(np.int64)
    np.testing.assert_array_equal(read(hu & 0xFFF, header(signed=True)), hu)


def test_padding_that_nothing_declares_leaves_the_rest_as_it_is() -> None:
    hu = body()
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    outside = np.hypot(x, y) > 44
    found = read(np.where(outside, 0x0800, hu & 0xFFF), header(signed=True))
    np.testing.assert_array_equal(found, np.where(outside, -2048, hu))


def test_overlays_are_found_by_their_bit_position(tmp_path: Path) -> None:
    def overlay(dataset: Dataset) -> None:
        dataset.add_new(0x60020100, "US", 16)
        dataset.add_new(0x60020102, "US", 13)
        dataset.add_new(0x60000100, "US", 1)
        dataset.add_new(0x60000102, "US", 0)
        pixels = np.frombuffer(dataset.PixelData, "<u2").copy()
        pixels[pixels > 1200] |= 0x2000
        dataset.PixelData = pixels.tobytes()

    found, expected = one_slice(tmp_path, overlay)
    assert found.pixels.overlay_bits == 1 << 13
    np.testing.assert_array_equal(read_stored(found, PixelReader(LIMITS)).plane, expected)
