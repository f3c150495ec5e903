"""Which files may hold the masks of which series; the files themselves are opened where the series is worked."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline.cohort.options import MaskOptions
from pipeline.masks.source import MaskSource
from pipeline.scan.series import Scan, ScannedSeries

UNSAFE_IN_PATHS = ("/", "\\", "\0")
"""An identifier that holds one of these names no file."""


def with_masks(scan: Scan, options: Sequence[MaskOptions]) -> Scan:
    """Return the scan, each series with the masks that it may have; its signature changes when one of them does."""
    if not options:
        return scan
    objects = [one for one in scan.series if one.series.slices[0].identity.modality in {"SEG", "RTSTRUCT"}]
    found = ((one, tuple(_sources(one, options, objects))) for one in scan.series)
    return replace(scan, series=tuple(_with_sources(one, sources) for one, sources in found))


def _sources(
    scanned: ScannedSeries, options: Sequence[MaskOptions], objects: Sequence[ScannedSeries]
) -> Iterator[MaskSource]:
    for asked in options:
        if asked.nifti is not None:
            path = _path(asked.nifti, scanned)
            paths = (path,) if path and os.path.isfile(path) else ()  # noqa: PTH113  made of text
            source = MaskSource(asked.name, "NIFTI", paths)
        elif asked.dicom is not None:
            source = MaskSource(asked.name, asked.dicom, _paths(asked.dicom, scanned, objects), asked.roi)
        if source.paths:
            yield source


def _path(pattern: str, scanned: ScannedSeries) -> str | None:
    """Return the file that a pattern means for a series; None where an identifier cannot be part of a name."""
    known = _identifiers(scanned)
    used = [value for name, value in known.items() if f"{{{name}}}" in pattern]
    if any(not value or value in {".", ".."} or any(sign in value for sign in UNSAFE_IN_PATHS) for value in used):
        return None
    return pattern.format_map(known)


def _identifiers(scanned: ScannedSeries) -> Mapping[str, str]:
    identity, record = scanned.series.slices[0].identity, scanned.record
    return {
        "PatientID": identity.patient_id,
        "StudyInstanceUID": identity.study_instance_uid,
        "SeriesInstanceUID": identity.series_instance_uid,
        "patient": record.patient or "",
        "study": record.study or "",
        "series_key": record.series_key,
    }


def _paths(modality: str, scanned: ScannedSeries, objects: Sequence[ScannedSeries]) -> tuple[str, ...]:
    """Return the objects of a modality that are of the series' patient or study."""
    own = scanned.series.slices[0].identity
    found = [
        header.file.path
        for one in objects
        for header in one.series.slices
        if header.identity.modality == modality
        and (
            header.identity.patient_id == own.patient_id != ""
            or header.identity.study_instance_uid == own.study_instance_uid != ""
        )
    ]
    return tuple(sorted(set(found)))


def _with_sources(scanned: ScannedSeries, sources: tuple[MaskSource, ...]) -> ScannedSeries:
    if not sources:
        return scanned
    states = [(source.name, path, _state(path)) for source in sources for path in source.paths]
    digest = hashlib.blake2b(repr((scanned.signature, states)).encode(errors="replace"), digest_size=16)
    return replace(scanned, masks=sources, signature=digest.hexdigest())


def _state(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116  made of text
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
