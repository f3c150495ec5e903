from pathlib import Path

import pytest

from pipeline.cohort.options import TableOptions
from pipeline.cohort.table import LabelTable
from pipeline.output.columns import FILE_COLUMNS, SLICE_COLUMNS
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table, write_table
from pipeline.privacy import PseudonymKey
from pipeline.record import map_types
from pipeline.run.publish import label_slices, publish_leftovers, slice_label_columns

KEY = PseudonymKey(b"secret")
USED, FRAMES, UNUSED = "1.2.3.1", "1.2.3.2", "1.2.3.3"


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    """Write the accounts of a slice, of an object of two frames, and of a file that was not used."""
    output = OutputFolder(tmp_path)
    output.prepare()
    places = [(USED, None, "used"), (FRAMES, 1, "used"), (FRAMES, 2, "used"), (UNUSED, None, "skipped")]
    files = [
        {"path": f"/{name}", "SOPInstanceUID": name, "frame": frame, "status": status} for name, frame, status in places
    ]
    slices = [{"slice_key": KEY.slice_key(name, frame), "status": status} for name, frame, status in places]
    write_table(output.files, map_types(FILE_COLUMNS), files, private=True)
    write_table(output.slices, map_types(SLICE_COLUMNS), slices)
    return output


def table(rows: dict[str, int], column: str = "label_x", on: str = "SOPInstanceUID") -> LabelTable:
    options = TableOptions(Path("slices.csv"), on)  # type: ignore[arg-type]  # one of eight words
    return LabelTable(options, {column: "integer"}, {key: {column: value} for key, value in rows.items()})


def test_each_slice_that_was_used_gets_its_labels_and_every_frame_those_of_its_object(output: OutputFolder) -> None:
    (join,) = label_slices(output, KEY, [table({USED: 1, FRAMES: 2, UNUSED: 3, "1.2.3.9": 4})])
    assert [row["label_x"] for row in read_table(output.slices)] == [1, 2, 2, None]
    assert join.alone == (UNUSED, "1.2.3.9")
    assert slice_label_columns(output) == {"label_x"}


def test_several_tables_stand_beside_each_other(output: OutputFolder) -> None:
    name = KEY.slice_key(USED, None)
    label_slices(output, KEY, [table({USED: 1}), table({name: 7}, "label_y", "slice_key")])
    first = read_table(output.slices)[0]
    assert (first["label_x"], first["label_y"]) == (1, 7)


def test_tables_of_series_are_none_of_their_business(output: OutputFolder) -> None:
    before = output.slices.read_bytes()
    assert label_slices(output, KEY, [table({USED: 1}, on="PatientID")]) == ()
    assert output.slices.read_bytes() == before


def test_what_found_no_partner_is_listed_in_private(output: OutputFolder) -> None:
    publish_leftovers(output, [])
    path = output.private / "unlabelled.parquet"
    assert not path.exists()
    publish_leftovers(output, label_slices(output, KEY, [table({"1.2.3.9": 4})]))
    assert [row["key"] for row in read_table(path)] == ["1.2.3.9", None, None, None]
    assert path.stat().st_mode & 0o077 == 0
