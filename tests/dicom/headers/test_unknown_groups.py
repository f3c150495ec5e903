from dataclasses import replace
from pathlib import Path

import pytest
from multiframe import join_frames
from phantoms import write_series
from pydicom import config, dcmread
from pydicom.dataelem import DataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence
from stored_slices import headers_of

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.sources.files import FoundFile

GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def without_file(headers: list[SliceHeader]) -> list[SliceHeader]:
    """Return headers without what another file is bound to have."""
    nowhere = FoundFile("/in/1", 0, 0)
    return [replace(one, file=nowhere, pixels=replace(one.pixels, offset=0)) for one in headers]


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
def test_functional_groups_that_are_written_as_un_tell_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, implicit: bool
) -> None:
    monkeypatch.setattr(config, "replace_un_with_known_vr", False)
    path = join_frames(write_series(tmp_path / "series", n=4), tmp_path / "enhanced", order=(0, 1, 2, 3))
    before = headers_of(path)
    whole = dcmread(path)
    for keyword in GROUPS:
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
        write_sequence(buffer, whole[keyword], ["latin-1"])
        whole[keyword] = DataElement(whole[keyword].tag, "UN", buffer.getvalue())
    whole.save_as(path)
    assert dcmread(path)[GROUPS[1]].VR == "UN"
    assert without_file(headers_of(path)) == without_file(before)
