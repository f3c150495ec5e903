from dataclasses import replace
from pathlib import Path

import pytest
from phantoms import uid, write_series
from pydicom.dataset import Dataset
from running import ORIENTED, Outcome, by_uid, carry_out

from pipeline.cohort.cohort import CohortMetadata, counts_by_split, describe_shares, with_splits
from pipeline.cohort.options import LabelOptions, ManifestOptions
from pipeline.cohort.splits import Split
from pipeline.errors import UsageError
from pipeline.masks.sources import MaskOptions
from pipeline.output.layout import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Status

pytestmark = pytest.mark.usefixtures("in_this_process")

HALF = Split(train=0.5, test=0.5)
QUIET = ORIENTED + "report: {enabled: false}\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def options(folder: Path, **told: object) -> CohortMetadata:
    return CohortMetadata.open(ManifestOptions(**told), OutputFolder(folder))  # type: ignore[arg-type]


def run_with(tmp_path: Path, manifest: str, name: str = "out") -> Outcome:
    return carry_out(tmp_path, tmp_path / "in", f"{QUIET}manifest: {manifest}\n", name)


def ok(key: str, **told: object) -> SeriesRecord:
    return SeriesRecord(series_key=key, status=Status.OK, **told)  # type: ignore[arg-type]


def test_only_what_has_a_store_is_split() -> None:
    records = [ok("a"), SeriesRecord(series_key="b", status=Status.REJECTED, split="train")]
    patients = {"a": ("patient", "A"), "b": ("patient", "B")}
    a, b = with_splits(records, patients, HALF)
    assert (a.split, b.split) == (HALF.at(HALF.draw(("patient", "A"))), None)
    assert [record.split for record in with_splits([a, b], patients, None)] == [None, None]


def test_a_series_that_is_gone_follows_its_patient_or_keeps_its_split() -> None:
    here, gone, alone = (
        ok("here", patient="p"),
        ok("gone", patient="p", split="validation"),
        ok("alone", patient="q", split="validation"),
    )
    found = with_splits([here, gone, alone], {"here": ("patient", "A")}, HALF)
    assert [record.split for record in found] == [HALF.at(HALF.draw(("patient", "A")))] * 2 + ["validation"]


def test_series_are_counted_by_split_in_their_order() -> None:
    records = [ok("a", split="test"), ok("b", split="train"), ok("c", split="test"), ok("d")]
    assert list(counts_by_split(records).items()) == [("train", 1), ("test", 2)]


@pytest.mark.parametrize(
    ("split", "key"), [(replace(HALF, group="Hospital"), "group"), (replace(HALF, stratify="hu_mean"), "stratify")]
)
def test_a_column_that_nobody_can_split_by_is_refused(tmp_path: Path, split: Split, key: str) -> None:
    with pytest.raises(UsageError, match=rf"^manifest\.split\.{key}: \w+ is no column to split by"):
        options(tmp_path, split=split)


@pytest.mark.parametrize("told", [{"group": "Manufacturer"}, {"stratify": "PatientSex"}, {"group": "InstitutionName"}])
def test_elements_and_asked_tags_may_be_split_by(tmp_path: Path, told: dict[str, str]) -> None:
    assert options(tmp_path, split=replace(HALF, **told), tags=("InstitutionName",)).tables == ()


def test_a_run_splits_by_patient_whatever_else_is_in_the_input(tmp_path: Path) -> None:
    for n in range(4):
        write_series(tmp_path / "in" / f"p{n}", n=4, rows=16, columns=16, seed=n, patient_id=f"P-{n}")
    split = "{split: {train: 0.5, test: 0.5}}"
    before = by_uid(run_with(tmp_path, split))
    write_series(tmp_path / "in" / "new", n=4, rows=16, columns=16, seed=9, patient_id="P-new")
    outcome = run_with(tmp_path, split)
    after = by_uid(outcome)
    assert {name: after[name].split for name in before} == {name: record.split for name, record in before.items()}
    expected = {f"P-{n}": HALF.at(HALF.draw(("patient", f"P-{n}"))) for n in range(4)}
    series = {uid("series", f"P-{n}", f"p{n}"): f"P-{n}" for n in range(4)}
    assert {series[name]: record.split for name, record in before.items()} == expected
    assert sum(outcome.summary["splits"].values()) == 5


def test_other_splits_make_no_store_again(tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "a", n=4, rows=16, columns=16)
    run_with(tmp_path, "{split: {train: 1}}")
    store = next((tmp_path / "out/volumes").glob("*.zarr"))
    made = store.stat().st_ctime_ns
    outcome = run_with(tmp_path, "{split: {train: 0, test: 1}}")
    assert [record.split for record in outcome.records] == ["test"]
    assert store.stat().st_ctime_ns == made


def test_patient_ids_of_one_person_are_one_patient_to_everything(tmp_path: Path) -> None:
    def on(day: str) -> object:
        def change(dataset: Dataset, _z: int) -> None:
            dataset.StudyDate = day

        return change

    for n, day in enumerate(("20200102", "20200110", "20200301")):
        write_series(tmp_path / "in" / f"p{n}", n=4, rows=16, columns=16, seed=n, patient_id=f"P-{n}", change=on(day))
    plain = by_uid(run_with(tmp_path, "{split: {train: 0.5, test: 0.5}}", "plain"))
    assert {record.study_day for record in plain.values()} == {0}
    people = write(tmp_path, "people.csv", "PatientID,person\nP-0,X\nP-1,X\n")
    mapped = run_with(tmp_path, f"{{patient_map: {people}, split: {{train: 0.5, test: 0.5}}}}", "plain")
    first, second, third = sorted(
        by_uid(mapped).values(),
        key=lambda record: (record.patient != by_uid(mapped)[uid("series", "P-0", "p0")].patient, record.study_day),
    )
    assert first.patient == second.patient != third.patient
    assert (first.study_day, second.study_day, third.study_day) == (0, 8, 0)
    assert first.split == second.split == HALF.at(HALF.draw(("patient", "X")))


def test_labels_join_by_patient_and_stay_when_the_files_are_gone(tmp_path: Path) -> None:
    for n in range(3):
        write_series(tmp_path / "in" / f"p{n}", n=4, rows=16, columns=16, seed=n, patient_id=f"P-{n}")
    labels = write(tmp_path, "labels.csv", "PatientID,grade,site\nP-0,1,A\nP-1,2,B\nP-9,3,A\n")
    manifest = f"{{labels: {{csv: {labels}, on: PatientID}}}}"
    outcome = run_with(tmp_path, manifest)
    expected = [{"label_grade": 1, "label_site": "A"}, {"label_grade": 2, "label_site": "B"}]
    expected.append({"label_grade": None, "label_site": None})
    series = [uid("series", f"P-{n}", f"p{n}") for n in range(3)]
    assert [by_uid(outcome)[name].labels for name in series] == expected
    (told,) = outcome.summary["labels"]
    assert (told["labelled"], told["unlabelled"], told["rows_without"]) == (2, 1, 1)
    for path in (tmp_path / "in" / "p0").iterdir():
        path.unlink()
    keys = {record.series_key: record.labels for record in outcome.records}
    assert {record.series_key: record.labels for record in run_with(tmp_path, manifest).records} == keys


def test_a_table_that_is_wrong_stops_a_run_before_anything_is_written(tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "a", n=4, rows=16, columns=16)
    with pytest.raises(UsageError, match=r"missing\.csv cannot be read"):
        run_with(tmp_path, f"{{labels: {{csv: {tmp_path / 'missing.csv'}, on: PatientID}}}}")
    assert not (tmp_path / "out").exists()


def test_a_table_may_not_bring_what_a_mask_says(tmp_path: Path) -> None:
    table = write(tmp_path, "labels.csv", "PatientID,reason_gtv\nP-1,none\n")
    masks = MaskOptions("gtv", dicom="RTSTRUCT")
    options = ManifestOptions(labels=LabelOptions(csv=str(table), masks=(masks,)))
    with pytest.raises(UsageError, match="a table brings label_reason_gtv"):
        CohortMetadata.open(options, OutputFolder(tmp_path / "out"))


def test_shares_far_from_those_asked_for_are_said() -> None:
    drawn = ["train", "validation", "validation", "test", "test"]
    records = [ok(str(n), patient=f"p{n}", split=name) for n, name in enumerate(drawn)]
    said = describe_shares(records, Split(train=0.6, validation=0.2, test=0.2))
    assert said
    assert said.startswith(
        "Of 5 patients 1 for train (60% asked), 2 for validation (20% asked), 2 for test (20% asked)"
    )
    assert describe_shares(records, Split(train=0.2, validation=0.4, test=0.4)) is None
    assert describe_shares(records, None) is None
