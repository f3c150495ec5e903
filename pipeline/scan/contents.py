"""What an input holds, in words: for an input that holds no CT."""

import re
from collections import Counter
from itertools import chain

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.scan.series import Scan
from pipeline.vocabulary import Reason, format_count

OTHER_KINDS = {
    "NIfTI": (".nii", ".nii.gz"),
    "archives": (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar"),
}
"""Kinds of files that hold images and are no DICOM, by the ends of their names."""
MODALITY = re.compile(r"[A-Z]{2,16}")
"""What a modality looks like (PS3.3 C.7.3.1.1.1): anything else might be a person's text."""


def describe_contents(found: Scan) -> str:
    """Say in words how many files lie under the roots, and of which kind: modalities, localizers, other formats."""
    in_series = (header for scanned in found.series for header in scanned.series.slices)
    kinds = Counter(_name_kind(header) for header in chain(in_series, found.unassigned) if header.frame in {None, 1})
    words = [f"{n} {kind}" for kind, n in sorted(kinds.items())]
    return format_count(kinds.total(), "file") + (f": {', '.join(words)}" if words else "")


def _name_kind(header: SliceHeader) -> str:
    """Return what a file is in one word or two; no text of a header but a modality."""
    name, modality = header.file.path.lower(), header.identity.modality
    if header.is_ct:
        return "CT localizers" if header.is_localizer else "CT"
    if modality:
        return modality if MODALITY.fullmatch(modality) else "of another modality"
    if header.refusal is None or header.refusal[0] is not Reason.NOT_DICOM:
        return "without a modality" if header.refusal is None else "that cannot be read"
    return next((kind for kind, ends in OTHER_KINDS.items() if name.endswith(ends)), "not DICOM")
