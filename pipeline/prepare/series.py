"""One series, door to door: read, check, steps, features, write; a plain function that never raises for bad data."""

import resource
import secrets
import shutil
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.dicom.pixels.plausible import has_odd_range
from pipeline.dicom.pixels.source import SliceSource, SourceFacts
from pipeline.dicom.series.notices import find_warnings
from pipeline.dicom.series.outcomes import describe_used
from pipeline.dicom.stack.stack import Stack
from pipeline.errors import SeriesRefusedError
from pipeline.kernels import bands, lossless, slices, walks
from pipeline.kernels.compiled import without_blas
from pipeline.output.layout import folder_of_a_try
from pipeline.prepare.job import Job, SeriesResult, refuse
from pipeline.prepare.masks import carry_masks, count_label_voxels, read_masks
from pipeline.prepare.provenance import build_attributes, build_record
from pipeline.prepare.pyramid import write_pyramid
from pipeline.prepare.repairs import compile_program
from pipeline.prepare.source import build_accepted_stack, read_plausible_facts, remove_duplicates
from pipeline.program.execute import PreparedVolume, execute
from pipeline.program.planes import Plane, Planes
from pipeline.program.program import Program
from pipeline.quality.verdicts import judged
from pipeline.record import SeriesRecord
from pipeline.steps.crop import list_empty_crops
from pipeline.store.ngff import is_exact_in_ngff
from pipeline.store.write import StoreContent, StoreReceipt, create_store
from pipeline.vocabulary import Reason, SeriesWarning


def warm() -> None:
    """Load what the first series would otherwise wait for; the process that workers are copied from calls it once."""
    with without_blas():
        bands.warm()
        lossless.warm()
        slices.warm()
        walks.warm()


def process(job: Job) -> SeriesResult:
    """Turn one series into a store and its record, or into a record with the reason why there is none."""
    started = time.perf_counter()
    job = replace(job, folder=folder_of_a_try(job.folder, secrets.token_hex(4)))
    try:
        result = replace(_prepare(job), folder=job.folder)
    except SeriesRefusedError as error:
        result = refuse(job.record, job.series, error.reason, error.detail)
    except OSError as error:  # of reading, each room has made a reason; what is left is of the store
        shutil.rmtree(job.folder, ignore_errors=True)  # a full disk has no room for it
        detail = f"writing failed: {error.strerror or type(error).__name__}"
        result = refuse(job.record, job.series, Reason.OUTPUT_IO, detail)
    record = replace(
        result.record,
        duration_s=round(time.perf_counter() - started, 3),
        peak_memory_mb=round(_peak_memory_mb(), 1),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return replace(result, record=record)


def _prepare(job: Job) -> SeriesResult:
    """Let slices stream through the program into a store; only when all were read is it known whether to keep it."""
    policy = job.recipe.policy
    unique = remove_duplicates(job.series, policy)
    stack = build_accepted_stack(unique, policy)
    program = compile_program(stack, job.recipe)
    source = SliceSource(stack, policy)
    prepared = _start(program, source, stack)
    program, content = prepared.program, describe_content(prepared)
    with create_store(Path(job.folder), job.recipe.store) as store:
        store.write(content)
        masks = read_masks(job.masks, stack, policy.limits)
        labels = carry_masks(masks, program)
        store.write_labels(labels)
        facts = read_plausible_facts(source, stack)
        record = build_record(job, stack, facts, program)
        coarser = write_pyramid(store, content, job.recipe.store.pyramid_levels, prepared.dtype)
        receipt = store.finish(content, build_attributes(record, program, prepared, facts), coarser)
    warnings = job.warnings | unique.warnings | find_warnings(job.series, stack) | _collect_warnings(facts, prepared)
    warnings |= {SeriesWarning.W_LABEL_MISMATCH} if masks.refused else set()
    record = replace(
        _describe_store(record, prepared, receipt), warnings=tuple(sorted(warnings)), labels=count_label_voxels(labels)
    )
    record = judged(record, list_empty_crops(program.steps))
    return SeriesResult(record, describe_used(job.series, stack, unique.dropped), facts.histogram)


def _start(program: Program, source: SliceSource, stack: Stack) -> PreparedVolume:
    try:
        return execute(program, stream_slices(source))
    except SeriesRefusedError as error:
        if error.reason is Reason.HU_IMPLAUSIBLE:
            read_plausible_facts(source, stack)  # what is wrong with the values says more than a statistic they lack
        raise


def stream_slices(source: SliceSource) -> Planes:
    """Return a source's slices as planes."""

    def at(k: int) -> Plane:
        plane = source.plane(k)
        return Plane(plane.hu[None], plane.measured)

    return at


def describe_content(prepared: PreparedVolume) -> StoreContent:
    """Return what a store is to hold of a prepared volume."""
    return StoreContent(
        planes=prepared.plane,
        dtype=prepared.dtype,
        geometry=prepared.spec.geometry,
        channels=prepared.spec.channels,
        scale_factor=prepared.scale_factor,
        add_offset=prepared.add_offset,
        fill_value=prepared.fill_value,
    )


def _describe_store(record: SeriesRecord, prepared: PreparedVolume, receipt: StoreReceipt) -> SeriesRecord:
    """Return the record with what the store holds."""
    geometry = prepared.spec.geometry
    return replace(
        record,
        orientation=geometry.orientation,
        shape=prepared.spec.shape,
        spacing_mm=geometry.spacing_mm,
        dtype=prepared.dtype,
        store=f"volumes/{record.series_key}.zarr",
        store_bytes=receipt.n_bytes,
        sha256=receipt.sha256,
    )


def _collect_warnings(facts: SourceFacts, prepared: PreparedVolume) -> set[SeriesWarning]:
    """Return what the pixels, and the grid that was made of them, are worth a warning for."""
    odd = has_odd_range(facts.histogram.first_bin_hu, facts.histogram.counts)
    suspect = facts.features.blank_slices or facts.features.repeated_slices
    return {
        *facts.warnings,
        *([SeriesWarning.W_HU_RANGE] if odd else []),
        *([SeriesWarning.W_PIXELS_SUSPECT] if suspect else []),
        *([] if is_exact_in_ngff(prepared.spec.geometry) else [SeriesWarning.W_NGFF_APPROXIMATE]),
    }


def _peak_memory_mb() -> float:
    """Return the most memory that this process has held."""
    per_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * per_unit / 2**20
