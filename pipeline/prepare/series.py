"""One series, door to door: read, check, run the program, write; it never raises for bad data."""

import resource
import secrets
import shutil
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.dicom.pixels.hounsfield import SliceSource
from pipeline.dicom.series.outcomes import describe_used, find_warnings
from pipeline.dicom.stack.stack import Stack
from pipeline.errors import SeriesRefusedError
from pipeline.kernels import bands, flood_fill, lossless, slices
from pipeline.output.layout import name_try_folder
from pipeline.prepare.job import Job, SeriesResult, refuse
from pipeline.prepare.masks import add_masks_to_record, carry_masks, describe_images, read_masks
from pipeline.prepare.provenance import add_store, build_attributes, build_record, find_volume_warnings
from pipeline.prepare.pyramid import build_label_levels, write_pyramid
from pipeline.prepare.source import (
    build_accepted_stack,
    compile_program,
    read_plausible_facts,
    remove_duplicates,
    stream_slices,
)
from pipeline.program.execute import PreparedVolume, execute
from pipeline.program.program import Program
from pipeline.quality.verdicts import judge_record
from pipeline.steps.crop import list_empty_crops
from pipeline.store.write import StoreContent, create_store
from pipeline.vocabulary import Reason


def warm() -> None:
    """Load the compiled loops, called once in the process that workers fork from: no series need wait for them."""
    bands.warm()
    lossless.warm()
    slices.warm()
    flood_fill.warm()


def process(job: Job) -> SeriesResult:
    """Turn one series into a store and its record, or into a record with the reason why there is none."""
    started = time.perf_counter()
    job = replace(job, folder=name_try_folder(job.folder, secrets.token_hex(4)))
    try:
        result = replace(_prepare(job), folder=job.folder)
    except SeriesRefusedError as error:
        result = refuse(job.record, job.series, error.reason, error.detail)
    except OSError as error:  # errors of reading have become reasons; this one is of the store
        shutil.rmtree(job.folder, ignore_errors=True)  # it may have filled the disk
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
    """Read, check, run the program, and write; slices stream through, and are checked when the last was read."""
    policy = job.recipe.policy
    unique = remove_duplicates(job.series, policy)
    stack = build_accepted_stack(unique, policy)
    source = SliceSource(stack, policy)
    prepared = _run_program(compile_program(stack, job.recipe), source, stack)
    program, content = prepared.program, describe_content(prepared)
    with create_store(Path(job.folder), job.recipe.store) as store:
        store.write(content)
        masks = read_masks(job.masks, stack, program, policy.limits)
        labels = carry_masks(masks, program)
        facts = read_plausible_facts(source, stack)
        record = build_record(job, stack, facts, program)
        coarser = write_pyramid(store, content, job.recipe.store.pyramid_levels, prepared.dtype)
        grids = (content.geometry, *coarser)
        levels = {name: build_label_levels(array, grids) for name, array in labels.items()}
        store.write_labels(describe_images(masks, levels), grids)
        receipt = store.finish(content, build_attributes(record, program, prepared, facts), coarser)
    warnings = job.warnings | unique.warnings | find_warnings(job.series, stack) | find_volume_warnings(facts, prepared)
    record = replace(add_store(record, prepared, receipt), warnings=tuple(sorted(warnings)))
    record = add_masks_to_record(record, masks, labels)
    record = judge_record(record, list_empty_crops(program.steps))
    return SeriesResult(record, describe_used(job.series, stack, unique.dropped), facts.histogram)


def _run_program(program: Program, source: SliceSource, stack: Stack) -> PreparedVolume:
    """Start the program; where a statistic cannot be taken, implausible values are the better reason."""
    try:
        return execute(program, stream_slices(source))
    except SeriesRefusedError as error:
        if error.reason is Reason.HU_IMPLAUSIBLE:
            read_plausible_facts(source, stack)
        raise


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


def _peak_memory_mb() -> float:
    """Return the most memory that this process has held."""
    per_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * per_unit / 2**20
