"""Nothing about a person leaves ``private/``: planted everywhere in headers and paths, and looked for in every byte."""

import zlib
from importlib import import_module
from pathlib import Path

import pytest
from phantoms import write_series
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from running import ORIENTED, carry_out

from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table
from pipeline.privacy import ALLOWED_ELEMENTS

PROFILE = import_module("dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c")
"""DICOM PS3.15 table E.1-1, as a maintained package has it."""

TOLD_BY_CONTRACT = {"PatientSex", "PatientAge"}
"""Sex, and age up to 89 years, are what studies report; everything else in the table stays private."""

SECRET = "MUSTERMANN"  # noqa: S105  a name, in the letters that every VR allows
DATE = "19510203"
UID = "1.2.3.777777777"
TEXT_VRS = {"LO", "SH", "PN", "ST", "LT", "UT", "UC", "CS", "AE"}


def identifying_keywords() -> list[str]:
    return sorted({keyword_for_tag(tag[:2]) for tag in PROFILE.ALL_TAGS if len(tag) == 2} - {""})


def plant(dataset: Dataset, z: int) -> None:
    """Put a name, a date or a UID into everything that may identify, into private elements and into a sequence."""
    for keyword in identifying_keywords():
        vr = dictionary_VR(keyword)
        if keyword in TOLD_BY_CONTRACT or (keyword in dataset and keyword.endswith("UID")):
            continue
        if vr in TEXT_VRS:
            setattr(dataset, keyword, f"{SECRET}{'^Max' if vr == 'PN' else ''}")
        elif vr == "DA":
            setattr(dataset, keyword, DATE)
    dataset.PatientID = f"{SECRET}-1"
    dataset.StudyInstanceUID = f"{UID}.1"
    dataset.SeriesInstanceUID = f"{UID}.2"
    dataset.SOPInstanceUID = f"{UID}.2.{z}"
    dataset.FrameOfReferenceUID = f"{UID}.3"
    dataset.PatientAge = "097Y"
    dataset.ProtocolName = dataset.SeriesDescription = dataset.ImageComments = f"for {SECRET}"
    dataset.private_block(0x0029, f"{SECRET} CSA", create=True).add_new(0x10, "LO", SECRET)
    inner = Dataset()
    inner.PatientName = SECRET
    dataset.RequestAttributesSequence = Sequence([inner])


def everything_outside_private(output: OutputFolder) -> bytes:
    """Return every byte outside ``private/``: names of files, their bytes, and the cells of tables unpacked."""
    parts = []
    for path in sorted(output.root.rglob("*")):
        if output.private in [path, *path.parents]:
            continue
        parts.append(str(path.relative_to(output.root)).encode())
        if path.suffix == ".parquet":
            parts.append(repr(read_table(path)).encode())
        if path.is_file():
            parts.append(path.read_bytes())
    return b"\n".join(parts)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("tags", ["[]", "[SeriesDescription, PatientName, StudyDate, ProtocolName]"])
def test_no_byte_outside_private_names_a_person_a_date_a_uid_or_a_path(tmp_path: Path, tags: str) -> None:
    source = tmp_path / "Familie-Geheim" / SECRET
    write_series(source / "good", change=plant)
    write_series(source / "refused", n=2, change=plant)
    (source / f"{SECRET}.txt").write_text(SECRET)
    output = carry_out(tmp_path, source, f"{ORIENTED}manifest: {{tags: {tags}}}\n").output
    left = everything_outside_private(output)
    for secret in (SECRET, "Geheim", DATE, UID, "097Y", str(tmp_path)):
        assert secret.encode() not in left
    assert b"090Y" in left


@pytest.mark.usefixtures("in_this_process")
def test_what_was_planted_is_found_where_it_may_be(tmp_path: Path) -> None:
    """The search above could find something: ``private/`` holds it all."""
    write_series(tmp_path / SECRET, change=plant)
    output = carry_out(tmp_path, tmp_path / SECRET, f"{ORIENTED}manifest: {{tags: [SeriesDescription]}}\n").output
    held = repr([read_table(path) for path in sorted(output.private.glob("*.parquet"))])
    for secret in (f"{SECRET}-1", f"{UID}.2", f"for {SECRET}", str(tmp_path / SECRET)):
        assert secret in held


@pytest.mark.usefixtures("in_this_process")
def test_kept_identifiers_are_kept_and_free_text_still_is_not(tmp_path: Path) -> None:
    write_series(tmp_path / "in", change=plant)
    output = carry_out(tmp_path, tmp_path / "in", f"{ORIENTED}manifest: {{identifiers: keep}}\n").output
    (row,) = read_table(output.manifest)
    assert row["PatientID"] == f"{SECRET}-1"
    assert row["SeriesInstanceUID"] == f"{UID}.2"
    assert f"for {SECRET}".encode() not in everything_outside_private(output)


def test_no_element_of_the_standards_profile_is_on_the_allow_list() -> None:
    keywords = set(identifying_keywords())
    assert len(keywords) > 300
    assert keywords & ALLOWED_ELEMENTS <= TOLD_BY_CONTRACT


def test_the_search_would_see_through_compression() -> None:
    assert SECRET.encode() not in zlib.compress(SECRET.encode() * 3)
