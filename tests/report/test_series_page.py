import csv
from pathlib import Path
from typing import Any

import pytest
from cohorts import GAP_KEY, MR_KEY, OK_KEY, small_cohort

from pipeline.errors import OutputError
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table
from pipeline.report.options import ReportOptions
from pipeline.report.series_page import SeriesData, differences, remove, stack_figure, write_series


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    return OutputFolder(tmp_path)


def page_of(output: OutputFolder, key: str, options: ReportOptions | None = None) -> str:
    cohort = small_cohort(output)
    record = next(record for record in cohort.records if record.series_key == key)
    slices = [row for row in read_table(output.slices) if row["series_key"] == key]
    write_series(output, SeriesData(record, slices, cohort.histograms.get(key)), options or ReportOptions())
    return (output.series_report(key) / "index.html").read_text()


def names(output: OutputFolder, key: str) -> set[str]:
    return {path.name for path in output.series_report(key).iterdir()}


def test_a_ready_series_has_a_viewer_of_three_planes_and_its_windows(output: OutputFolder) -> None:
    page = page_of(output, OK_KEY)
    assert page.count('<input type="range"') == 3
    assert page.count('<input type="radio"') == 3
    strips = {f"{view}-{window}.jpg" for view in ("axial", "coronal", "sagittal") for window in ("brain", "bone")}
    assert strips | {"thumb.jpg", "pictures.json", "index.html"} <= names(output, OK_KEY)


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
    page = (output.series_report(OK_KEY) / "index.html").read_text()
    assert "<img" not in page
    assert "No pictures: the store is missing or cannot be read." in page


def test_a_refused_series_shows_why_and_where_its_slices_lie(output: OutputFolder) -> None:
    page = page_of(output, GAP_KEY)
    assert "Why there is no volume" in page
    assert "1 of 9 &lt;intervals&gt;" in page
    assert 'class="gap"' in page


def test_what_differs_between_slices_is_reported_and_the_rows_are_a_file(output: OutputFolder) -> None:
    assert "16 (5), 17 (1)" in page_of(output, GAP_KEY)
    with (output.series_report(GAP_KEY) / "slices.csv").open() as file:
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


def row(
    position: float | None, number: int = 1, offset: tuple[float, float] = (0.0, 0.0), **more: Any
) -> dict[str, Any]:
    plain = {"rows": 512, "columns": 512, "transfer_syntax": "1.2.840.10008.1.2.1", "status": "used", "reason": None}
    return plain | {"position_mm": position, "instance_number": number, "offset_mm": offset} | more


def even(n: int = 10, step: float = 2.0) -> list[dict[str, Any]]:
    return [row(i * step, i + 1) for i in range(n)]


def test_an_even_stack_has_a_line_a_slice_and_neither_gap_nor_dot() -> None:
    figure = stack_figure(even())
    assert figure is not None
    assert figure.svg.count("M") == 10
    assert not {"gap", "alert"} & set(figure.svg.split('"'))
    assert figure.note == "10 slices over 18 mm; usual interval 2 mm."
    assert figure.rows == ((2.0, 9),)


def test_a_gap_is_shaded_and_counted() -> None:
    figure = stack_figure([*even(), row(30.0, 16)])
    assert figure is not None
    assert figure.svg.count('class="gap"') == 1
    assert "1 wide interval, shaded" in figure.note
    assert (12.0, 1) in figure.rows


def test_slices_at_one_position_are_dotted() -> None:
    figure = stack_figure([*even(), row(4.0, 3)])
    assert figure is not None
    assert figure.svg.count('class="alert"') == 1
    assert "1 at a position that has one already" in figure.note


def test_a_tilted_stack_is_drawn_slanted_and_true_to_scale() -> None:
    upright, tilted = stack_figure(even()), stack_figure([row(i * 2.0, i, (0.0, i * 1.0)) for i in range(10)])
    assert upright is not None
    assert tilted is not None
    assert "shifted by 9 mm" in tilted.note
    assert (
        float(tilted.svg.split('viewBox="0 0 420 ')[1].split('"')[0])
        == float(upright.svg.split('viewBox="0 0 420 ')[1].split('"')[0]) + 200
    )


def test_no_known_position_is_no_drawing_and_one_slice_is_a_line() -> None:
    assert stack_figure([row(None)]) is None
    figure = stack_figure([row(5.0)])
    assert figure is not None
    assert figure.note == "1 slices over 0 mm."


def test_slices_that_are_alike_do_not_differ() -> None:
    assert differences(even()) == []


def test_what_differs_is_reported_with_its_counts() -> None:
    slices = [*even(3), row(None, 9, rows=256, status="skipped", reason="LOCALIZER")]
    assert dict(differences(slices)) == {"rows": "512 (3), 256 (1)", "status": "used (3), skipped (1)"}


def test_many_values_are_cut_and_the_cut_is_said() -> None:
    assert dict(differences([row(None, columns=i) for i in range(9)]))["columns"].endswith("and 3 more")


def test_instance_numbers_against_the_position_are_reported() -> None:
    assert dict(differences([row(0.0, 2), row(1.0, 1)])) == {"instance_number": "falls as the position grows"}
    mixed = [row(0.0, 1), row(1.0, 3), row(2.0, 2)]
    assert dict(differences(mixed)) == {"instance_number": "does not follow the position"}
