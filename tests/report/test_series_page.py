import csv
from pathlib import Path

import pytest
from cohorts import GAP_KEY, MR_KEY, OK_KEY, small_cohort

from pipeline.errors import OutputError
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table
from pipeline.report.options import ReportOptions
from pipeline.report.series_page import SeriesData, folder_of, remove, write_series


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    return OutputFolder(tmp_path)


def page_of(output: OutputFolder, key: str, options: ReportOptions | None = None) -> str:
    cohort = small_cohort(output)
    record = next(record for record in cohort.records if record.series_key == key)
    slices = [row for row in read_table(output.slices) if row["series_key"] == key]
    write_series(output, SeriesData(record, slices, cohort.histograms.get(key)), options or ReportOptions())
    return (folder_of(output, key) / "index.html").read_text()


def names(output: OutputFolder, key: str) -> set[str]:
    return {path.name for path in folder_of(output, key).iterdir()}


def test_a_ready_series_has_a_viewer_of_three_planes_its_windows_and_animations(output: OutputFolder) -> None:
    page = page_of(output, OK_KEY)
    assert page.count('<input type="range"') == 3
    assert page.count('<input type="radio"') == 3
    strips = {f"{view}-{window}.webp" for view in ("axial", "coronal", "sagittal") for window in ("brain", "bone")}
    assert strips | {"moving-axial.webp", "thumb.webp", "index.html"} <= names(output, OK_KEY)


def test_animations_come_in_the_format_that_was_asked_for_or_not_at_all(output: OutputFolder, tmp_path: Path) -> None:
    page_of(output, OK_KEY, ReportOptions(animations="gif"))
    assert "moving-axial.gif" in names(output, OK_KEY)
    still = OutputFolder(tmp_path / "still")
    still.root.mkdir()
    assert "Animations" not in page_of(still, OK_KEY, ReportOptions(animations="none"))


def test_pictures_are_left_out_where_they_are_not_wanted(output: OutputFolder) -> None:
    page = page_of(output, OK_KEY, ReportOptions(pictures=False))
    assert "<img" not in page
    assert "No pictures" not in page
    assert names(output, OK_KEY) == {"index.html", "slices.csv", "hounsfield.csv"}


@pytest.mark.parametrize("damage", ["gone", "emptied", "cut"])
def test_a_damaged_store_costs_its_pictures_and_not_the_page(output: OutputFolder, damage: str) -> None:
    cohort = small_cohort(output)
    store = output.store(OK_KEY)
    if damage == "gone":
        store.rename(output.root / "elsewhere")
    elif damage == "emptied":
        (store / "zarr.json").write_text("{}")
    else:
        data = max((file for file in store.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
        data.write_bytes(data.read_bytes()[:-300] + bytes(300))
    write_series(output, SeriesData(cohort.records[0], (), None), ReportOptions())
    page = (folder_of(output, OK_KEY) / "index.html").read_text()
    assert "<img" not in page
    assert "No pictures: the store is missing or cannot be read." in page


def test_a_refused_series_shows_why_and_where_its_slices_lie(output: OutputFolder) -> None:
    page = page_of(output, GAP_KEY)
    assert "Why there is no volume" in page
    assert "1 of 9 &lt;intervals&gt;" in page
    assert 'class="gap"' in page


def test_what_differs_between_slices_is_reported_and_the_rows_are_a_file(output: OutputFolder) -> None:
    assert "16 (5), 17 (1)" in page_of(output, GAP_KEY)
    with (folder_of(output, GAP_KEY) / "slices.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["z_index"] for row in rows] == list("012345")


def test_a_series_of_which_nothing_is_known_still_has_a_page(output: OutputFolder) -> None:
    assert "Modality MR" in page_of(output, MR_KEY)
    assert names(output, MR_KEY) == {"index.html"}


def test_a_folder_that_cannot_be_replaced_is_an_error_of_the_output(output: OutputFolder) -> None:
    path = output.root / "no folder"
    path.write_text("")
    with pytest.raises(OutputError, match="cannot replace no folder"):
        remove(path)
