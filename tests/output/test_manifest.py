import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VM

from pipeline.errors import UsageError
from pipeline.geometry import Zyx
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import ELEMENT_COLUMNS, infer_label_columns, publish, read_records
from pipeline.output.tables import read_table
from pipeline.privacy import ALLOWED_ELEMENTS
from pipeline.record import RECORD_COLUMNS, ElementValue, SeriesRecord
from pipeline.vocabulary import Reason, SeriesWarning, Status, Verdict

OK = SeriesRecord(
    series_key="b" * 20,
    status=Status.OK,
    warnings=(SeriesWarning.W_PADDING, SeriesWarning.W_LOSSY),
    n_files=12,
    geometry=Verdict.REGULAR,
    shape_in=Zyx(12, 32, 32),
    spacing_in_mm=Zyx(2.5, 0.8, 0.7),
    shape=(2, 30, 26, 23),
    spacing_mm=Zyx(1.0, 1.0, 1.0),
    store="volumes/" + "b" * 20 + ".zarr",
    store_bytes=2**40,
    hu_mean=-512.25,
    elements={"Modality": "CT", "KVP": 120.0, "PixelSpacing": [0.8, 0.7], "ImageType": ["ORIGINAL", "PRIMARY"]},
)
REJECTED = SeriesRecord(
    series_key="a" * 20, status=Status.REJECTED, reason=Reason.SLICE_GAP, detail="1 of 12 slices is missing"
)


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    output = OutputFolder(tmp_path)
    output.prepare()
    return output


def _cells(output: OutputFolder, **elements: ElementValue) -> dict[str, Any]:
    publish(output, [SeriesRecord(series_key="k", status=Status.OK, elements=elements)])
    (row,) = read_table(output.manifest)
    return row


def test_element_columns_may_be_shown_and_are_lists_only_where_there_may_be_several_values() -> None:
    assert set(ELEMENT_COLUMNS) <= ALLOWED_ELEMENTS
    several = {keyword for keyword in ELEMENT_COLUMNS if dictionary_VM(keyword) != "1"}
    assert {keyword for keyword, kind in ELEMENT_COLUMNS.items() if kind.endswith("s")} == several


def test_labels_stand_last_typed_and_come_back(output: OutputFolder) -> None:
    labels = [{"label_grade": 1, "label_size": 2.5, "label_site": "A"}, {"label_grade": None, "label_size": 3}]
    records = [
        SeriesRecord(series_key=key, status=Status.OK, labels=told) for key, told in zip("ab", labels, strict=True)
    ]
    publish(output, records)
    first, second = read_records(output)
    assert first.labels == labels[0]
    assert second.labels == {"label_grade": None, "label_size": 3.0, "label_site": None}
    assert list(read_table(output.manifest)[0])[-3:] == ["label_grade", "label_size", "label_site"]
    assert [type(value) for value in first.labels.values()] == [int, float, str]
    assert "label_site" not in first.elements


def test_records_come_back_sorted_by_series_key(output: OutputFolder) -> None:
    publish(output, [OK, REJECTED])
    assert read_records(output) == [REJECTED, OK]


ELEMENTS = st.fixed_dictionaries(
    {},
    optional={
        "KVP": st.floats(0, 200),
        "BitsStored": st.integers(1, 16),
        "Manufacturer": st.text("AaÄ =,\"'\n山"[:7]),
        "WindowCenter": st.lists(st.floats(-2000, 2000), min_size=1),
        "FilterMaterial": st.sampled_from([["ALUMINUM"], ["COPPER", "TIN"]]),
        "SeriesDescription": st.text("abc ", min_size=1),
    },
)


@given(st.dictionaries(st.text("0123456789abcdef", min_size=20, max_size=20), ELEMENTS, max_size=4))
@settings(max_examples=25)
def test_what_is_published_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, cohort: dict[str, dict[str, Any]]
) -> None:
    output = OutputFolder(tmp_path_factory.mktemp("out"))
    output.prepare()
    records = [SeriesRecord(series_key=key, status=Status.OK, elements=elements) for key, elements in cohort.items()]
    publish(output, records)
    assert read_records(output) == sorted(records, key=lambda record: record.series_key)


def test_the_order_of_the_records_changes_no_byte(output: OutputFolder) -> None:
    publish(output, [OK, REJECTED])
    before = (output.manifest.read_bytes(), output.manifest_csv.read_bytes())
    publish(output, [REJECTED, OK])
    assert (output.manifest.read_bytes(), output.manifest_csv.read_bytes()) == before


def test_the_csv_has_the_same_columns_with_lists_as_json_and_null_empty(output: OutputFolder) -> None:
    publish(output, [OK, REJECTED])
    with output.manifest_csv.open(newline="", encoding="utf-8") as file:
        rejected, ok = csv.DictReader(file)
    assert list(ok) == [*RECORD_COLUMNS, *ELEMENT_COLUMNS] == list(read_table(output.manifest)[0])
    assert (ok["warnings"], ok["shape"], ok["reason"]) == ('["W_PADDING", "W_LOSSY"]', "[2, 30, 26, 23]", "")
    assert (rejected["warnings"], rejected["reason"], rejected["hu_mean"]) == ("[]", "SLICE_GAP", "")


def test_elements_keep_to_their_columns_types(output: OutputFolder) -> None:
    row = _cells(output, KVP=120, BitsStored=12.0, WindowCenter=40, SliceThickness=[1.0, 2.0], RescaleSlope="1")
    assert (row["KVP"], row["BitsStored"], row["WindowCenter"]) == (120.0, 12, [40.0])
    assert (row["SliceThickness"], row["RescaleSlope"]) == (None, 1.0)


@pytest.mark.parametrize("value", ["abc", float("nan"), float("inf"), ["1", "x"], "", None])
def test_what_is_no_number_is_null_in_a_column_of_numbers(output: OutputFolder, value: Any) -> None:
    row = _cells(output, KVP=value, WindowCenter=value, BitsStored=value)
    assert (row["KVP"], row["WindowCenter"], row["BitsStored"]) == (None, None, None)


def test_text_is_cleaned_and_cut(output: OutputFolder) -> None:
    row = _cells(output, Manufacturer="GE\x00\x1b[31m\ud800", ConvolutionKernel=["B\u202e30f", "x" * 2000])
    assert (row["Manufacturer"], row["ConvolutionKernel"]) == ("GE[31m", ["B30f", "x" * 1024])


def test_a_great_age_is_capped(output: OutputFolder) -> None:
    assert _cells(output, PatientAge="097Y")["PatientAge"] == "090Y"
    assert _cells(output, PatientAge="Jane Doe")["PatientAge"] is None


IDENTIFYING = {"PatientID": "P-17", "SeriesInstanceUID": "1.2.840.17", "SeriesDescription": "for Dr. Who"}


def test_elements_that_are_not_allowed_go_to_private_alone(output: OutputFolder) -> None:
    publish(output, [SeriesRecord(series_key="k", status=Status.OK, elements={"Modality": "CT", **IDENTIFYING})])
    assert read_table(output.private_manifest) == [{"series_key": "k", **IDENTIFYING}]
    assert output.private_manifest.stat().st_mode & 0o077 == 0
    for path in (output.manifest, output.manifest_csv):
        for value in IDENTIFYING.values():
            assert value.encode() not in path.read_bytes()
    assert read_records(output)[0].elements == {"Modality": "CT", **IDENTIFYING}


def test_identifiers_are_kept_where_that_is_asked_but_free_text_is_not(output: OutputFolder) -> None:
    record = SeriesRecord(series_key="k", status=Status.OK, elements=IDENTIFYING)
    publish(output, [record], "keep")
    (row,) = read_table(output.manifest)
    assert (row["PatientID"], row["SeriesInstanceUID"]) == ("P-17", "1.2.840.17")
    assert "SeriesDescription" not in row
    assert read_records(output) == [record]


def test_a_private_manifest_that_is_no_longer_needed_is_removed(output: OutputFolder) -> None:
    publish(output, [SeriesRecord(series_key="k", status=Status.OK, elements=IDENTIFYING)])
    publish(output, [OK])
    assert not output.private_manifest.exists()


def test_a_folder_without_manifest_is_no_output(output: OutputFolder) -> None:
    with pytest.raises(UsageError, match="no output of `ctprep run`"):
        read_records(output)


def test_a_column_is_as_wide_as_its_widest_value() -> None:
    rows = [{"a": 1, "b": 1, "c": 1, "d": None}, {"a": None, "b": 2.5, "c": "x"}]
    assert infer_label_columns(rows) == {"a": "integer", "b": "number", "c": "text", "d": "text"}


def test_the_voxels_of_a_mask_that_no_series_has_are_still_a_number() -> None:
    rows = [{"label_mask_gtv": None, "label_site": None}]
    assert infer_label_columns(rows) == {"label_mask_gtv": "integer", "label_site": "text"}


def test_numbers_are_numbers_in_both_tables_and_text_alone_is_escaped(output: OutputFolder) -> None:
    cells = _cells(output, Rows=512, SliceLocation="-225.63", ImagePositionPatient=["-1.5", "2", "3"])
    assert (cells["Rows"], cells["SliceLocation"], cells["ImagePositionPatient"]) == (512, -225.63, [-1.5, 2.0, 3.0])
    with output.manifest_csv.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["Rows"], row["SliceLocation"], row["ImagePositionPatient"]) == ("512", "-225.63", "[-1.5, 2.0, 3.0]")
    publish(output, [SeriesRecord(series_key="k", status=Status.OK, labels={"label_site": "-1"})])
    assert "'-1" in output.manifest_csv.read_text()
