import os
from itertools import pairwise
from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.output.tables import read_table

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_everything_under_the_root_has_a_row(tmp_path: Path) -> None:
    source = tmp_path / "in"
    write_series(source / "patient")
    (source / "notes.txt").write_text("no DICOM")
    (source / "link").symlink_to(source / "notes.txt")
    (source / "dangling").symlink_to(source / "nowhere")
    os.mkfifo(source / "pipe")
    output = carry_out(tmp_path, source).output
    rows = {Path(row["path"]).name: row for row in read_table(output.files)}
    assert len(rows) == 16
    assert rows["notes.txt"]["reason"] == "NOT_DICOM"
    assert {rows[name]["reason"] for name in ("link", "dangling", "pipe")} == {"UNREADABLE"}
    assert {row["status"] for name, row in rows.items() if name.startswith("IM")} <= {"used"}
    assert len(read_table(output.slices)) == 16


def test_used_slices_say_where_they_lie_in_the_stack(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in")
    output = carry_out(tmp_path, tmp_path / "in").output
    by_path = {row["path"]: row for row in read_table(output.files)}
    planes = [by_path[str(path)] for path in series.paths]
    assert [row["z_index"] for row in planes] == list(range(12))
    steps = [after["position_mm"] - before["position_mm"] for before, after in pairwise(planes)]
    assert steps == pytest.approx([2.5] * 11)


def test_what_is_not_private_names_no_path_and_no_uid(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in", patient_id="Somebody")
    output = carry_out(tmp_path, tmp_path / "in").output
    text = repr(read_table(output.slices))
    for secret in (str(tmp_path), series.series_uid, series.study_uid, "Somebody"):
        assert secret not in text


def test_the_index_names_the_deepest_common_folder(tmp_path: Path) -> None:
    source = tmp_path / "in"
    series = write_series(source / "deep" / "a")
    (source / "deep" / "b").mkdir()
    for path in series.paths[:3]:
        path.rename(source / "deep" / "b" / path.name)
    output = carry_out(tmp_path, source).output
    (row,) = read_table(output.index)
    assert row["folder"] == str(source / "deep")
    assert row["n_files"] == 12
    assert row["SeriesInstanceUID"] == series.series_uid


def test_an_unchanged_series_keeps_its_rows_in_the_next_run(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    first = carry_out(tmp_path, tmp_path / "in").output
    before = (read_table(first.files), read_table(first.slices))
    carry_out(tmp_path, tmp_path / "in")
    assert (read_table(first.files), read_table(first.slices)) == before
