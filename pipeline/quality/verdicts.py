"""Which series a person should look at, and why: named rules over the columns of a finished record; kernel classes."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from pipeline.record import ElementValue, SeriesRecord
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

KERNEL_CLASSES = {
    "smooth": r"""
        [BDHIJQSTU][a-z]?[0-3]\d[a-z]* | SOFT | SMOOTH | SOFTTISSUE | UA | YA | EA | A
        | FC0[125] | FC1[125] | FC2[15] | FC4[123]
    """,
    "medium": r"""
        [BDHIJQSTU][a-z]?4\d[a-z]* | STANDARD | STND | CHST | DETAIL | BODY | BRAIN | ROUTINE | UB | YB | EB | B | C
        | FC0[346-9] | FC1[0346-9] | FC2[02346-9] | FC4[04-9]
    """,
    "sharp": r"""
        [BDHIJQSTU][a-z]?[5-9]\d[a-z]* | LUNG | BONE | BONEPLUS | EDGE | ULTRA | SHARP | SHARPPLUS | HDLUNG | HDBONE
        | UC | YC | YD | YE | EC | D | E | F | L | FC[358]\d
    """,
}
"""Class to names: Siemens (a number that grows with the sharpness: below 40, below 50, from 50 on), GE (words),
Philips (letters) and Canon or Toshiba (FC and a number).  A rough order: vendors share no scale."""

PATTERNS = {name: re.compile(names, re.VERBOSE | re.IGNORECASE) for name, names in KERNEL_CLASSES.items()}
SEPARATORS = re.compile(r"[ _+-]")


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


def _ends_in_zeros(record: SeriesRecord) -> str | None:
    is_suspect = SeriesWarning.W_PIXELS_SUSPECT in record.warnings
    return "a slice ends in zeros" if is_suspect and not (record.blank_slices or record.repeated_slices) else None


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
    _ends_in_zeros,
    _odd_range,
    _no_body,
    _metal,
    _truncated,
    _sparse,
    _interpolated,
    _noisy,
)


def classify_kernel(kernel: ElementValue) -> str | None:
    """Return ``smooth``, ``medium`` or ``sharp`` for a ConvolutionKernel, None for one that is not known.

    Of several values the first counts: Siemens puts the strength of its iterative reconstruction second.
    """
    first = kernel[0] if isinstance(kernel, list) and kernel else kernel
    name = SEPARATORS.sub("", str(first))
    return next((sharpness for sharpness, pattern in PATTERNS.items() if pattern.fullmatch(name)), None)
