"""Scans for tests, made of slice headers without files."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from headers import series_of

from pipeline.dicom.headers.batch import Batch
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import SelectOptions
from pipeline.record import SeriesRecord
from pipeline.scan.census import Census
from pipeline.scan.facts import SeriesFacts
from pipeline.scan.files import HeaderPack
from pipeline.scan.headers import Reading, pack_batch
from pipeline.scan.scan import Library, build_scan
from pipeline.scan.series import NOBODY, Scan, ScannedSeries
from pipeline.scan.summary import Rules
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import Status


def scanned(key: str, slices: Sequence[SliceHeader], patient: str = "", study: str = "") -> ScannedSeries:
    """Return a series as a scan knows it; patient and study are those of the key unless told."""
    record = SeriesRecord(
        series_key=key, status=Status.FAILED, patient=patient or f"patient of {key}", study=study or f"study of {key}"
    )
    return ScannedSeries.of(series_of(*slices), record, frozenset(), None, "")


def reading_of(slices: Iterable[SliceHeader]) -> Reading:
    """Return a reading that has read these slices, of files that need not exist."""
    reading, by_file = Reading(), defaultdict[FoundFile, list[SliceHeader]](list)
    for header in slices:
        by_file[header.file].append(header)
    reading.table.update(sorted(by_file, key=lambda file: (file.folder, file.path)))
    batch = Batch(list(by_file), [tuple(one) for one in by_file.values()], [], [frozenset()] * len(by_file))
    known = {file.found: file for file in reading.table.unread()}
    for part in pack_batch(batch):
        files = tuple(known[batch.files[place]] for place in part.places)
        reading.table.add([HeaderPack(part.series, files, part.headers, part.observed, part.may_change)])
    return reading


def scan_slices(slices: Sequence[SliceHeader], *, joins: bool = False) -> Scan:
    """Return the scan of these slices."""
    rules = Rules(Policy(), SelectOptions(regroup="geometry" if joins else "uid"))
    return build_scan(Library(reading_of(slices), rules), NOBODY, len(slices))


def facts_of(scanned: ScannedSeries) -> SeriesFacts:
    """Return what findings need to know of a series."""
    return SeriesFacts.of(scanned.series_key, scanned.series, scanned.patient, scanned.study)


def scan_of(*series: ScannedSeries, unassigned: Sequence[SliceHeader] = (), census: Census | None = None) -> Scan:
    """Return a scan of series."""
    n_files = sum(len(one.series.slices) for one in series) + len(unassigned)
    return Scan(series, tuple(unassigned), lambda: census or Census(), n_files=n_files)
