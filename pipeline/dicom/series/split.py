"""One series that holds several volumes, separated by an element of their headers: phases, repeats, kernels."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.stack import same_tolerance_mm, unit_directions

FRAME_KEYWORDS = ("StackID", "TemporalPositionIndex", "NominalPercentageOfCardiacPhase")


def split_volumes(series: Series) -> tuple[Series, ...]:
    """Return a series' volumes, each with its name added to the identity; the series itself if it is one volume."""
    images = series.images
    if not images or any(header.frame is None for header in images):
        return (series,)
    facts = [
        (*(header.phase.get(word, "") for word in FRAME_KEYWORDS), *header.identity.image_type[2:]) for header in images
    ]
    if not 2 <= len(set(facts)) <= MOST_PARTS:
        return (series,)
    return build_parts(series, ["frames of " + " ".join(word for word in words if word) for words in facts])


def describe_missing_parts(slices: tuple[SliceHeader, ...]) -> str | None:
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


MOST_PARTS = 64
LEAST_SHARE = 0.9
"""A part that has fewer of the positions is no volume, but a piece of one."""
PARALLEL_COSINE = 0.9999
"""Slices whose normals lie further apart do not share positions."""

Slices = Sequence[SliceHeader]
Places = NDArray[np.intp]
Names = list[str]
"""For each slice, the name of its part; empty where it has none."""


def split_parts(series: Series, policy: Policy) -> tuple[Series, ...]:
    """Return a series' parts, each with its name added to the identity; the series itself where there is nothing to do.

    A series is split where the policy says so and several images share a position: by the first of SPLITTERS that gives
    at most 64 parts, each with unique positions and at least nine tenths of all positions.  Images with one
    SOPInstanceUID are copies, and share a part.  What is no image goes with the first part.
    """
    images = series.images
    if policy.geometry.duplicate_position != "split" or not _are_placed(images):
        return (series,)
    places = _places(images)
    if not _has_repeats(images, places):
        return (series,)
    for keyword, names_of in SPLITTERS:
        names = names_of(images, places)
        if _is_a_split(images, places, names):
            return build_parts(series, [f"{keyword}={name}" for name in names])
    return (series,)


def _are_placed(images: Slices) -> bool:
    """Whether all images have a position along one normal."""
    if not images or any(header.plane.position is None or not _has_directions(header) for header in images):
        return False
    normals = np.array([unit_directions(header)[2] for header in images])
    return bool((normals @ normals[0] >= PARALLEL_COSINE).all())


def _has_directions(header: SliceHeader) -> bool:
    return any(header.plane.row_direction or ()) and any(header.plane.column_direction or ())


def _places(images: Slices) -> Places:
    """Return the number of each image's position along the normal."""
    along = np.array([header.plane.position for header in images], float) @ unit_directions(images[0])[2]
    order = np.argsort(along, kind="stable")
    positions = along[order]
    places = np.empty(len(images), np.intp)
    places[order] = np.cumsum(np.r_[0, np.diff(positions) > same_tolerance_mm(positions)])
    return places


def _has_repeats(images: Slices, places: Places) -> bool:
    """Whether two images share a position that are no copies of one another."""
    different = {
        (place, header.identity.sop_instance_uid or header.file.path, header.frame)
        for place, header in zip(places.tolist(), images, strict=True)
    }
    return len(different) > len(set(places.tolist()))


def _is_a_split(images: Slices, places: Places, names: Names) -> bool:
    parts = sorted(set(names))
    if not all(names) or not 2 <= len(parts) <= MOST_PARTS:
        return False
    least = LEAST_SHARE * (places.max() + 1)
    chosen = [[row for row, name in enumerate(names) if name == part] for part in parts]
    return all(
        len(np.unique(places[rows])) >= least and not _has_repeats([images[row] for row in rows], places[rows])
        for rows in chosen
    )


def build_parts(series: Series, names: Names) -> tuple[Series, ...]:
    """Return the parts that the names of its images make of a series; what is no image goes with the first."""
    part_of = dict(zip(map(id, series.images), names, strict=True))
    first = min(names)
    members: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in series.slices:
        members[part_of.get(id(header), first)].append(header)
    return tuple(
        replace(series, identity=(*series.identity, name), slices=tuple(members[name])) for name in sorted(members)
    )


def _by(keyword: str) -> tuple[str, Callable[[Slices, Places], Names]]:
    return keyword, lambda images, _: [header.phase.get(keyword, "") for header in images]


def _by_time(images: Slices, places: Places) -> Names:
    """Cut the acquisition times at the widest pauses into as many parts as slices share a position."""
    times = [_seconds(header) for header in images]
    known = np.array([time for time in times if time is not None])
    if len(known) < len(images):
        return [""] * len(images)
    n_parts = max(Counter(places.tolist()).values())
    moments = np.unique(known)
    if len(moments) < n_parts:
        return [""] * len(images)
    widest = np.sort(np.argsort(-np.diff(moments), kind="stable")[: n_parts - 1])
    starts = moments[np.r_[0, widest + 1]]
    return [f"{starts[np.searchsorted(starts, time, side='right') - 1]:.6f}" for time in known]


def _seconds(header: SliceHeader) -> float | None:
    """Return when a slice was acquired, in seconds from the first day; None where the header does not say."""
    phase = header.phase
    joined = phase.get("AcquisitionDate", "") + phase.get("AcquisitionTime", "")
    whole, _, rest = phase.get("AcquisitionDateTime", joined).partition(".")
    fraction = rest.partition("+")[0].partition("-")[0]
    try:
        moment = datetime.strptime(whole[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007  only differences count
    except ValueError:
        return None
    seconds = moment.toordinal() * 86400 + moment.hour * 3600 + moment.minute * 60 + moment.second
    return seconds + (float(f"0.{fraction}") if fraction.isdigit() else 0.0)


SPLITTERS: tuple[tuple[str, Callable[[Slices, Places], Names]], ...] = (
    _by("TemporalPositionIdentifier"),
    _by("TemporalPositionIndex"),
    _by("NominalPercentageOfCardiacPhase"),
    _by("TriggerTime"),
    _by("AcquisitionNumber"),
    ("AcquisitionDateTime", _by_time),
    _by("ConvolutionKernel"),
    _by("ReconstructionDiameter"),
)
"""What may separate the volumes of one series, in the order in which it is tried."""
