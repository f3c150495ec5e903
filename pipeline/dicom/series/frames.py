"""A multi-frame series to its volumes: frames of several stacks, phases or kinds are volumes of their own.

Which volume a frame belongs to, its functional groups say (DICOM PS3.3 C.7.6.16.2.2 and C.8.15.3.8); that is no repair,
and needs no policy.
"""

from collections import defaultdict

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.series.split import MOST_PARTS, parted

TOLD_BY = ("StackID", "TemporalPositionIndex", "NominalPercentageOfCardiacPhase")


def frame_volumes(series: Series) -> tuple[Series, ...]:
    """Return a series' volumes, each with what tells it apart added to the identity; the series itself if it is one."""
    images = series.images
    if not images or any(header.frame is None for header in images):
        return (series,)
    told = [(*(header.phase.get(word, "") for word in TOLD_BY), *header.identity.image_type[2:]) for header in images]
    if not 2 <= len(set(told)) <= MOST_PARTS:
        return (series,)
    return parted(series, ["frames of " + " ".join(word for word in words if word) for words in told])


def missing_parts(slices: tuple[SliceHeader, ...]) -> str | None:
    """Say which concatenation is not complete (PS3.3 C.7.6.16.2.2.4), None where all are."""
    parts: dict[str, set[str]] = defaultdict(set)
    totals: dict[str, str] = {}
    for header in slices:
        if uid := header.phase.get("ConcatenationUID"):
            parts[uid].add(header.phase.get("InConcatenationNumber", ""))
            totals[uid] = header.phase.get("InConcatenationTotalNumber", "")
    for uid, seen in parts.items():
        if totals[uid].isdigit() and len(seen) < int(totals[uid]):
            return f"{len(seen)} of {totals[uid]} parts of a concatenation"
    return None
