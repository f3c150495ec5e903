"""Which series a person should look at, and why: named rules over the columns of a finished record."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from pipeline.features.kernel import classify_kernel
from pipeline.record import SeriesRecord
from pipeline.vocabulary import SeriesWarning

METAL_SHARE = 0.001
"""Chosen so that a clip or a tooth filling passes, and an implant does not."""
TRUNCATED_SHARE = 0.2
"""Chosen so that a chest that touches the field at its flanks passes, and a zoomed reconstruction does not."""
COVERED_SHARE = 2 / 3
"""The line of W_SPARSE_SLICES: an interval of 1.5 times the thickness."""
NOISY_HU = 100.0
"""Chosen: with so much noise fat and muscle are one."""
BODY_SHARE = 0.01
"""Less than this is air, or an image of something else."""

Rule = Callable[[SeriesRecord], str | None]


def judge_record(record: SeriesRecord, noticed: Iterable[str] = ()) -> SeriesRecord:
    """Return the record with ``kernel_class``, ``qc`` (``look`` or ``ok``), and ``qc_why``: every rule that holds.

    ``noticed`` is what was worth a look already when the volume was made.
    """
    why = [*noticed] + [words for rule in RULES if (words := rule(record))]
    sharpness = classify_kernel(record.elements.get("ConvolutionKernel"))
    return replace(record, qc="look" if why else "ok", qc_why="; ".join(why) or None, kernel_class=sharpness)


def _blank(record: SeriesRecord) -> str | None:
    return f"blank slices: {record.blank_slices}" if record.blank_slices else None


def _repeated(record: SeriesRecord) -> str | None:
    return f"repeated slices: {record.repeated_slices}" if record.repeated_slices else None


def _odd_range(record: SeriesRecord) -> str | None:
    if SeriesWarning.W_HU_RANGE not in record.warnings:
        return None
    return f"odd range, as it is or was repaired: {record.hu_min:g} to {record.hu_max:g} HU, median {record.hu_p50:g}"


def _no_body(record: SeriesRecord) -> str | None:
    return _below("hardly any body", record.body_share, BODY_SHARE)


def _metal(record: SeriesRecord) -> str | None:
    return _above("metal", record.metal_share, METAL_SHARE)


def _truncated(record: SeriesRecord) -> str | None:
    return _above("truncated", record.fov_truncated_share, TRUNCATED_SHARE)


def _sparse(record: SeriesRecord) -> str | None:
    return _below("sparse slices", record.coverage_share, COVERED_SHARE)


def _interpolated(record: SeriesRecord) -> str | None:
    return _above("interpolated", record.interpolated_share, 0)


def _noisy(record: SeriesRecord) -> str | None:
    noise = record.noise_hu
    return f"noisy: {noise:.0f} HU" if noise is not None and noise > NOISY_HU else None


def _above(words: str, share: float | None, limit: float) -> str | None:
    return f"{words}: {share:.2%}" if share is not None and share > limit else None


def _below(words: str, share: float | None, limit: float) -> str | None:
    return f"{words}: {share:.2%}" if share is not None and share < limit else None


RULES: tuple[Rule, ...] = (
    _blank,
    _repeated,
    _odd_range,
    _no_body,
    _metal,
    _truncated,
    _sparse,
    _interpolated,
    _noisy,
)
