import os
from dataclasses import replace
from pathlib import Path

import pytest
from dicom_bytes import found_file
from multiframe import join_frames
from phantoms import write_series
from pydicom import dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless
from stored_slices import LIMITS, headers_of, one_slice

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.errors import SeriesRefusedError
from pipeline.vocabulary import Reason


def reason(header: SliceHeader) -> Reason:
    with pytest.raises(SeriesRefusedError) as caught:
        PixelReader(LIMITS).raw_pixels(header)
    return caught.value.reason


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("how", ["touched", "grown", "rewritten", "in place"])
def test_a_file_that_changed_since_the_scan_is_unstable(tmp_path: Path, syntax: str, how: str) -> None:
    header, _ = one_slice(tmp_path, transfer_syntax=syntax)
    path = Path(header.file.path)
    if how == "touched":
        os.utime(path, ns=(1, 1))
    else:
        content = path.read_bytes()
        path.write_bytes({"grown": content + bytes(100), "rewritten": b"", "in place": content}[how])
        os.utime(path, ns=(1, header.file.mtime_ns))
    assert reason(header) is Reason.UNSTABLE


def test_a_file_that_changes_while_it_is_read_is_unstable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header, _ = one_slice(tmp_path)
    real_preadv = os.preadv

    def touching_preadv(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        os.utime(header.file.path, ns=(1, 1))
        return real_preadv(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", touching_preadv)
    assert reason(header) is Reason.UNSTABLE


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
def test_a_file_that_is_gone_is_unreadable(tmp_path: Path, syntax: str) -> None:
    header, _ = one_slice(tmp_path, transfer_syntax=syntax)
    Path(header.file.path).unlink()
    assert reason(header) is Reason.UNREADABLE


def test_pixels_that_are_not_encoded_as_labelled_are_refused(tmp_path: Path) -> None:
    native, _ = one_slice(tmp_path / "a")
    labelled = replace(native, pixels=replace(native.pixels, transfer_syntax=JPEGBaseline8Bit))
    assert reason(labelled) is Reason.PIXEL_DECODE
    compressed, _ = one_slice(tmp_path / "b", transfer_syntax=RLELossless)
    labelled = replace(compressed, pixels=replace(compressed.pixels, transfer_syntax=ExplicitVRLittleEndian))
    assert reason(labelled) is Reason.PIXEL_DECODE


def test_the_bytes_of_a_slice_are_those_in_the_file(tmp_path: Path) -> None:
    header, expected = one_slice(tmp_path)
    assert PixelReader(LIMITS).raw_pixels(header) == expected.astype("<u2").tobytes()
    deflated, _ = one_slice(tmp_path / "deflated", transfer_syntax=DeflatedExplicitVRLittleEndian)
    assert PixelReader(LIMITS).raw_pixels(deflated) == PixelReader(LIMITS).raw_pixels(header)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    header, _ = one_slice(tmp_path)
    Path(header.file.path).unlink()
    os.mkfifo(header.file.path)
    assert reason(header) is Reason.UNSTABLE


def test_pixels_that_end_too_soon_are_refused(tmp_path: Path) -> None:
    header, _ = one_slice(tmp_path)
    assert reason(replace(header, pixels=replace(header.pixels, rows=33))) is Reason.PIXELS_LENGTH


def test_slices_of_any_size_are_read_one_after_another(tmp_path: Path) -> None:
    reader = PixelReader(LIMITS)
    for rows in (8, 32, 16):
        header, expected = one_slice(tmp_path / str(rows), rows=rows)
        assert bytes(reader.raw_pixels(header)) == expected.astype("<u2").tobytes()


def compressed_frames(folder: Path, *, per_frame: int, table: bool) -> tuple[list[SliceHeader], list[bytes]]:
    """Write four frames in one file, in so many fragments each, and return their headers and codestreams."""
    series = write_series(folder / "series", n=4)
    path = join_frames(series, folder / "enhanced", order=(0, 1, 2, 3))
    whole = dcmread(path)
    whole.compress(RLELossless, encoding_plugin="pylibjpeg")
    frames = list(generate_frames(whole.PixelData, number_of_frames=4))
    whole.PixelData = encapsulate(frames, fragments_per_frame=per_frame, has_bot=table)
    whole.save_as(path)
    return headers_of(path), frames


@pytest.mark.parametrize(("per_frame", "table"), [(1, True), (1, False), (3, True)])
def test_the_codestream_of_each_frame_is_read_alone(tmp_path: Path, per_frame: int, *, table: bool) -> None:
    headers, frames = compressed_frames(tmp_path, per_frame=per_frame, table=table)
    reader = PixelReader(LIMITS)
    assert [reader.raw_pixels(headers[k]) for k in (3, 1, 0, 2)] == [frames[k] for k in (3, 1, 0, 2)]


def test_the_fragments_of_a_file_are_walked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    headers, _ = compressed_frames(tmp_path, per_frame=1, table=False)
    reads, real_pread = [], os.pread

    def counting_pread(descriptor: int, n_bytes: int, offset: int) -> bytes:
        reads.append(n_bytes)
        return real_pread(descriptor, n_bytes, offset)

    monkeypatch.setattr(os, "pread", counting_pread)
    reader = PixelReader(LIMITS)
    reader.raw_pixels(headers[0])
    reads.clear()
    for header in headers[1:]:
        reader.raw_pixels(header)
    assert len(reads) == 3


def test_frames_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    headers, _ = compressed_frames(tmp_path, per_frame=3, table=False)
    assert reason(headers[3]) is Reason.PIXEL_DECODE


def test_a_fragment_that_claims_more_than_the_file_holds_asks_for_no_more(tmp_path: Path) -> None:
    header, _ = one_slice(tmp_path, transfer_syntax=RLELossless)
    path = Path(header.file.path)
    content = bytearray(path.read_bytes())
    content[header.pixels.offset + 16 : header.pixels.offset + 20] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(content)
    header = replace(header, file=found_file(path))
    assert len(PixelReader(LIMITS).raw_pixels(header)) < len(content)
