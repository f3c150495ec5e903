"""Choosing series, door to door."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from phantoms import uid, write_series
from pydicom.dataset import Dataset
from running import InThisProcess, by_uid, bytes_of_stores, carry_out

from pipeline.cluster.jobs import JobFailure
from pipeline.config import load
from pipeline.geometry import Zyx
from pipeline.output.layout import OutputFolder
from pipeline.plan.selection import slice_count_before
from pipeline.record import SeriesRecord
from pipeline.run.dry_run import dry_run
from pipeline.run.run import Outcome
from pipeline.vocabulary import Reason, Status

PLAIN = "report: {enabled: false}\n"
KEPT = PLAIN + "manifest: {identifiers: keep}\n"
THIN, THICK = Zyx(1.0, 0.8, 0.7), Zyx(5.0, 0.8, 0.7)
CONSTANT = np.full((12, 32, 32), 40, np.int16)
"""Refused at its pixels: nothing in a header says so."""


def told(record: SeriesRecord) -> str:
    return record.reason.value if record.reason else record.status.value


def ends(outcome: Outcome) -> dict[str, str]:
    """Return what became of each series, by the folder it was written into."""
    names = {uid("series", patient, name): name for patient in ("P-1", "P-2") for name in "abcdef"}
    return {names[series_uid]: told(record) for series_uid, record in by_uid(outcome).items()}


def details(outcome: Outcome) -> dict[str, str | None]:
    return {record.series_key: record.detail for record in outcome.records if record.reason is Reason.NOT_SELECTED}


def naming(**elements: Any) -> Any:
    def change(dataset: Dataset, _: int) -> None:
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


def study_of_four(root: Path) -> None:
    """Write the best series refused at its pixels, the next one good, then a worse one, and one with a gap."""
    write_series(root / "a", spacing=THIN, hu=CONSTANT)
    write_series(root / "b", spacing=THIN, n=9)
    write_series(root / "c", spacing=THICK)
    write_series(root / "d", spacing=THIN, n=20, positions_mm=[k + (k > 9) for k in range(20)])


ONE_PER_STUDY = KEPT + "select: {one_per: study}\n"
SETTLED = {"a": "HU_IMPLAUSIBLE", "b": "ok", "c": "NOT_SELECTED", "d": "SLICE_GAP"}


@pytest.mark.parametrize("cluster", ["serial", "local"])
def test_the_next_best_series_is_taken_where_the_winner_is_refused_at_its_pixels(tmp_path: Path, cluster: str) -> None:
    study_of_four(tmp_path / "in")
    outcome = carry_out(tmp_path, tmp_path / "in", ONE_PER_STUDY, cluster=cluster)
    assert ends(outcome) == SETTLED
    assert outcome.exit_code == 3
    winner = by_uid(outcome)[uid("series", "P-1", "b")].series_key
    (detail,) = details(outcome).values()
    assert detail == f"one_per: study; rank 3 of 3 by thinnest, most_slices; {winner} is taken"


@pytest.mark.usefixtures("in_this_process")
class TestRuns:
    def test_a_second_run_changes_nothing(self, tmp_path: Path) -> None:
        study_of_four(tmp_path / "in")
        first = carry_out(tmp_path, tmp_path / "in", ONE_PER_STUDY)
        stamps = {path: path.stat().st_mtime_ns for path in first.output.volumes.rglob("*")}
        second = carry_out(tmp_path, tmp_path / "in", ONE_PER_STUDY)
        assert [record.own_columns() for record in second.records] == [record.own_columns() for record in first.records]
        assert {path: path.stat().st_mtime_ns for path in second.output.volumes.rglob("*")} == stamps

    def test_a_dry_run_foresees_what_is_left_out(self, tmp_path: Path) -> None:
        study_of_four(tmp_path / "in")
        carry_out(tmp_path, tmp_path / "in", ONE_PER_STUDY)
        config = load(tmp_path / "out.yaml", inputs=[tmp_path / "in"], output=tmp_path / "out")
        plans = list(dry_run(config))
        assert {plan.state for plan in plans} == {"done"}
        assert sum("NOT_SELECTED: one_per" in plan.expectation for plan in plans) == 1

    def test_names_of_files_and_folders_change_no_choice(self, tmp_path: Path) -> None:
        for name, root, first in (("one", "in", "b"), ("two", "again", "e")):
            write_series(tmp_path / root / first, series_uid="1.2.3.2", seed=2)
            write_series(tmp_path / root / "c", series_uid="1.2.3.1", seed=1)
            carry_out(tmp_path, tmp_path / root, ONE_PER_STUDY, name=name)
        one, two = (
            carry_out(tmp_path, tmp_path / r, ONE_PER_STUDY, name=n) for n, r in (("one", "in"), ("two", "again"))
        )
        assert bytes_of_stores(one) == bytes_of_stores(two)
        assert by_uid(one)["1.2.3.1"].status is Status.OK

    def test_where_a_better_series_comes_later_the_record_follows_and_the_store_stays(self, tmp_path: Path) -> None:
        write_series(tmp_path / "in/c", spacing=THICK)
        before = carry_out(tmp_path, tmp_path / "in", ONE_PER_STUDY)
        write_series(tmp_path / "in/b", spacing=THIN)
        after = carry_out(tmp_path, tmp_path / "in", ONE_PER_STUDY)
        assert ends(after) == {"b": "ok", "c": "NOT_SELECTED"}
        assert after.output.store(before.records[0].series_key).is_dir()
        assert by_uid(after)[uid("series", "P-1", "c")].store is None
        shutil.rmtree(tmp_path / "in/b")
        again = {
            record.series_key: told(record) for record in carry_out(tmp_path, tmp_path / "in", ONE_PER_STUDY).records
        }
        assert again[before.records[0].series_key] == "ok"

    def test_a_failed_winner_is_tried_again_and_no_other_taken(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            InThisProcess,
            "process",
            lambda _, __, jobs: ((job, JobFailure(Reason.TIMEOUT, "too slow")) for job in jobs),
        )
        study_of_four(tmp_path / "in")
        failed = carry_out(tmp_path, tmp_path / "in", ONE_PER_STUDY)
        assert ends(failed) == {"a": "TIMEOUT", "b": "NOT_SELECTED", "c": "NOT_SELECTED", "d": "TIMEOUT"}
        monkeypatch.undo()
        assert ends(carry_out(tmp_path, tmp_path / "in", ONE_PER_STUDY, cluster="serial")) == SETTLED

    def test_one_per_patient_looks_across_studies(self, tmp_path: Path) -> None:
        for name, date in (("a", "20210101"), ("b", "20190101")):
            write_series(tmp_path / "in" / name, study_uid=uid(name), change=naming(StudyDate=date))
        write_series(tmp_path / "in/c", patient_id="P-2")
        outcome = carry_out(tmp_path, tmp_path / "in", PLAIN + "select: {one_per: patient, prefer: [earliest]}\n")
        assert ends(outcome) == {"a": "NOT_SELECTED", "b": "ok", "c": "ok"}
        assert outcome.exit_code == 0

    def test_where_every_series_is_left_out_the_run_is_well(self, tmp_path: Path) -> None:
        write_series(tmp_path / "in/a", change=naming(SeriesDescription="Head 1.0 secret"))
        outcome = carry_out(tmp_path, tmp_path / "in", PLAIN + "select: {where: {SeriesDescription: 'Chest*'}}\n")
        assert ends(outcome) == {"a": "NOT_SELECTED"}
        assert outcome.exit_code == 0
        assert list(details(outcome).values()) == ["where: SeriesDescription is not as asked"]
        public = [path for path in outcome.output.root.glob("*") if path.is_file()]
        assert not any(b"secret" in path.read_bytes() for path in public)
        assert ends(
            carry_out(tmp_path, tmp_path / "in", PLAIN + "select: {where: {SeriesDescription: 'Head*'}}\n")
        ) == {"a": "ok"}

    def test_a_series_that_its_geometry_refuses_keeps_that_reason(self, tmp_path: Path) -> None:
        write_series(tmp_path / "in/a", n=6, positions_mm=[0, 1, 2, 4, 5, 6])
        assert ends(carry_out(tmp_path, tmp_path / "in", PLAIN + "select: {where: {KVP: 80}}\n")) == {"a": "SLICE_GAP"}

    def test_reformats_in_other_planes_are_left_out_unless_all_are_wanted(self, tmp_path: Path) -> None:
        derived = naming(ImageType=["DERIVED", "SECONDARY", "REFORMATTED"])
        write_series(tmp_path / "in/a", change=derived)
        write_series(tmp_path / "in/b", change=derived, column_axis=(0.0, 0.0, -1.0))
        assert ends(carry_out(tmp_path, tmp_path / "in", KEPT)) == {"a": "ok", "b": "NOT_SELECTED"}
        assert ends(carry_out(tmp_path, tmp_path / "in", KEPT + "select: {derived: all}\n")) == {"a": "ok", "b": "ok"}
        nothing = carry_out(tmp_path, tmp_path / "in", PLAIN + "select: {derived: none}\n", name="none")
        assert set(ends(nothing).values()) == {"NOT_SELECTED"}

    def test_the_most_common_slice_count_is_fixed_at_the_first_run(self, tmp_path: Path) -> None:
        counting = PLAIN + "select: {slice_count: most_common}\n"
        for name, n in (("a", 8), ("b", 8), ("c", 6)):
            write_series(tmp_path / "in" / name, n=n)
        first = carry_out(tmp_path, tmp_path / "in", counting)
        assert ends(first) == {"a": "ok", "b": "ok", "c": "NOT_SELECTED"}
        assert list(details(first).values()) == ["slice_count: most_common; 6 slices, 8 are wanted"]
        assert json.loads(first.output.run.read_text())["slice_count"] == 8
        for name in "def":
            write_series(tmp_path / "in" / name, n=6)
        later = ends(carry_out(tmp_path, tmp_path / "in", counting))
        assert {name for name, end in later.items() if end == "ok"} == {"a", "b"}

    def test_series_of_another_slice_count_than_asked_are_left_out(self, tmp_path: Path) -> None:
        write_series(tmp_path / "in/a", n=8)
        write_series(tmp_path / "in/b", n=6)
        assert ends(carry_out(tmp_path, tmp_path / "in", PLAIN + "select: {slice_count: 6}\n"))["a"] == "NOT_SELECTED"

    def test_a_series_whose_uid_was_rewritten_in_each_file_is_joined_when_asked(self, tmp_path: Path) -> None:
        def rewrite(dataset: Dataset, z: int) -> None:
            dataset.SeriesInstanceUID = uid("rewritten", str(z))

        write_series(tmp_path / "in/a", change=rewrite)
        alone = carry_out(tmp_path, tmp_path / "in", KEPT, name="alone")
        assert [told(record) for record in alone.records] == ["TOO_FEW_SLICES"] * 12
        joined = carry_out(tmp_path, tmp_path / "in", KEPT + "select: {regroup: geometry}\n")
        assert [(told(record), record.n_slices) for record in joined.records] == [("ok", 12)]


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"slice_count": "many"}', b"\xff"])
def test_where_no_run_told_a_slice_count_there_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    assert slice_count_before(OutputFolder(tmp_path)) is None
