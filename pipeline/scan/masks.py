"""The masks of a scan: mask objects are read for what they refer to, and linked to the series."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from typing import Any, Final

from pipeline import __version__
from pipeline.cluster.jobs import JobFailure, Task
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.masks.read import read_references
from pipeline.limits import Limits
from pipeline.masks.links import ImageSeries, Links, MaskObject, References, find_sources, link_objects
from pipeline.masks.sources import FORMAT, MaskOptions, MaskSource, describe_states, find_nifti
from pipeline.scan.headers import Reading
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import MaskReason, Reason, SeriesWarning

UNREADABLE = frozenset({Reason.UNREADABLE, Reason.UNSTABLE})
CACHE = "mask objects"
"""The name of the fact that holds what each object refers to."""

Job = tuple[tuple[str, ...], Limits]
BATCH_FILES = 16


def add_masks(scan: Scan, options: Sequence[MaskOptions], limits: Limits, reading: Reading | None = None) -> Scan:
    """Return the scan, each CT series with its masks; its signature changes when one of its mask files does.

    A mask that is asked for and cannot be linked, although objects of the patient or study belong to no series, is
    W_LABEL_MISSING.
    """
    if not options:
        return scan
    reading = reading or Reading()
    images = [_describe_series(scanned) for scanned in scan.series if scanned.n_images]
    asked = {mask.dicom for mask in options}
    found = [header for header in _find_objects(scan) if header.mask_kind in asked]
    references = _read_all([header.file for header in found if _is_sound(header)], limits, reading)
    others = {one.first.series_instance_uid for one in scan.series if not one.n_images}
    links = link_objects([_describe_object(header, references) for header in found], images, others)
    keys = [image.series_key for image in images]
    sources = {mask.name: find_sources(mask, links, keys) for mask in options if mask.dicom}
    series = []
    for scanned in scan.series:
        if not scanned.n_images:
            series.append(scanned)
            continue
        key, identifiers = scanned.series_key, scanned.identifiers
        own = [sources[mask.name][key] if mask.dicom else find_nifti(mask, identifiers) for mask in options]
        series.append(_with_masks(scanned, tuple(own)))
    return replace(scan, series=tuple(series), mask_rows=_describe_unlinked(options, links))


def _find_objects(scan: Scan) -> Iterator[SliceHeader]:
    """Yield each mask object once, for any series that it names."""
    seen = set()
    in_series = (one for scanned in scan.series if scanned.has_masks for one in scanned.series.slices)
    for header in chain(in_series, scan.unassigned):
        if header.mask_kind and header.file.path not in seen:
            seen.add(header.file.path)
            yield header


def _is_sound(header: SliceHeader) -> bool:
    """Tell whether an object may be opened: the system lets it be read, and it is under the limits."""
    return header.refusal is None or header.refusal[0] not in UNREADABLE | {Reason.LIMIT}


def _describe_object(header: SliceHeader, references: Mapping[str, References]) -> MaskObject:
    is_too_large = header.refusal is not None and header.refusal[0] is Reason.LIMIT
    unread = References(unread=MaskReason.TOO_LARGE if is_too_large else MaskReason.UNREADABLE)
    identity = header.identity
    return MaskObject(
        header.file.path,
        header.mask_kind or "SEG",
        identity.patient_id,
        identity.study_instance_uid,
        identity.series_instance_uid,
        references.get(header.file.path, unread),
        header.file.state if header.file.extent else (),
    )


def _describe_series(scanned: ScannedSeries) -> ImageSeries:
    images = scanned.series.images
    identity = images[0].identity
    frames = {header.identity.frame_of_reference_uid for header in images} - {""}
    return ImageSeries(
        series_key=scanned.series_key,
        series_uid=identity.series_instance_uid,
        patient_id=identity.patient_id,
        study_uid=identity.study_instance_uid,
        frame_uid=frames.pop() if len(frames) == 1 else "",
        image_uids=frozenset(header.identity.sop_instance_uid for header in images),
    )


def _with_masks(scanned: ScannedSeries, sources: tuple[MaskSource, ...]) -> ScannedSeries:
    missing = {source.missing for source in sources} - {None, MaskReason.NO_OBJECT}
    warnings = scanned.warnings | ({SeriesWarning.W_LABEL_MISSING} if missing else set())
    scanned = replace(scanned, masks=sources, warnings=frozenset(warnings))
    states = describe_states(sources)
    if not states:
        return scanned
    digest = hashlib.blake2b(f"({scanned.signature!r}, {states})".encode(errors="replace"), digest_size=16)
    return replace(scanned, signature=digest.hexdigest())


def _describe_unlinked(options: Sequence[MaskOptions], links: Links) -> tuple[dict[str, Any], ...]:
    """Return a row of the table of masks for each object that belongs to no series, and each mask that asks for it."""
    rows = []
    for mask in options:
        left_out = [left for left in links.unlinked if left.one.kind == mask.dicom]
        rows += [
            {"mask": mask.name, "path": left.one.path, "reason": left.reason.value, "detail": left.detail}
            for left in left_out
        ]
    return tuple(rows)


def _read_all(files: Sequence[FoundFile], limits: Limits, reading: Reading) -> dict[str, References]:
    """Return what each object refers to; files that are as they were are not opened again."""
    database = reading.table.database
    cache = json.loads(database.fact(CACHE) or "{}")
    known, fresh = {}, []
    for file in files:
        stamp, kept = cache.get(file.path, (None, None))
        if kept and stamp == _stamp(file, limits):
            known[file.path] = References(**_tuples(kept))
        else:
            fresh.append(file.path)
    known |= _read_fresh(fresh, limits, reading)
    if files and (fresh or len(cache) != len(known)):
        kept = {file.path: (_stamp(file, limits), asdict(known[file.path])) for file in files}
        database.set_fact(CACHE, json.dumps(kept))
    return known


def _read_fresh(paths: Sequence[str], limits: Limits, reading: Reading) -> dict[str, References]:
    """Read objects in batches; those of a batch that breaks its process are read again one by one."""
    jobs = [(tuple(paths[at : at + BATCH_FILES]), limits) for at in range(0, len(paths), BATCH_FILES)]
    found: dict[str, References] = {}
    alone: list[Job] = []
    for (batch, _), read in reading.run(READ_MASKS, jobs, len(jobs)):
        if isinstance(read, JobFailure):
            alone += [((path,), limits) for path in batch]
        else:
            found.update(zip(batch, read, strict=True))
    for ((path,), _), read in reading.run(READ_MASKS, alone, len(alone)):
        found[path] = References(unread=MaskReason.UNREADABLE) if isinstance(read, JobFailure) else read[0]
    return found


def read_job(job: Job) -> list[References]:
    """Return what each object of a batch refers to."""
    paths, limits = job
    return [read_references(path, limits) for path in paths]


READ_MASKS: Final[Task[Job, list[References]]] = Task("read-masks", "pipeline.scan.masks:read_job")


def _stamp(file: FoundFile, limits: Limits) -> list[Any]:
    """Return what must be the same for a cached description to hold."""
    return [__version__, FORMAT, *file.state, limits.max_file_mb]


def _tuples(kept: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    return found | {"unread": kept["unread"] and MaskReason[kept["unread"].upper()]}
