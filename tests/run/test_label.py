from pathlib import Path

import pytest
from phantoms import Series, uid, write_series
from running import ORIENTED, Outcome, by_uid, bytes_of_stores, carry_out

from pipeline.cohort.options import TableOptions
from pipeline.errors import UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import read_records
from pipeline.output.tables import read_table
from pipeline.run.label import label

pytestmark = pytest.mark.usefixtures("in_this_process")
YAML = ORIENTED + "report: {enabled: false}\n"


@pytest.fixture
def series(tmp_path: Path) -> list[Series]:
    return [
        write_series(tmp_path / "in" / f"p{n}", n=4, rows=16, columns=16, seed=n, patient_id=f"P-{n}") for n in range(2)
    ]


@pytest.fixture
def outcome(tmp_path: Path, series: list[Series]) -> Outcome:
    assert len(series) == 2
    return carry_out(tmp_path, tmp_path / "in", YAML)


def table(tmp_path: Path, text: str, name: str = "labels.csv", **told: str) -> TableOptions:
    path = tmp_path / name
    path.write_text(text)
    return TableOptions(path, **({"on": "PatientID"} | told))  # type: ignore[arg-type]  # one of eight words


def labels_of(output: OutputFolder) -> list[dict[str, object]]:
    return [record.labels for record in read_records(output)]


def test_labels_come_later_and_no_store_is_touched(tmp_path: Path, outcome: Outcome) -> None:
    before, records = bytes_of_stores(outcome), read_records(outcome.output)
    join = label(outcome.output, table(tmp_path, "PatientID,grade\nP-0,1\nP-9,2\n"))
    assert (len(join.labels), join.alone, len(join.unlabelled)) == (1, ("P-9",), 1)
    assert sorted(str(labels) for labels in labels_of(outcome.output)) == [
        "{'label_grade': 1}",
        "{'label_grade': None}",
    ]
    assert bytes_of_stores(outcome) == before
    after = read_records(outcome.output)
    assert [{**vars(one), "labels": {}} for one in after] == [{**vars(one), "labels": {}} for one in records]


def test_the_next_run_joins_them_again_new_series_too(tmp_path: Path, outcome: Outcome) -> None:
    options = table(tmp_path, "PatientID,grade\nP-0,1\nP-new,2\n")
    label(outcome.output, options)
    options.path.unlink()
    write_series(tmp_path / "in" / "new", n=4, rows=16, columns=16, seed=9, patient_id="P-new")
    again = by_uid(carry_out(tmp_path, tmp_path / "in", YAML))
    names = {patient: uid("series", patient, folder) for patient, folder in (("P-0", "p0"), ("P-new", "new"))}
    assert {patient: again[name].labels for patient, name in names.items()} == {
        "P-0": {"label_grade": 1},
        "P-new": {"label_grade": 2},
    }


def test_a_run_with_nothing_to_do_keeps_them(tmp_path: Path, outcome: Outcome) -> None:
    label(outcome.output, table(tmp_path, "PatientID,grade\nP-0,1\nP-1,2\n"))
    before = labels_of(outcome.output)
    carry_out(tmp_path, tmp_path / "in", YAML)
    carry_out(tmp_path, tmp_path / "in", YAML)
    assert labels_of(outcome.output) == before


def test_a_table_of_the_same_name_takes_the_place_of_the_one_before(tmp_path: Path, outcome: Outcome) -> None:
    label(outcome.output, table(tmp_path, "PatientID,grade,old\nP-0,1,x\nP-1,2,y\n"))
    label(outcome.output, table(tmp_path, "PatientID,site\nP-0,A\nP-1,B\n", "sites.csv"))
    label(outcome.output, table(tmp_path, "PatientID,grade\nP-0,7\nP-1,7\n"))
    assert [set(labels) for labels in labels_of(outcome.output)] == [{"label_grade", "label_site"}] * 2
    assert [labels["label_grade"] for labels in labels_of(outcome.output)] == [7, 7]


def test_a_column_that_is_there_from_elsewhere_is_refused(tmp_path: Path, outcome: Outcome) -> None:
    label(outcome.output, table(tmp_path, "PatientID,grade\nP-0,1\n"))
    with pytest.raises(UsageError, match="columns label_grade from elsewhere"):
        label(outcome.output, table(tmp_path, "PatientID,grade\nP-0,2\n", "other.csv"))
    assert {labels["label_grade"] for labels in labels_of(outcome.output)} == {1, None}


def test_a_table_that_speaks_of_nothing_is_refused_and_not_kept(tmp_path: Path, outcome: Outcome) -> None:
    with pytest.raises(UsageError, match="nothing was changed; is PatientID the StudyInstanceUID"):
        label(outcome.output, table(tmp_path, "PatientID,grade\nP-0,1\n", on="StudyInstanceUID", column="PatientID"))
    assert not (outcome.output.private / "labels").exists()


@pytest.mark.parametrize("on", ["series_key", "patient", "study", "SeriesInstanceUID", "StudyInstanceUID"])
def test_every_name_of_a_series_can_be_joined_on(
    tmp_path: Path, outcome: Outcome, series: list[Series], on: str
) -> None:
    record = by_uid(outcome)[series[0].series_uid]
    raw = {"SeriesInstanceUID": series[0].series_uid, "StudyInstanceUID": series[0].study_uid}
    label(outcome.output, table(tmp_path, f"{on},grade\n{raw.get(on) or getattr(record, on)},5\n", on=on))
    found = {one.series_key: one.labels["label_grade"] for one in read_records(outcome.output)}
    assert {key for key, grade in found.items() if grade == 5} == {record.series_key}


def test_labels_of_slices_go_to_their_slices(tmp_path: Path, outcome: Outcome, series: list[Series]) -> None:
    uids = [uid("slice", series[0].series_uid, str(z)) for z in range(4)]
    join = label(
        outcome.output, table(tmp_path, f"SOPInstanceUID,bleeding\n{uids[2]},1\n{uids[0]},0\n", on="SOPInstanceUID")
    )
    assert (len(join.labels), len(join.unlabelled)) == (2, 6)
    found = {(row["series_key"], row["z_index"]): row["label_bleeding"] for row in read_table(outcome.output.slices)}
    key = by_uid(outcome)[series[0].series_uid].series_key
    assert {place: grade for place, grade in found.items() if grade is not None} == {(key, 2): 1, (key, 0): 0}
    label(outcome.output, table(tmp_path, f"slice_key,x\n{next(iter(join.labels))},5\n", "x.csv", on="slice_key"))
    assert {"label_bleeding", "label_x"} <= read_table(outcome.output.slices)[0].keys()
    carry_out(tmp_path, tmp_path / "in", YAML)
    assert {"label_bleeding", "label_x"} <= read_table(outcome.output.slices)[0].keys()


def test_where_no_run_was_there_is_nothing_to_label(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no output of `ctprep run`"):
        label(OutputFolder(tmp_path), table(tmp_path, "PatientID,grade\nP-0,1\n"))
