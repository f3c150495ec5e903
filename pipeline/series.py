"""One series, door to door: read, check, steps, features, write; a plain function that never raises for bad data."""

import hashlib
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.dicom.load import Loaded, load_volume, without_copies
from pipeline.dicom.plausible import has_odd_range, implausibility
from pipeline.dicom.policy import Policy
from pipeline.dicom.series_notices import series_warnings
from pipeline.dicom.slice import Series, SliceHeader
from pipeline.dicom.stack import Stack, stacked
from pipeline.dicom.stack_checks import stack_refusal
from pipeline.errors import SeriesRefusedError
from pipeline.features import Histogram, features_of, histogram_of
from pipeline.ngff import ngff_is_exact
from pipeline.privacy import PseudonymKey
from pipeline.record import SeriesRecord, SliceOutcome
from pipeline.steps import Step
from pipeline.steps.program import Prepared, Program
from pipeline.store import StoreContent, StoreOptions, write_store
from pipeline.vocabulary import FileStatus, Reason, SeriesWarning, Status
from pipeline.volume import VolumeSpec


@dataclass(frozen=True)
class Recipe:
    """What is done to every series of a run."""

    policy: Policy
    steps: tuple[Step, ...]
    store: StoreOptions
    config_hash: str
    code_version: str
    key: PseudonymKey


@dataclass(frozen=True)
class Job:
    """What travels to a worker: a series' slices, what is known of it, and the folder to write its store in."""

    series: Series
    record: SeriesRecord
    warnings: frozenset[SeriesWarning]
    recipe: Recipe
    folder: str


@dataclass(frozen=True)
class SeriesResult:
    """What comes back: a record, what became of each slice, and the source's HU histogram."""

    record: SeriesRecord
    slices: tuple[SliceOutcome, ...]
    histogram: Histogram | None = None


def process(job: Job) -> SeriesResult:
    """Turn one series into a store and its record, or into a record with the reason why there is none."""
    started = time.perf_counter()
    try:
        result = _prepared(job)
    except SeriesRefusedError as error:
        result = refused(job.record, job.series, error.reason, error.detail)
    record = replace(
        result.record,
        duration_s=round(time.perf_counter() - started, 3),
        peak_memory_mb=round(_peak_memory_mb(), 1),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return replace(result, record=record)


def refused(record: SeriesRecord, series: Series, reason: Reason, detail: str) -> SeriesResult:
    """Return what becomes of a series that has no store."""
    outcomes = tuple(_refused_outcome(header, reason) for header in series.slices)
    return SeriesResult(replace(record, status=reason.status, reason=reason, detail=detail), outcomes)


def _refused_outcome(header: SliceHeader, reason: Reason) -> SliceOutcome:
    """Return the outcome of a slice of a refused series: its own reason first."""
    if header.refusal:
        return _outcome(header, FileStatus.REJECTED, header.refusal[0])
    return _set_aside(header) or _outcome(header, FileStatus.REJECTED, reason)


def _set_aside(header: SliceHeader) -> SliceOutcome | None:
    """Return the outcome of an object that is left out of any volume, None for an image."""
    if not header.is_ct:
        return _outcome(header, FileStatus.SKIPPED, Reason.NOT_CT)
    return _outcome(header, FileStatus.SKIPPED, Reason.LOCALIZER) if header.is_localizer else None


def _outcome(header: SliceHeader, status: FileStatus, reason: Reason) -> SliceOutcome:
    return SliceOutcome(header.file.path, header.frame, status, reason)


def _prepared(job: Job) -> SeriesResult:
    recipe = job.recipe
    unique = without_copies(job.series.images, recipe.policy.limits)
    warnings = job.warnings | unique.warnings
    stack = stacked(unique.slices)
    if refusal := stack_refusal(stack, recipe.policy):
        raise SeriesRefusedError(*refusal)
    program = program_of(stack, recipe)
    loaded = load_volume(stack, recipe.policy)
    histogram = _plausible(loaded)
    if has_odd_range(histogram.first_bin_hu, histogram.counts):
        warnings |= {SeriesWarning.W_HU_RANGE}
    features = features_of(loaded.volume, histogram)
    if features.blank_slices or features.repeated_slices:
        warnings |= {SeriesWarning.W_PIXELS_SUSPECT}
    record = replace(_described(job.record, stack, loaded, recipe), **asdict(features))
    prepared = program.run(loaded.volume)
    if not ngff_is_exact(prepared.spec.geometry):
        warnings |= {SeriesWarning.W_NGFF_APPROXIMATE}
    warnings |= series_warnings(job.series, stack) | loaded.warnings
    record = replace(_stored(record, program, prepared, job), warnings=tuple(sorted(warnings)))
    return SeriesResult(record, _outcomes(job.series, stack, unique.dropped), histogram)


def program_of(stack: Stack, recipe: Recipe) -> Program:
    """Compile the steps, and refuse a planned output that is over a limit before anything is allocated."""
    source = VolumeSpec(geometry=stack.geometry(), padding_hu=recipe.policy.hounsfield.padding_hu)
    program = Program.compile(recipe.steps, source, recipe.store.dtype)
    limits, shape = recipe.policy.limits, program.result.geometry.shape
    if shape.z > limits.max_slices:
        detail = f"{shape.z} planned slices are over max_slices {limits.max_slices}"
        raise SeriesRefusedError(Reason.LIMIT, detail)
    if (n_voxels := shape.z * shape.y * shape.x) > limits.max_voxels:
        detail = f"{n_voxels} planned voxels are over max_voxels {limits.max_voxels}"
        raise SeriesRefusedError(Reason.LIMIT, detail)
    return program


def _plausible(loaded: Loaded) -> Histogram:
    """Count the voxels; values that cannot be Hounsfield units are refused."""
    histogram = histogram_of(loaded.volume)
    if detail := implausibility(histogram.first_bin_hu, histogram.counts):
        raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, detail)
    return histogram


def _described(record: SeriesRecord, stack: Stack, loaded: Loaded, recipe: Recipe) -> SeriesRecord:
    """Return the record with what the source stack and its pixels tell."""
    geometry = loaded.volume.geometry
    thickness = stack.slices[0].plane.thickness
    return replace(
        record,
        status=Status.OK,
        n_slices=len(stack.slices),
        geometry=stack.verdict,
        shape_in=geometry.shape,
        spacing_in_mm=geometry.spacing_mm,
        slice_thickness_mm=thickness,
        coverage_share=min(1.0, thickness / stack.step_mm) if thickness and stack.step_mm else None,
        tilt_deg=round(stack.tilt_deg, 3) if stack.is_tilted else 0.0,
        obliquity_deg=round(geometry.obliquity_deg, 3),
        span_mm=round(stack.span_mm, 3),
        content_hash=_hash_of(loaded.hu_hashes),
        fingerprint=fingerprint(stack.slices, loaded.pixel_hashes, recipe.key),
        elements=stack.slices[0].elements,
    )


def _hash_of(hashes: Iterable[str]) -> str:
    return hashlib.blake2b("".join(sorted(hashes)).encode(), digest_size=10).hexdigest()


def fingerprint(slices: Iterable[SliceHeader], pixel_hashes: Iterable[str], key: PseudonymKey) -> str:
    """Return a keyed hash over the sorted SOPInstanceUIDs and the stored pixels that belong to them."""
    pairs = zip((header.identity.sop_instance_uid for header in slices), pixel_hashes, strict=True)
    return key.keyed_hash("fingerprint", *(part for pair in sorted(pairs) for part in pair))


def _stored(record: SeriesRecord, program: Program, prepared: Prepared, job: Job) -> SeriesRecord:
    """Write the store, and return the record with what it holds."""
    geometry = prepared.spec.geometry
    record = replace(
        record,
        orientation=geometry.orientation,
        shape=tuple(prepared.array.shape),
        spacing_mm=geometry.spacing_mm,
        dtype=str(prepared.array.dtype),
        store=f"volumes/{record.series_key}.zarr",
        config_hash=job.recipe.config_hash,
        code_version=job.recipe.code_version,
    )
    content = StoreContent(
        array=prepared.array,
        measured=prepared.measured,
        geometry=geometry,
        attributes=_attributes(record, program, prepared),
        channels=prepared.spec.channels,
        scale_factor=prepared.scale_factor,
        add_offset=prepared.add_offset,
        fill_value=prepared.fill_value,
    )
    receipt = write_store(Path(job.folder), content, job.recipe.store)
    return replace(record, store_bytes=receipt.n_bytes, sha256=receipt.sha256)


def _attributes(record: SeriesRecord, program: Program, prepared: Prepared) -> dict[str, Any]:
    source = program.source.geometry
    return {
        "units": prepared.spec.scale.value,
        "source_geometry": {
            "verdict": record.geometry,
            "shape": source.shape,
            "spacing_mm": source.spacing_mm,
            "affine_lps": source.affine_lps.tolist(),
            "tilt_deg": record.tilt_deg,
        },
        "trail": program.trail(),
        "inverse": prepared.inverse,
        "series_key": record.series_key,
        "fingerprint": record.fingerprint,
        "config_hash": record.config_hash,
        "code_version": record.code_version,
    }


def _outcomes(series: Series, stack: Stack, copies: Iterable[SliceHeader]) -> tuple[SliceOutcome, ...]:
    used = [
        SliceOutcome(header.file.path, header.frame, FileStatus.USED, None, position, (offset[0], offset[1]), z)
        for z, (header, position, offset) in enumerate(
            zip(stack.slices, stack.positions_mm.tolist(), stack.offsets_mm.tolist(), strict=True)
        )
    ]
    dropped = [_outcome(header, FileStatus.SKIPPED, Reason.DUPLICATE_POSITION) for header in copies]
    aside = [outcome for header in series.slices if (outcome := _set_aside(header))]
    return tuple(used + dropped + aside)


def _peak_memory_mb() -> float:
    """Return the most memory that this process has held."""
    per_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * per_unit / 2**20
