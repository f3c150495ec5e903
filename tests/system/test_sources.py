"""Runs over archives: the same stores, tables and pseudonyms as over the folder that they unpack to."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from archives import ZipMaker, tar_folder, zip_folder, zip_of
from phantoms import write_series
from pydicom.dataset import Dataset
from remote_runs import SERIAL, stores_here
from running import by_uid, carry_out

from pipeline.output.layout import KEY_FILE_VARIABLE
from pipeline.output.tables import read_table
from pipeline.run.run import Outcome
from pipeline.sources import archives
from pipeline.vocabulary import ExitCode, Reason, SeriesWarning, Status

MEASURED = ("duration_s", "peak_memory_mb", "finished_at")
"""What no two runs have in common."""
PLACES = ("path", "folder", "mtime_ns")

pytestmark = pytest.mark.usefixtures("in_this_process")


def without_uid(dataset: Dataset, _: int) -> None:
    del dataset.SeriesInstanceUID


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two patients with two series each, one of which has no UID, and a key for every output of theirs."""
    (tmp_path / "key").write_text("ab" * 32)
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(tmp_path / "key"))
    for number in range(2):
        patient = tmp_path / "folder" / f"p{number}"
        write_series(patient / "a", patient_id=f"p{number}", seed=number)
        write_series(patient / "b", patient_id=f"p{number}", seed=number + 9, change=without_uid)
        (patient / "b" / "note.txt").write_text("no DICOM")
    return tmp_path / "folder"


def zips(target: Path, folder: Path, method: int = zipfile.ZIP_STORED) -> Path:
    for patient in folder.iterdir():
        zip_folder(target / f"{patient.name}.zip", patient, method)
    return target


def tars(target: Path, folder: Path) -> Path:
    for patient in folder.iterdir():
        tar_folder(target / f"{patient.name}.tar", patient)
    return target


def compressed_tars(target: Path, folder: Path) -> Path:
    for patient in folder.iterdir():
        tar_folder(target / f"{patient.name}.tgz", patient, "w:gz")
    return target


def rows(path: Path, left_out: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    found = [{name: value for name, value in row.items() if name not in left_out} for row in read_table(path)]
    return sorted(found, key=repr)


def assert_same(one: Outcome, other: Outcome) -> None:
    """Compare all that two runs leave, but for places and what no two runs have in common."""
    assert one.exit_code == other.exit_code
    assert stores_here(one.output) == stores_here(other.output) != {}
    assert rows(one.output.manifest, MEASURED) == rows(other.output.manifest, MEASURED)
    assert rows(one.output.tags) == rows(other.output.tags)
    assert rows(one.output.index, PLACES) == rows(other.output.index, PLACES)
    assert rows(one.output.files, PLACES) == rows(other.output.files, PLACES)


PACKERS: dict[str, Callable[[Path, Path], Path]] = {
    "stored zips": zips,
    "deflated zips": lambda target, folder: zips(target, folder, zipfile.ZIP_DEFLATED),
    "tars": tars,
    "compressed tars": compressed_tars,
    "one zip": lambda target, folder: zip_folder(target.with_suffix(".zip"), folder, zipfile.ZIP_DEFLATED),
    "zips in a zip": lambda target, folder: zip_folder(target.with_suffix(".zip"), zips(target, folder)),
}


@pytest.mark.parametrize("kind", PACKERS)
def test_archives_give_what_the_unpacked_folder_gives(kind: str, folder: Path, tmp_path: Path) -> None:
    packed = PACKERS[kind](tmp_path / "packed", folder)
    whole = carry_out(tmp_path, folder, SERIAL)
    assert whole.exit_code is ExitCode.OK
    assert_same(carry_out(tmp_path, packed, SERIAL, name="out2"), whole)


def test_an_archive_that_did_not_change_is_not_opened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = zips(tmp_path / "packed", folder)
    carry_out(tmp_path, packed, SERIAL)
    (packed / "p9.zip").write_bytes(zip_of({"note": b"no DICOM"}))
    opened, list_archive = [], archives.list_archive
    monkeypatch.setattr(
        archives, "list_archive", lambda file, limits: opened.append(file.path) or list_archive(file, limits)
    )
    carry_out(tmp_path, packed, SERIAL)
    assert opened == [str(packed / "p9.zip")]


def test_of_a_changed_archive_only_series_with_changed_members_are_made_again(folder: Path, tmp_path: Path) -> None:
    packed = zips(tmp_path / "packed", folder)
    carry_out(tmp_path, packed, SERIAL)
    write_series(folder / "p0" / "a", patient_id="p0", seed=77)
    shutil.rmtree(packed)
    outcome = carry_out(tmp_path, zips(packed, folder, zipfile.ZIP_DEFLATED), SERIAL)  # other bytes, and other times
    assert outcome.summary["plan"] == {"new": 0, "changed": 1, "stale": 0, "done": 3, "gone": 0}
    # Those that were not made again are read where they lie now.
    other = SERIAL.replace("orient: {to: LPS}", "clip: {low_hu: -900, high_hu: 400}")
    assert_same(carry_out(tmp_path, packed, other), carry_out(tmp_path, folder, other, name="out2"))


def test_an_archive_beside_its_unpacked_folder_is_a_copy(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "p0" / "a", tmp_path / "in" / "p0" / "a")
    zip_folder(tmp_path / "in" / "p0.zip", folder / "p0")
    [record] = [one for one in carry_out(tmp_path, tmp_path / "in", SERIAL).records if one.n_files == 24]
    assert record.status is Status.OK
    assert SeriesWarning.W_DUPLICATE_SERIES in record.warnings


def test_a_damaged_member_refuses_its_series_and_no_other(folder: Path, tmp_path: Path) -> None:
    path = zip_folder(tmp_path / "in.zip", folder, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("p0/a/IM0006.dcm")
    content = bytearray(path.read_bytes())
    content[member.header_offset + member.compress_size - 40] ^= 0xFF
    path.write_bytes(content)
    outcome = carry_out(tmp_path, path, SERIAL)
    assert sorted(str(one.reason) for one in outcome.records) == [Reason.CORRUPT, "None", "None", "None"]


def test_a_member_that_cannot_be_had_is_warned_of_beside_its_series(folder: Path, tmp_path: Path) -> None:
    made = ZipMaker()
    for path in sorted((folder / "p0" / "a").iterdir()):
        made.add(os.fsencode(f"a/{path.name}"), path.read_bytes())
    made.add(b"a/locked", flags=1)
    (tmp_path / "in.zip").write_bytes(made.finish())
    outcome = carry_out(tmp_path, tmp_path / "in.zip", SERIAL)
    [record] = by_uid(outcome).values()
    assert SeriesWarning.W_FILE_SKIPPED in record.warnings
    reasons = [row["reason"] for row in read_table(outcome.output.files) if row["path"].endswith("!/a/locked")]
    assert reasons == [Reason.UNREADABLE]
