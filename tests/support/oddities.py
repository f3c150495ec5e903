"""Series with two oddities of archives each, written in code, and the volumes that a run must make of them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from multiframe import join_frames
from numpy.typing import NDArray
from phantoms import ORIGIN_MM, Series, decimal, put_raw, truth_volume, uid, write_series
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEGLosslessSV1, JPEGLSLossless

N, SIDE, STEP_MM, MISSING = 8, 24, 2.5, 4
NEAR_STEP_MM = 0.02
DELIMITER = b"\xfe\xff\xdd\xe0" + bytes(4)
PATIENT_NAME = b"\x10\x00\x10\x00PN"
UNKNOWN_VR = b"\x09\x00\x10\x00LO\x04\x00ACME" + b"\x09\x00\x01\x10  \x04\x00\x01\x02\x03\x04"

Volumes = list[NDArray[Any]]
Edit = Callable[[Dataset, int], None]


def scan(folder: Path, *edits: Edit, **wanted: Any) -> Series:
    """Write a small series, each slice changed by all edits."""

    def change(dataset: Dataset, z: int) -> None:
        for edit in edits:
            edit(dataset, z)

    return write_series(folder, **{"n": N, "rows": SIDE, "columns": SIDE, "change": change} | wanted)


def passes(folder: Path, *edits: Edit, shift_mm: float = STEP_MM / 2) -> tuple[Series, Series]:
    """Write two acquisitions of one series over one range; edits change the second."""

    def later(dataset: Dataset, z: int) -> None:
        dataset.AcquisitionNumber, dataset.InstanceNumber = 2, N + z
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid("later", str(z))

    origin = ORIGIN_MM._replace(z=ORIGIN_MM.z + shift_mm)
    first = scan(folder / "a", series_uid=uid("passes"))
    return first, scan(folder / "b", later, *edits, series_uid=uid("passes"), seed=1, origin=origin)


def without(series: Series, z: int = MISSING) -> NDArray[np.float64]:
    """Take a slice away, and return the volume in which its plane is not known."""
    series.paths[z].unlink()
    truth = series.truth.astype(np.float64)
    truth[z] = np.nan
    return truth


def rewrite(series: Series, change: Callable[[bytes], bytes], only: int | None = None) -> None:
    for z, path in enumerate(series.paths):
        if only in {None, z}:
            path.write_bytes(change(path.read_bytes()))


def put(**values: Any) -> Edit:
    """Return an edit that sets elements."""
    return lambda dataset, _: [setattr(dataset, *item) for item in values.items()] and None


def derived(kind: str) -> Edit:
    return put(ImageType=["DERIVED", "SECONDARY", "AXIAL", kind])


def lose_patient(dataset: Dataset, z: int) -> None:
    if z in {2, 3}:
        dataset.PatientID = ""


def draw_overlay(dataset: Dataset, _: int) -> None:
    """Draw a frame in bit 12, and say that it is an overlay."""
    stored = np.frombuffer(dataset.PixelData, "<u2").reshape(SIDE, SIDE).copy()
    stored[3, 3:-3] |= 1 << 12
    stored[3:-3, 3] |= 1 << 12
    dataset.PixelData = stored.tobytes()
    for element, vr, value in ((0x10, "US", SIDE), (0x11, "US", SIDE), (0x100, "US", 16), (0x102, "US", 12)):
        dataset.add_new((0x6000, element), vr, value)


def say_twelve_bits(dataset: Dataset, _: int) -> None:
    dataset.BitsStored, dataset.HighBit = 12, 11


def change_pixels(edit: Callable[[bytes], list[bytes]]) -> Edit:
    """Return an edit of the one stream of a compressed slice, which becomes fragments."""

    def change(dataset: Dataset, _: int) -> None:
        (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
        dataset.PixelData = encapsulate(edit(stream))
        dataset["PixelData"].is_undefined_length = True

    return change


def end_with_ff(stream: bytes) -> list[bytes]:
    end = stream.rindex(b"\xff\xd9") + 2
    return [stream[:end] + b"\xff" * (2 - end % 2)]


def in_two_fragments(stream: bytes) -> list[bytes]:
    (whole,) = end_with_ff(stream)
    half = len(whole) // 4 * 2
    return [whole[:half], whole[half:]]


def passes_with_a_slice_missing(folder: Path) -> Volumes:
    first, second = passes(folder)
    without(second)
    return [first.truth]


def passes_with_a_slice_filled(folder: Path) -> Volumes:
    first, second = passes(folder)
    return [first.truth, without(second)]


def passes_and_an_empty_patient(folder: Path) -> Volumes:
    return [series.truth for series in passes(folder, lose_patient)]


def passes_of_other_spelling(folder: Path) -> Volumes:
    return [series.truth for series in passes(folder, put(RescaleType="Houndsfield"), shift_mm=NEAR_STEP_MM)]


def passes_named_in_latin(folder: Path) -> Volumes:
    first, second = passes(folder)
    for path in second.paths:
        path.rename(path.with_name(os.fsdecode(path.stem.encode() + b"\xe9.dcm")))
    return [first.truth, second.truth]


def half_a_file_named_in_latin(folder: Path) -> Volumes:
    path = scan(folder / "a").paths[MISSING]
    renamed = path.rename(path.with_name(os.fsdecode(b"\xfcber.dcm")))
    os.truncate(renamed, renamed.stat().st_size - SIDE * SIDE)
    return []


def overlay_and_padding(folder: Path) -> Volumes:
    hu = truth_volume(N, SIDE, SIDE)
    hu[:, :4, :4] = hu[:, -4:, -4:] = -1024
    declare = put(PixelPaddingValue=0)
    return [scan(folder / "a", draw_overlay, declare, hu=hu).truth]


def overlay_and_a_gap(folder: Path) -> Volumes:
    return [without(scan(folder / "a", draw_overlay))]


def sign_and_a_gap(folder: Path) -> Volumes:
    return [without(scan(folder / "a", say_twelve_bits, signed=True, bits_stored=16, intercept=0))]


def sign_and_spelling(folder: Path) -> Volumes:
    spell = put(RescaleType="hounsfield units")
    return [scan(folder / "a", say_twelve_bits, spell, signed=True, bits_stored=16, intercept=0).truth]


def parameter_map(folder: Path, *edits: Edit) -> Volumes:
    hu = np.clip(truth_volume(N, SIDE, SIDE) + 200, 0, 90)
    hu[:, 10:12, 10:14] = 60
    scan(folder / "a", *edits, hu=hu.astype(np.int16), intercept=0)
    return []


def monoenergetic_and_spelled(folder: Path) -> Volumes:
    return [scan(folder / "a", derived("MONO_70KEV"), put(RescaleType="hu")).truth]


def frames(folder: Path, edit: Edit, order: list[int]) -> Series:
    """Write an Enhanced CT object; ``edit`` changes the groups of each frame, given its slice."""
    series = scan(folder)
    path = join_frames(series, folder / "frames.dcm", order)
    for each in series.paths:
        each.unlink()
    whole = pydicom.dcmread(path)
    for groups, z in zip(whole.PerFrameFunctionalGroupsSequence, order, strict=True):
        groups.FrameContentSequence = [Dataset()]
        edit(groups.FrameContentSequence[0], z)
    whole.save_as(path)
    return series


def stack_of(content: Dataset, z: int) -> None:
    content.StackID, content.InStackPositionNumber = str(1 + z // (N // 2)), 1 + z % (N // 2)


def stacks_out_of_order(folder: Path) -> Volumes:
    return [frames(folder / "a", stack_of, [5, 0, 7, 2, 1, 4, 3, 6]).truth]


def stacks_with_a_frame_missing(folder: Path) -> Volumes:
    series = frames(folder / "a", stack_of, [0, 1, 2, 3, 4, 6, 7])
    return [series.truth[: N // 2]]


def frames_of_two_passes(folder: Path) -> Volumes:
    frames(
        folder / "a", lambda content, z: setattr(content, "FrameAcquisitionNumber", 1 + z % 2), [3, 0, 1, 2, 7, 4, 5, 6]
    )
    return []


def unknown_vr_and_empty_patient(folder: Path) -> Volumes:
    series = scan(folder / "a", lose_patient)
    rewrite(series, lambda content: content.replace(PATIENT_NAME, UNKNOWN_VR + PATIENT_NAME, 1))
    return [series.truth]


def unknown_vr_and_half_a_file(folder: Path) -> Volumes:
    series = scan(folder / "a")
    rewrite(series, lambda content: content.replace(PATIENT_NAME, UNKNOWN_VR + PATIENT_NAME, 1))
    half = series.paths[MISSING].read_bytes()[: -SIDE * SIDE]
    truth = without(series)
    series.paths[MISSING].write_bytes(half)
    return [truth]


def no_delimiter_and_cut(folder: Path) -> Volumes:
    series = scan(folder / "a", transfer_syntax=JPEGLosslessSV1)
    rewrite(series, lambda content: content.removesuffix(DELIMITER))
    rewrite(series, lambda content: content[:-40], only=MISSING)
    return []


def no_delimiter_and_two_fragments(folder: Path) -> Volumes:
    series = scan(folder / "a", change_pixels(in_two_fragments), transfer_syntax=JPEGLosslessSV1)
    rewrite(series, lambda content: content.removesuffix(DELIMITER))
    return [series.truth]


def ff_and_two_fragments(folder: Path) -> Volumes:
    return [scan(folder / "a", change_pixels(in_two_fragments), transfer_syntax=JPEGLSLossless).truth]


def rounded(dataset: Dataset, z: int) -> None:
    if z % 3 == 0:
        dataset.PixelSpacing = [dataset.PixelSpacing[0], "0.70004"]


def rounding_and_another_patient(folder: Path) -> Volumes:
    scan(folder / "a", rounded, lambda dataset, z: put(PatientID="P-2")(dataset, z) if z == MISSING else None)
    return []


def rounding_and_two_diameters(folder: Path) -> Volumes:
    scan(folder / "a", rounded, lambda dataset, z: put(ReconstructionDiameter=decimal(360 - z % 2 * 10))(dataset, z))
    return []


def rounding_and_un(folder: Path) -> Volumes:
    as_un: Edit = lambda dataset, _: put_raw(dataset, "Rows", SIDE.to_bytes(2, "little"), "UN")  # noqa: E731
    return [scan(folder / "a", rounded, as_un).truth]
