"""One series, door to door: read, check, run the program, write; it never raises for bad data."""

import resource
import secrets
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.dicom.pixels.hounsfield import SliceSource, SourceFacts
from pipeline.dicom.pixels.plausible import has_odd_range
from pipeline.dicom.series.outcomes import describe_used, find_warnings
from pipeline.dicom.stack.checks import describe_rounded_spacing, describe_texts
from pipeline.dicom.stack.stack import Stack
from pipeline.errors import SeriesRefusedError
from pipeline.kernels import bands, flood_fill, lossless, slices
from pipeline.output.layout import name_try_folder
from pipeline.prepare.job import Job, SeriesResult, refuse
from pipeline.prepare.masks import add_masks_to_record, carry_masks, describe_images, find_label_crops, read_masks
from pipeline.prepare.pyramid import build_label_levels, write_pyramid
from pipeline.prepare.repairs import compile_program
from pipeline.prepare.source import (
    build_accepted_stack,
    compute_fingerprint,
    hash_content,
    hold_files,
    read_plausible_facts,
    remove_duplicates,
    stream_slices,
)
from pipeline.program.execute import PreparedVolume, execute
from pipeline.program.program import Program
from pipeline.quality.verdicts import judge_record
from pipeline.record import SeriesRecord
from pipeline.report.options import PictureRequest
from pipeline.report.pictures import PlaneSampler, draw_pictures, write_pictures
from pipeline.report.windows import StoredScale
from pipeline.steps.crop import list_empty_crops
from pipeline.steps.crop_to import CropTo
from pipeline.steps.even_slices import EvenSlices
from pipeline.store.layout import Axes
from pipeline.store.ngff import is_exact_in_ngff, orientation_of
from pipeline.store.write import StoreContent, StoreReceipt, create_store
from pipeline.vocabulary import Reason, SeriesWarning, Status


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
        with hold_files(job) as held:
            result = replace(_prepare(held), folder=job.folder)
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
    program, masks = compile_program(stack, job.recipe), None
    if any(isinstance(step, CropTo) for step in program.steps):
        masks = read_masks(job.masks, stack, program, policy.limits)
        program = find_label_crops(program, masks)
    prepared = _run_program(program, source, stack)
    program, content = prepared.program, describe_content(prepared)
    sampler = PlaneSampler(content.geometry) if job.pictures else None
    with create_store(Path(job.folder), job.recipe.store) as store:
        store.write(replace(content, planes=sampler.watch(content.planes)) if sampler else content)
        if masks is None:
            masks = read_masks(job.masks, stack, program, policy.limits)
        labels = carry_masks(masks, program)
        facts = read_plausible_facts(source, stack)
        record = build_record(job, stack, facts, program)
        coarser = write_pyramid(store, content, job.recipe.store.pyramid_levels, prepared.dtype)
        grids = (content.geometry, *coarser)
        levels = {name: build_label_levels(array, grids) for name, array in labels.items()}
        store.write_labels(describe_images(masks, levels), grids)
        attributes = build_attributes(record, program, prepared, facts)
        receipt = store.finish(content, attributes, coarser)
        if job.pictures and sampler:
            _draw(job.pictures, sampler, StoredScale.of(attributes, content.packing), receipt)
    warnings = (
        job.warnings
        | unique.warnings
        | find_warnings(job.series, stack)
        | find_volume_warnings(facts, prepared, job.recipe.store.axes)
    )
    record = replace(add_store(record, prepared, receipt, job.recipe.store.axes), warnings=tuple(sorted(warnings)))
    record = add_masks_to_record(record, masks, labels)
    record = judge_record(record, list_empty_crops(program.steps))
    return SeriesResult(record, describe_used(job.series, stack, unique.dropped), facts.histogram)


def _draw(request: PictureRequest, sampler: PlaneSampler, scale: StoredScale, receipt: StoreReceipt) -> None:
    """Draw the planes that passed.  A report for which the system refuses them here draws them from the store."""
    pictures = draw_pictures(sampler.planes(), scale, request.animations)
    with suppress(OSError):
        write_pictures(Path(request.folder), pictures, receipt.sha256)


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


INT16 = np.iinfo(np.int16)


def build_record(job: Job, stack: Stack, facts: SourceFacts, program: Program) -> SeriesRecord:
    """Return the record with the figures of the source stack and its pixels."""
    geometry = program.source.geometry
    n_repairs = len(program.steps) - len(job.recipe.steps)
    repaired = (program.source, *program.specs)[n_repairs].geometry
    interpolated = sum((step.interpolated_share for step in program.steps if isinstance(step, EvenSlices)), 0.0)
    return replace(
        job.record,
        status=Status.OK,
        detail="; ".join(filter(None, (describe_rounded_spacing(stack.slices), describe_texts(stack.slices)))) or None,
        n_slices=repaired.shape.z,
        geometry=stack.verdict,
        shape_in=geometry.shape,
        spacing_in_mm=geometry.spacing_mm,
        slice_thickness_mm=stack.slices[0].plane.thickness,
        coverage_share=stack.coverage_share,
        tilt_deg=round(stack.tilt_deg, 3) if stack.is_tilted else 0.0,
        obliquity_deg=round(repaired.obliquity_deg, 3),
        span_mm=round(stack.span_mm, 3),
        interpolated_share=round(interpolated, 6),
        content_hash=hash_content(facts),
        fingerprint=compute_fingerprint(stack.slices, facts.pixel_hashes, job.recipe.key),
        elements=stack.slices[0].elements,
        config_hash=job.recipe.config_hash,
        code_version=job.recipe.code_version,
        **facts.features,
    )


def build_attributes(
    record: SeriesRecord, program: Program, prepared: PreparedVolume, facts: SourceFacts
) -> dict[str, Any]:
    """Return ctprep's own attributes of a store, but for format and geometry."""
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
        "trail": [*facts.repairs, *program.trail()],
        "inverse": prepared.inverse,
        "padding": list(prepared.spec.padding),
        "series_key": record.series_key,
        "fingerprint": record.fingerprint,
        "config_hash": record.config_hash,
        "code_version": record.code_version,
    }


def add_store(
    record: SeriesRecord, prepared: PreparedVolume, receipt: StoreReceipt, axes: Axes = "zyx"
) -> SeriesRecord:
    """Return the record with what the store holds."""
    geometry = prepared.spec.geometry
    return replace(
        record,
        orientation=orientation_of(geometry, axes),
        shape=prepared.spec.shape,
        spacing_mm=geometry.spacing_mm,
        dtype=prepared.dtype,
        store=f"volumes/{record.series_key}.zarr",
        store_bytes=receipt.n_bytes,
        sha256=receipt.sha256,
    )


def _exceeds_16_bits(facts: SourceFacts) -> bool:
    """Report Hounsfield units that a store in int16 cannot hold: it has the nearest that it can."""
    low, high = facts.features["hu_min"], facts.features["hu_max"]
    return low is not None and high is not None and (low < INT16.min or high > INT16.max)


def find_volume_warnings(facts: SourceFacts, prepared: PreparedVolume, axes: Axes = "zyx") -> set[SeriesWarning]:
    """Return the warnings that the pixels and the prepared grid give rise to."""
    warnings = set(facts.warnings)
    if has_odd_range(facts.histogram.first_bin_hu, facts.histogram.counts) or _exceeds_16_bits(facts):
        warnings.add(SeriesWarning.W_HU_RANGE)
    if facts.features["blank_slices"] or facts.features["repeated_slices"]:
        warnings.add(SeriesWarning.W_PIXELS_SUSPECT)
    if not is_exact_in_ngff(prepared.spec.geometry, axes):
        warnings.add(SeriesWarning.W_NGFF_APPROXIMATE)
    return warnings
