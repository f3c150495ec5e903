"""How sharp a reconstruction kernel is, from the names that vendors give their kernels."""

import re

from pipeline.record import ElementValue

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


def classify_kernel(kernel: ElementValue) -> str | None:
    """Return ``smooth``, ``medium`` or ``sharp`` for a ConvolutionKernel, None for one that is not known.

    Of several values the first counts: Siemens puts the strength of its iterative reconstruction second.
    """
    first = kernel[0] if isinstance(kernel, list) and kernel else kernel
    name = SEPARATORS.sub("", str(first))
    return next((sharpness for sharpness, pattern in PATTERNS.items() if pattern.fullmatch(name)), None)
