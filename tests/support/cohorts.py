"""A small finished cohort: two stores, a gap, something that is no CT; hostile text wherever text comes from data."""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from feature_volumes import features_of, histogram_of
from stores import StoreContent, write_store

from pipeline.features.statistics import Histogram
from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import write_table
from pipeline.record import ColumnType, SeriesRecord
from pipeline.report.options import ReportOptions
from pipeline.report.page import write_report
from pipeline.store.layout import StoreOptions
from pipeline.vocabulary import Reason, SeriesWarning, Status
from pipeline.volume import Volume

HOSTILE = '"><img src=x onerror=alert(1)>'
OK_KEY, HOSTILE_KEY, GAP_KEY, MR_KEY = ("0a" * 10, "1b" * 10, "2c" * 10, "3d" * 10)
AXES = Zyx(Xyz(0, 0, 1), Xyz(0, 1, 0), Xyz(1, 0, 0))
SUMMARY = {
    "exit_code": 3,
    "counts": {"ok": 2, "rejected": 1},
    "started_at": "2026-05-04T02:00:00Z",
    "finished_at": "2026-05-04T02:03:11Z",
    "config_hash": "5a2b77c09d1e",
    "versions": {"ctprep": "0.1.0"},
}
SLICES: dict[str, ColumnType] = {
    "series_key": "text",
    "slice_key": "text",
    "position_mm": "number",
    "offset_mm": "numbers",
    "rows": "integer",
    "columns": "integer",
    "instance_number": "integer",
    "transfer_syntax": "text",
    "status": "text",
    "reason": "text",
    "z_index": "integer",
}
TAGS: dict[str, ColumnType] = {
    **dict.fromkeys(("tag", "keyword", "vr", "module", "type", "constant_within", "verdict", "why"), "text"),
    **dict.fromkeys(("n_files", "n_missing", "n_empty", "n_unique_raw", "n_unique"), "integer"),
    **dict.fromkeys(("share_missing", "min", "max", "mean"), "number"),
    "top_values": "value_counts",
}


@dataclass
class Cohort:
    """What a run hands to the report."""

    output: OutputFolder
    records: list[SeriesRecord]
    histograms: dict[str, Histogram]

    def report(self, options: ReportOptions | None = None, summary: dict[str, Any] | None = None) -> str:
        """Write the report and return its first page."""
        given = SUMMARY if summary is None else summary
        path = write_report(self.output, self.records, given, options or ReportOptions(), self.histograms)
        assert path == self.output.report / "index.html"
        return path.read_text(encoding="utf-8")

    def page(self, name: str) -> str:
        """Return another page of the report."""
        return (self.output.report / name).read_text(encoding="utf-8")

    def series_page(self, key: str) -> str:
        """Return a series' page."""
        return self.page(f"series/{key}/index.html")


def small_cohort(output: OutputFolder) -> Cohort:
    """Write stores and tables into an output."""
    output.prepare()
    plain, histogram = _prepared(output, OK_KEY)
    hostile = {
        "Manufacturer": HOSTILE,
        "ManufacturerModelName": "{{ 7 * 7 }}",
        "ConvolutionKernel": ["<script>", "3"],
        "PatientID": "Somebody",
    }
    odd = (SeriesWarning.W_PADDING, SeriesWarning.W_TEXT_SANITISED)
    records = [
        plain,
        replace(_prepared(output, HOSTILE_KEY)[0], warnings=odd, elements=hostile, qc="look", qc_why="metal: 3.00%"),
        SeriesRecord(series_key=GAP_KEY, status=Status.REJECTED, reason=Reason.SLICE_GAP, detail="1 of 9 <intervals>"),
        SeriesRecord(series_key=MR_KEY, status=Status.EXCLUDED, reason=Reason.NOT_CT, detail="Modality MR"),
    ]
    write_table(output.slices, SLICES, [*_slices(OK_KEY), *_slices(GAP_KEY, gap=9.0)])
    write_table(output.tags, TAGS, [_tag("Manufacturer", HOSTILE), _tag("KVP", "120", module=None)])
    finding = {"code": "ODD", "title": HOSTILE, "detail": "so", "n_series": 99, "series_keys": [GAP_KEY]}
    (output.root / "findings.json").write_text(json.dumps([finding]))
    return Cohort(output, records, {OK_KEY: histogram, HOSTILE_KEY: histogram})


def _prepared(output: OutputFolder, key: str) -> tuple[SeriesRecord, Histogram]:
    """Store a series of a few voxels and return its record and histogram."""
    voxels = np.random.default_rng(3).normal(40, 300, (6, 16, 16)).round().astype(np.float32)
    geometry = Geometry(Zyx(*voxels.shape), Zyx(2.0, 1.0, 1.0), Xyz(0, 0, 0), AXES)
    volume = Volume(voxels, np.ones(voxels.shape, np.bool_), geometry)
    content = StoreContent(
        array=voxels.astype(np.int16), valid=volume.valid, geometry=geometry, attributes={"units": "HU"}
    )
    write_store(output.store(key), content, StoreOptions())
    record = SeriesRecord(
        series_key=key,
        status=Status.OK,
        n_slices=6,
        shape_in=geometry.shape,
        spacing_in_mm=geometry.spacing_mm,
        slice_thickness_mm=2.0,
        span_mm=10.0,
        shape=geometry.shape,
        spacing_mm=geometry.spacing_mm,
        orientation="LPS",
        **features_of(volume),
    )
    return record, histogram_of(volume)


def _slices(key: str, gap: float = 0.0) -> list[dict[str, Any]]:
    places = [2.0 * i + (gap if i > 3 else 0) for i in range(6)]
    return [
        {
            "series_key": key,
            "slice_key": f"{i:020x}",
            "position_mm": place,
            "offset_mm": [0.0, 0.0],
            "rows": 16,
            "columns": 16 + i // 5,
            "instance_number": i,
            "transfer_syntax": "1.2.840.10008.1.2.1",
            "status": "used",
            "reason": None,
            "z_index": i,
        }
        for i, place in enumerate(places)
    ]


def _tag(keyword: str, value: str, module: str | None = "General Equipment") -> dict[str, Any]:
    words = {"tag": "0008,0070", "keyword": keyword, "vr": "LO", "module": module, "type": "2", "verdict": "look"}
    counts = {"n_files": 9, "n_missing": 3, "n_empty": 0, "share_missing": 1 / 3, "n_unique_raw": 2, "n_unique": 1}
    return {**words, **counts, "constant_within": "series", "top_values": [{"value": value, "count": 6}]}
