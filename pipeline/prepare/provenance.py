"""Provenance: the record of a series and the attributes of its store, from the source and the program."""

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.dicom.pixels.hounsfield import SourceFacts
from pipeline.dicom.pixels.plausible import has_odd_range
from pipeline.dicom.stack.spacing import describe_rounded_spacing
from pipeline.dicom.stack.stack import Stack
from pipeline.prepare.job import Job
from pipeline.prepare.source import compute_fingerprint, hash_content
from pipeline.program.execute import PreparedVolume
from pipeline.program.program import Program
from pipeline.record import SeriesRecord
from pipeline.steps.even_slices import EvenSlices
from pipeline.store.ngff import is_exact_in_ngff
from pipeline.store.write import StoreReceipt
from pipeline.vocabulary import SeriesWarning, Status

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
        detail=describe_rounded_spacing(stack.slices),
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


def add_store(record: SeriesRecord, prepared: PreparedVolume, receipt: StoreReceipt) -> SeriesRecord:
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


def _exceeds_16_bits(facts: SourceFacts) -> bool:
    """Report Hounsfield units that a store in int16 cannot hold: it has the nearest that it can."""
    low, high = facts.features["hu_min"], facts.features["hu_max"]
    return low is not None and high is not None and (low < INT16.min or high > INT16.max)


def find_volume_warnings(facts: SourceFacts, prepared: PreparedVolume) -> set[SeriesWarning]:
    """Return the warnings that the pixels and the prepared grid give rise to."""
    warnings = set(facts.warnings)
    if has_odd_range(facts.histogram.first_bin_hu, facts.histogram.counts) or _exceeds_16_bits(facts):
        warnings.add(SeriesWarning.W_HU_RANGE)
    if facts.features["blank_slices"] or facts.features["repeated_slices"]:
        warnings.add(SeriesWarning.W_PIXELS_SUSPECT)
    if not is_exact_in_ngff(prepared.spec.geometry):
        warnings.add(SeriesWarning.W_NGFF_APPROXIMATE)
    return warnings
