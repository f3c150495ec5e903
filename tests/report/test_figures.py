from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from pipeline.features.statistics import Histogram
from pipeline.geometry import Zyx
from pipeline.output.layout import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.report.figures import CATEGORIES, MEASURES, cohort_figures, figures
from pipeline.vocabulary import Reason, Status


def record(number: int, status: Status = Status.OK, reason: Reason | None = None, **elements: object) -> SeriesRecord:
    shape = {"shape_in": Zyx(30 + number, 512, 512), "spacing_in_mm": Zyx(2.5, 0.7, 0.7)} if status is Status.OK else {}
    measured = {"n_slices": 30 + number, "slice_thickness_mm": 2.5, "span_mm": 100.0 + number} if shape else {}
    told = {"patient": f"p{number // 2}", "elements": dict(elements)}
    return SeriesRecord(series_key=f"{number:020x}", status=status, reason=reason, **shape, **measured, **told)


COHORT = [
    record(
        0, KVP=120.0, PatientPosition="HFS", RescaleSlope=1.0, RescaleIntercept=-1024.0, ImageType=["ORIGINAL", "A"]
    ),
    record(1, KVP=120.0, PatientPosition="HFS", Manufacturer="GE", ManufacturerModelName="<Ultra>", ImageType="1"),
    record(2, Status.REJECTED, Reason.SLICE_GAP, KVP=100.0, PatientPosition="FFS"),
    record(3, Status.EXCLUDED, Reason.NOT_CT, KVP=1.0),
]
HISTOGRAMS = {COHORT[0].series_key: Histogram(0, np.array([5, 2]))}
TAGS = [
    {"keyword": "KVP", "n_missing": 3},
    {"keyword": "Rows", "n_missing": 0},
    {"keyword": "Exposure", "n_missing": 9},
]


def rows() -> dict[str, tuple[tuple[object, ...], ...]]:
    return {figure.name: figure.rows for figure in cohort_figures(COHORT, TAGS, HISTOGRAMS)}


def test_every_figure_of_a_cohort_is_drawn_once() -> None:
    names = [figure.name for figure in cohort_figures(COHORT, TAGS, HISTOGRAMS)]
    assert len(set(names)) == len(names)
    assert set(names) == {"hounsfield", "missing", "positions", "image-type", "thickness"} | {
        name for name, *_ in (*CATEGORIES, *MEASURES)
    }


def test_what_is_no_ct_series_is_not_counted_and_what_was_refused_is() -> None:
    assert rows()["kvp"] == (("120.0", 2), ("100.0", 1))


def test_positions_are_counted_by_patients() -> None:
    assert rows()["positions"] == (("FFS", 1), ("HFS", 1))


def test_image_types_are_counted_part_by_part() -> None:
    assert rows()["image-type"] == (("1: 1", 1), ("1: ORIGINAL", 1), ("2: A", 1))


def test_rescale_pairs_and_models_are_reported_together() -> None:
    assert ("1.0 / -1024.0", 1) in rows()["rescale"]
    assert ("GE <Ultra>", 1) in rows()["models"]


def test_elements_that_no_file_lacks_are_no_bar() -> None:
    assert rows()["missing"] == (("Exposure", 9), ("KVP", 3))


def test_a_cohort_without_a_ct_series_has_no_figure() -> None:
    assert cohort_figures(COHORT[3:], [], {}) == []


def test_figures_for_a_paper_are_images_of_their_own(tmp_path: Path) -> None:
    drawn = figures(OutputFolder(tmp_path), COHORT, HISTOGRAMS)
    assert "missing" not in drawn
    for svg in drawn.values():
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  drawn here, not received
