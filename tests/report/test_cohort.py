import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from pipeline.errors import DamageError
from pipeline.features.statistics import Histogram
from pipeline.geometry import Zyx
from pipeline.output.layout import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.report.cohort import (
    CATEGORIES,
    MEASURES,
    NO_MODULE,
    FindingRow,
    HistoryTable,
    by_module,
    cohort_figures,
    figures,
    findings_of,
    history,
    tags_of,
)
from pipeline.report.render import product
from pipeline.vocabulary import Reason, Status


def record(number: int, status: Status = Status.OK, reason: Reason | None = None, **elements: object) -> SeriesRecord:
    shape = {"shape_in": Zyx(30 + number, 512, 512), "spacing_in_mm": Zyx(2.5, 0.7, 0.7)} if status is Status.OK else {}
    measured = {"n_slices": 30 + number, "slice_thickness_mm": 2.5, "span_mm": 100.0 + number} if shape else {}
    measured |= {"noise_hu": 9.0, "split": "train", "labels": {"label_site": "A"}} if shape else {}
    told = {"patient": f"p{number // 2}", "elements": dict(elements)}
    return SeriesRecord(series_key=f"{number:020x}", status=status, reason=reason, **shape, **measured, **told)


COHORT = [
    record(
        0,
        KVP=120.0,
        PatientPosition="HFS",
        RescaleSlope=1.0,
        RescaleIntercept=-1024.0,
        ImageType=["ORIGINAL", "A"],
        PatientAge="061Y",
        CTDIvol=9.5,
        Exposure=80,
    ),
    record(1, KVP=120.0, PatientPosition="HFS", Manufacturer="GE", ManufacturerModelName="<Ultra>", ImageType="1"),
    record(2, Status.REJECTED, Reason.SLICE_GAP, KVP=100.0, PatientPosition="FFS", Rows="64", Columns="80"),
    record(3, Status.EXCLUDED, Reason.NOT_CT, KVP=1.0),
]
HISTOGRAMS = {COHORT[0].series_key: Histogram(0, np.array([5, 2]))}
TAGS = [
    {"keyword": "KVP", "n_missing": 3},
    {"keyword": "Rows", "n_missing": 0},
    {"keyword": "Exposure", "n_missing": 9},
    {"keyword": "Exposure[2]", "n_missing": 9},
]


def rows() -> dict[str, tuple[tuple[object, ...], ...]]:
    return {figure.name: figure.rows for figure in cohort_figures(COHORT, TAGS, HISTOGRAMS)}


def test_every_figure_of_a_cohort_is_drawn_once() -> None:
    names = [figure.name for figure in cohort_figures(COHORT, TAGS, HISTOGRAMS)]
    assert len(set(names)) == len(names)
    spreads = {"hounsfield-by-scanner", "hounsfield-by-kernel", "noise-by-kernel", "missing-by-scanner"}
    people = {"positions", "sex", "age", "splits", "label-site"}
    assert set(names) == spreads | people | {"hounsfield", "missing", "image-type", "thickness"} | {
        name for name, *_ in (*CATEGORIES, *MEASURES)
    }


def test_refused_series_have_the_image_size_of_their_header() -> None:
    assert dict(rows()["image-sizes"]) == {product((512, 512)): 2, product((64, 80)): 1}


def test_the_matrix_says_what_share_of_a_scanners_series_lacks_an_element() -> None:
    assert ("KVP", "GE <Ultra>", 0.0) not in rows()["missing-by-scanner"]
    assert ("RescaleSlope", "GE <Ultra>", 1.0) in rows()["missing-by-scanner"]


def test_parts_of_an_element_are_not_counted_as_missing() -> None:
    assert [name for name, _ in rows()["missing"]] == ["Exposure", "KVP"]


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


def test_an_output_without_a_census_has_no_elements_and_no_findings(tmp_path: Path) -> None:
    assert tags_of(OutputFolder(tmp_path)) == []
    assert findings_of(OutputFolder(tmp_path)) == []


def test_elements_are_sorted_into_modules_and_those_of_none_come_last() -> None:
    tags = [
        {"keyword": "private:X:0011,01", "tag": "0011,1001", "module": None},
        {"keyword": "Rows", "tag": "0028,0010", "module": "Image Pixel"},
        {"keyword": "KVP", "tag": "0018,0060", "module": "CT Image"},
        {"keyword": "BitsStored", "tag": "0028,0101", "module": "Image Pixel"},
    ]
    told = {name: [tag["keyword"] for tag in rows] for name, rows in by_module(tags).items()}
    assert told == {"CT Image": ["KVP"], "Image Pixel": ["Rows", "BitsStored"], NO_MODULE: ["private:X:0011,01"]}
    assert list(told)[-1] == NO_MODULE


def test_findings_are_read_as_the_census_left_them(tmp_path: Path) -> None:
    told = {"code": "X", "title": "Odd", "detail": "so", "n_series": 3, "series_keys": ["a", "b"]}
    (tmp_path / "findings.json").write_text(json.dumps([told]))
    assert findings_of(OutputFolder(tmp_path)) == [FindingRow("X", "Odd", "so", 3, ("a", "b"))]


@pytest.mark.parametrize("content", ["{", "[3]", '[{"code": "X"}]'])
def test_findings_that_cannot_be_read_are_damage(tmp_path: Path, content: str) -> None:
    (tmp_path / "findings.json").write_text(content)
    with pytest.raises(DamageError, match=r"findings\.json"):
        findings_of(OutputFolder(tmp_path))


QUIET: dict[str, Any] = {
    "since": "yesterday",
    "figures": {},
    "gone": 0,
    "new_series": 0,
    "new_patients": 0,
    "new_scanners": [],
    "new_kernels": [],
    "drifted": [],
    "refused": [],
}


def told(plan: dict[str, int] | None = None, **changes: Any) -> HistoryTable:
    found = history({"plan": plan or {}, "changes": QUIET | changes})
    assert found is not None
    return found


def test_a_first_run_has_none_before_it() -> None:
    assert history({}) is None
    assert history({"changes": {}}) is None


def test_a_quiet_night_has_nothing_to_tell() -> None:
    assert told({"done": 7}) == HistoryTable("yesterday", (), ())


def test_what_was_done_is_one_sentence() -> None:
    found = told({"new": 5, "changed": 1, "stale": 2, "gone": 9, "done": 9}, gone=3, new_series=4, new_patients=1)
    told_of = "4 new series, 1 new patient; 1 whose files changed; 2 made again for a new configuration or program"
    assert found.sentences == (f"{told_of}; 3 gone from the input.",)


def test_scanners_and_kernels_are_named_but_not_endlessly() -> None:
    found = told(new_scanners=["ACME One"], new_kernels=[f"K{n}" for n in range(7)])
    assert found.sentences == (
        "Scanner never seen before: ACME One.",
        "Kernels never seen before: K0, K1, K2, K3, K4 and 2 more.",
    )


def test_shares_are_reported_beside_those_before() -> None:
    drift = {"keyword": "KVP", "value": "100", "before": 0.1, "now": 0.6}
    absent = {"keyword": "FilterType", "value": "", "before": 0.0, "now": 1.0}
    refused = {"reason": "SLICE_GAP", "before": 0.02, "now": 0.5}
    sentences = told(drifted=[drift, absent], refused=[refused]).sentences
    assert [sentence.replace("\N{NARROW NO-BREAK SPACE}", " ") for sentence in sentences] == [
        "SLICE_GAP: 50 % of the new series, 2 % of those before.",
        "KVP 100: 60 % of the new series, 10 % of those before.",
        "No FilterType: 100 % of the new series, 0 % of those before.",
    ]


def test_counts_that_are_other_now_are_rows() -> None:
    assert told(figures={"ok": ["2", "3"]}).rows == (("ok", "2", "3"),)
