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

from pipeline.axes import Zyx
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.pixels.load import Deduplicated, Loaded, load_volume, without_copies
from pipeline.dicom.pixels.named_errors import Reading
from pipeline.dicom.pixels.plausible import has_odd_range, implausibility
from pipeline.dicom.policy import GeometryOptions, Policy
from pipeline.dicom.series.notices import series_warnings
from pipeline.dicom.series.outcomes import refused_outcomes, used_outcomes
from pipeline.dicom.stack.checks import stack_refusal
from pipeline.dicom.stack.stack import Stack, stacked
from pipeline.errors import SeriesRefusedError
from pipeline.features import Histogram, features_of, histogram_of, judged
from pipeline.limits import Limits
from pipeline.ngff import ngff_is_exact
from pipeline.privacy import PseudonymKey
from pipeline.record import SeriesRecord, SliceOutcome
from pipeline.steps import Step
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.even_slices import EvenSlices, InterpolateGap, ResampleSlices
from pipeline.steps.program import Prepared, Program
from pipeline.store import StoreContent, StoreOptions, write_store
from pipeline.vocabulary import Reason, SeriesWarning, Status, Verdict
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
    except OSError as error:  # of reading, each room has made a reason; what is left is of the store
        result = refused(job.record, job.series, Reason.OUTPUT_IO, f"writing failed ({type(error).__name__})")
    record = replace(
        result.record,
        duration_s=round(time.perf_counter() - started, 3),
        peak_memory_mb=round(_peak_memory_mb(), 1),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return replace(result, record=record)


def refused(record: SeriesRecord, series: Series, reason: Reason, detail: str) -> SeriesResult:
    """Return what becomes of a series that has no store."""
    record = replace(record, status=reason.status, reason=reason, detail=detail)
    return SeriesResult(record, refused_outcomes(series, reason))


def _prepared(job: Job) -> SeriesResult:
    recipe = job.recipe
    unique = _unique(job.series, recipe.policy)
    warnings = job.warnings | unique.warnings
    stack = stacked(unique.slices)
    if refusal := stack_refusal(stack, recipe.policy):
        raise SeriesRefusedError(*refusal)
    program = program_of(stack, recipe)
    loaded = load_volume(stack, recipe.policy)
    histogram = _plausible(stack, loaded)
    if has_odd_range(histogram.first_bin_hu, histogram.counts):
        warnings |= {SeriesWarning.W_HU_RANGE}
    features = features_of(loaded.volume, histogram)
    if features.blank_slices or features.repeated_slices:
        warnings |= {SeriesWarning.W_PIXELS_SUSPECT}
    record = replace(_described(job, stack, loaded, program), **asdict(features))
    prepared = program.run(loaded.volume)
    if not ngff_is_exact(prepared.spec.geometry):
        warnings |= {SeriesWarning.W_NGFF_APPROXIMATE}
    warnings |= series_warnings(job.series, stack) | loaded.warnings
    record = judged(replace(_stored(record, program, prepared, job, loaded), warnings=tuple(sorted(warnings))))
    return SeriesResult(record, used_outcomes(job.series, stack, unique.dropped), histogram)


def _unique(series: Series, policy: Policy) -> Deduplicated:
    """Drop identical copies, unless the policy refuses any duplicate."""
    if policy.geometry.duplicate_position == "reject":
        return Deduplicated(series.images, ())
    return without_copies(series.images, policy.limits)


def program_of(stack: Stack, recipe: Recipe) -> Program:
    """Compile repairs and steps, and refuse a volume that would be over a limit before anything is allocated."""
    padding_hu, reach = recipe.policy.hounsfield.padding_hu, Zyx(stack.reach, None, None)
    source = VolumeSpec(geometry=stack.geometry(), padding_hu=padding_hu, reach=reach)
    steps = (*repairs_of(stack, recipe.policy.geometry), *recipe.steps)
    program = Program.compile(steps, source, recipe.store.dtype)
    for spec in program.specs:
        _check_limits(spec.geometry.shape, recipe.policy.limits)
    return program


def repairs_of(stack: Stack, options: GeometryOptions) -> tuple[Step, ...]:
    """Return the steps that come before all others: none for a stack that is upright and even."""
    repairs: list[Step] = []
    if stack.is_tilted and options.gantry_tilt == "correct":
        offsets_mm = tuple((x, y) for x, y in stack.offsets_mm.tolist())
        repairs.append(CorrectTilt(stack.tilt_deg, offsets_mm, stack.told_tilt_deg))
    if stack.verdict == Verdict.GAP:
        repairs.append(InterpolateGap(tuple((stack.planes * stack.step_mm).tolist()), stack.step_mm))
    if stack.verdict == Verdict.UNEVEN:
        positions_mm = tuple((stack.positions_mm - stack.positions_mm[0]).tolist())
        repairs.append(ResampleSlices(positions_mm, stack.step_mm))
    return tuple(repairs)


def _check_limits(shape: Zyx[int], limits: Limits) -> None:
    if shape.z > limits.max_slices:
        detail = f"{shape.z} planned slices are over max_slices {limits.max_slices}"
        raise SeriesRefusedError(Reason.LIMIT, detail)
    if (n_voxels := shape.z * shape.y * shape.x) > limits.max_voxels:
        detail = f"{n_voxels} planned voxels are over max_voxels {limits.max_voxels}"
        raise SeriesRefusedError(Reason.LIMIT, detail)


def _plausible(stack: Stack, loaded: Loaded) -> Histogram:
    """Count the voxels; values that cannot be Hounsfield units are refused."""
    histogram = histogram_of(loaded.volume)
    if detail := implausibility(histogram.first_bin_hu, histogram.counts, Reading.of(stack.slices)):
        raise SeriesRefusedError(Reason.HU_IMPLAUSIBLE, detail)
    return histogram


def _described(job: Job, stack: Stack, loaded: Loaded, program: Program) -> SeriesRecord:
    """Return the record with what the source stack and its pixels tell."""
    geometry = loaded.volume.geometry
    n_repairs = len(program.steps) - len(job.recipe.steps)
    repaired = (program.source, *program.specs)[n_repairs].geometry
    invented = sum((step.interpolated_share for step in program.steps if isinstance(step, EvenSlices)), 0.0)
    return replace(
        job.record,
        status=Status.OK,
        n_slices=repaired.shape.z,
        geometry=stack.verdict,
        shape_in=geometry.shape,
        spacing_in_mm=geometry.spacing_mm,
        slice_thickness_mm=stack.slices[0].plane.thickness,
        coverage_share=stack.coverage_share,
        tilt_deg=round(stack.tilt_deg, 3) if stack.is_tilted else 0.0,
        obliquity_deg=round(repaired.obliquity_deg, 3),
        span_mm=round(stack.span_mm, 3),
        interpolated_share=round(invented, 6),
        content_hash=hashlib.blake2b("".join(sorted(loaded.hu_hashes)).encode(), digest_size=10).hexdigest(),
        fingerprint=fingerprint(stack.slices, loaded.pixel_hashes, job.recipe.key),
        elements=stack.slices[0].elements,
    )


def fingerprint(slices: Iterable[SliceHeader], pixel_hashes: Iterable[str], key: PseudonymKey) -> str:
    """Return a keyed hash over the sorted SOPInstanceUIDs and the stored pixels that belong to them."""
    pairs = zip((header.identity.sop_instance_uid for header in slices), pixel_hashes, strict=True)
    return key.keyed_hash("fingerprint", *(part for pair in sorted(pairs) for part in pair))


def _stored(record: SeriesRecord, program: Program, prepared: Prepared, job: Job, loaded: Loaded) -> SeriesRecord:
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
        attributes=_attributes(record, program, prepared, loaded),
        channels=prepared.spec.channels,
        scale_factor=prepared.scale_factor,
        add_offset=prepared.add_offset,
        fill_value=prepared.fill_value,
    )
    receipt = write_store(Path(job.folder), content, job.recipe.store)
    return replace(record, store_bytes=receipt.n_bytes, sha256=receipt.sha256)


def _attributes(record: SeriesRecord, program: Program, prepared: Prepared, loaded: Loaded) -> dict[str, Any]:
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
        "trail": [*loaded.repairs, *program.trail()],
        "inverse": prepared.inverse,
        "series_key": record.series_key,
        "fingerprint": record.fingerprint,
        "config_hash": record.config_hash,
        "code_version": record.code_version,
    }


def _peak_memory_mb() -> float:
    """Return the most memory that this process has held."""
    per_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * per_unit / 2**20
