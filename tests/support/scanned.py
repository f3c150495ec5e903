"""Scans for tests, made of slice headers without files."""

from collections.abc import Sequence

from headers import series_of

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.record import SeriesRecord
from pipeline.scan.census import Census
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.vocabulary import Status


def scanned(key: str, slices: Sequence[SliceHeader], patient: str = "", study: str = "") -> ScannedSeries:
    """Return a series as a scan knows it; patient and study are those of the key unless told."""
    record = SeriesRecord(
        series_key=key, status=Status.FAILED, patient=patient or f"patient of {key}", study=study or f"study of {key}"
    )
    return ScannedSeries(series_of(*slices), record, frozenset(), None, "")


def scan_of(*series: ScannedSeries, unassigned: Sequence[SliceHeader] = (), census: Census | None = None) -> Scan:
    """Return a scan of series."""
    return Scan(series, tuple(unassigned), census or Census())
