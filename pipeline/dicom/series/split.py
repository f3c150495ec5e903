"""One series that holds several volumes, separated by an element of their headers: phases, repeats, kernels."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.checks import list_constants
from pipeline.dicom.stack.passes import MOST_PASSES, find_passes, is_sweep, read_moments
from pipeline.dicom.stack.stack import build_stack, same_tolerance_mm, unit_directions
from pipeline.vocabulary import SeriesWarning

FRAME_KEYWORDS = ("TemporalPositionIndex", "NominalPercentageOfCardiacPhase")
Facts = tuple[str, ...]


def split_volumes(series: Series) -> tuple[Series, ...]:
    """Return the volumes of a multi-frame series, each with its name added to the identity; else the series itself.

    Frames are distinguished by their phase, their kind and their stack.  Stacks that are parts of one even scan are
    joined; a stack that stays alone carries W_STACK_PART.
    """
    images = series.images
    if not images or any(header.frame is None for header in images):
        return (series,)
    phases: dict[Facts, list[SliceHeader]] = defaultdict(list)
    for header in images:
        phases[_phase_of(header)].append(header)
    facts: dict[int, Facts] = {}
    apart: dict[int, SliceHeader] = {}
    for phase, members in phases.items():
        are_apart = _are_stacks_apart(members)
        for header in members:
            facts[id(header)] = (header.phase.get("StackID", "") if are_apart else "", *phase)
            if are_apart:
                apart[id(header)] = replace(header, warnings=header.warnings | {SeriesWarning.W_STACK_PART})
    if not 2 <= len(set(facts.values())) <= MOST_PARTS:
        return (series,)
    names = ["frames of " + " ".join(word for word in facts[id(header)] if word) for header in images]
    marked = replace(series, slices=tuple(apart.get(id(header), header) for header in series.slices))
    return build_parts(marked, names)


def _phase_of(header: SliceHeader) -> Facts:
    return (*(header.phase.get(word, "") for word in FRAME_KEYWORDS), *header.identity.image_type[2:])


def _are_stacks_apart(frames: Sequence[SliceHeader]) -> bool:
    """Whether frames belong to several stacks that are no parts of one even scan, one behind the other."""
    if len({header.phase.get("StackID", "") for header in frames}) == 1:
        return False
    grids = {(h.pixels.rows, h.pixels.columns, h.plane.row_spacing, h.plane.column_spacing) for h in frames}
    if len(grids) > 1 or not _are_placed(frames) or not _are_parallel(frames):
        return True
    if any(len(set(values)) > 1 for values in list_constants(frames).values()):
        return True
    stack = build_stack(frames)
    stack_ids = [header.phase.get("StackID", "") for header in stack.slices]
    n_changes = sum(one != next_one for one, next_one in pairwise(stack_ids))
    is_even = stack.has_step and stack.n_missing == 0 and stack.is_straight
    return not is_even or n_changes >= len(set(stack_ids))


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
"""A part that has fewer of the positions may be a piece of a volume: then more is asked of it."""
LEAST_OF_ONE_TIME = 6
"""Of fewer slices, whole seconds of an export may be equal by chance."""
FEWEST, MOST_OVERLAPPING = 3, 3
"""A part of its own extent has so many slices, and a series so many of them."""
PARALLEL_COSINE = 0.9999
"""Slices whose normals lie further apart do not share positions."""

Slices = Sequence[SliceHeader]
Places = NDArray[np.intp]
Names = list[str]
"""For each slice, the name of its part; empty where it has none."""
Splitter = tuple[str, Callable[[Slices, Places], Names]]
"""An element, and what names each image's part by it."""


def split_parts(series: Series, policy: Policy) -> tuple[Series, ...]:
    """Return a series' parts, each with its name added to the identity; the series itself where there is nothing to do.

    A series is split where the policy says so, and several images share a position or acquisitions alternate along the
    stack.  Where images share positions, the first of SPLITTERS counts whose parts are volumes.  Images with one
    SOPInstanceUID are copies, and share a part.  What is no image goes with the first part.
    """
    images = series.images
    if policy.geometry.duplicate_position != "split" or not _are_placed(images):
        return (series,)
    places = _places(images)
    names = _name_phases(images, places) if _has_repeats(images, places) else _name_passes(images)
    return build_parts(series, names) if names else (series,)


def _name_phases(images: Slices, places: Places) -> Names | None:
    """Name each image's part by what tells its phase: parts that all cover the scan are asked for first."""
    for are_volumes in (_cover_the_scan, _overlap):
        for keyword, names_of in SPLITTERS:
            names = names_of(images, places)
            if _are_unique_parts(images, places, names) and are_volumes(images, places, names):
                return [f"{keyword}={name}" for name in names]
    return None


def _name_passes(images: Slices) -> Names | None:
    """Name each image's pass, where acquisitions alternate along the stack and each is a stack of its own."""
    stack = build_stack(images)
    passes = find_passes(stack.slices, is_even=stack.has_step)
    if passes is None or passes.n > MOST_PASSES or not all(passes.names):
        return None
    name_of = {id(header): name for header, name in zip(stack.slices, passes.names, strict=True)}
    names = [name_of[id(header)] for header in images]
    if not all(_is_stack([images[row] for row in rows]) for rows in _rows_of(names)):
        return None
    return [f"{passes.element}={name}" for name in names]


def _rows_of(names: Names) -> list[list[int]]:
    """Return the rows of each part, in the order of the parts' names."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        rows[name].append(row)
    return [rows[name] for name in sorted(rows)]


def _is_stack(slices: Slices) -> bool:
    return len(slices) >= FEWEST and build_stack(slices).has_step


def _are_placed(images: Sequence[SliceHeader]) -> bool:
    """Whether all images have a position along one normal."""
    if not images or any(header.plane.position is None or not _has_directions(header) for header in images):
        return False
    normals = np.array([unit_directions(header)[2] for header in images])
    return bool((normals @ normals[0] >= PARALLEL_COSINE).all())


def _are_parallel(images: Slices) -> bool:
    """Whether the rows of all images run one way."""
    rows = np.array([unit_directions(header)[0] for header in images])
    return bool((rows @ rows[0] >= PARALLEL_COSINE).all())


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


def _are_unique_parts(images: Slices, places: Places, names: Names) -> bool:
    """Whether each image is named, and no part has two images at one position."""
    parts = _rows_of(names)
    if not all(names) or not 2 <= len(parts) <= MOST_PARTS:
        return False
    return not any(_has_repeats([images[row] for row in rows], places[rows]) for rows in parts)


def _cover_the_scan(_: Slices, places: Places, names: Names) -> bool:
    """Whether each part has nine tenths of all positions."""
    least = LEAST_SHARE * (places.max() + 1)
    return all(len(np.unique(places[rows])) >= least for rows in _rows_of(names))


def _overlap(images: Slices, places: Places, names: Names) -> bool:
    """Whether the parts are even stacks of their own, each of which shares positions with another.

    There are no more than images at one position, or three: many would be the table positions of one scan.
    """
    parts = _rows_of(names)
    if len(parts) > max(MOST_OVERLAPPING, *Counter(places.tolist()).values()):
        return False
    if not all(_is_stack([images[row] for row in rows]) for rows in parts):
        return False
    covered, *others = [set(places[rows].tolist()) for rows in parts]
    while joining := [part for part in others if part & covered]:
        covered = covered.union(*joining)
        others = [part for part in others if part not in joining]
    return not others


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


def _by(keyword: str) -> Splitter:
    return keyword, lambda images, _: [header.phase.get(keyword, "") for header in images]


def _by_constant(element: str) -> Splitter:
    return element, lambda images, _: list(list_constants(images)[element])


def _by_time(element: str, *, in_order: bool = False) -> Splitter:
    """Cut times at the widest pauses; with ``in_order`` each part is one sweep by them, or has one time."""

    def names_of(images: Slices, places: Places) -> Names:
        moments = read_moments(images, element)
        names = _cut_at_pauses(moments, n_parts=max(Counter(places.tolist()).values()))
        parts = [moments[sorted(rows, key=lambda row: places[row])] for rows in _rows_of(names)]
        if in_order and not all(is_sweep(part) or _is_one_time(part) for part in parts):
            return [""] * len(images)
        return names

    return element, names_of


def _is_one_time(moments: NDArray[np.float64]) -> bool:
    """Whether all slices of a part that is not too small for it have one time."""
    return len(moments) >= LEAST_OF_ONE_TIME and len(np.unique(moments)) == 1


def _cut_at_pauses(times: NDArray[np.float64], n_parts: int) -> Names:
    """Name each time after the first one of its part; empty names where there are not enough times."""
    moments = np.unique(times)
    if np.isnan(times).any() or len(moments) < n_parts:
        return [""] * len(times)
    widest = np.sort(np.argsort(-np.diff(moments), kind="stable")[: n_parts - 1])
    starts = moments[np.r_[0, widest + 1]]
    return [f"{starts[np.searchsorted(starts, time, side='right') - 1]:.6f}" for time in times]


SPLITTERS: tuple[Splitter, ...] = (
    _by("TemporalPositionIdentifier"),
    _by("TemporalPositionIndex"),
    _by("NominalPercentageOfCardiacPhase"),
    _by("NominalCardiacTriggerDelayTime"),
    _by("TriggerTime"),
    _by("AcquisitionNumber"),
    _by("FrameAcquisitionNumber"),
    _by_time("AcquisitionDateTime"),
    _by_time("FrameAcquisitionDateTime"),
    _by_time("FrameReferenceDateTime"),
    _by_constant("KVP"),
    _by_constant("ImageType"),
    _by("ConvolutionKernel"),
    _by("ReconstructionDiameter"),
    _by_time("ContentTime", in_order=True),
)
"""What may separate the volumes of one series, in the order in which it is tried."""
