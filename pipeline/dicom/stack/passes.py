"""Acquisitions that return along a stack: two or three passes over one range, which by position alone look like one.

Slices of a second pass that lie a half or a third of a step on make a perfectly even stack of two volumes.  What tells
them apart is in the headers.  One sweep along the table is the rule, and evidence against it is weighed: numbers that
only rise, ranges that follow each other, and times without order (of an export) are no passes.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.files.values import parse_day
from pipeline.dicom.headers.slice import SliceHeader

DAY_S = 86400.0
DATE_DIGITS, TIME_DIGITS = 8, 6
TIME_ELEMENTS = ("AcquisitionDateTime", "FrameAcquisitionDateTime", "FrameReferenceDateTime", "ContentTime")
"""What tells when a slice was acquired; AcquisitionDateTime stands for AcquisitionDate and AcquisitionTime as well."""

Floats = NDArray[np.float64]

MOST_PASSES = 4
LEAST_KNOWN = 0.5
"""An element that fewer of the slices have says nothing of the series."""
RETURNS = 3
"""So often a number comes back after another along an even stack; at the border of two ranges it may be twice."""
LEAST_RETURNED, LEAST_ALTERNATING = 3, 6
"""Passes found by order have so many slices each where they meet, and so many together: fewer may be chance."""
ACQUIRED_SHARE, WRITTEN_SHARE, UNEVEN_SHARE = 0.8, 0.9, 0.5
"""The share of neighbours that are of different passes where two passes meet.

It is lower for times of the acquisition than for those of a file, which may have no order; and lower in a stack that is
not even, which two passes explain.
"""
SHORTEST_PASS = {ACQUIRED_SHARE: 3, WRITTEN_SHARE: 5}
"""Passes of fewer slices are no evidence: a few times in no order look like it too often."""
LEAST_EVENTS = 4
"""A sweep has so many values: two or three may be the times of two or three ranges."""
SWEEP_SHARE = 0.95
"""One sweep, or a few passes, explain a series if they take in this share of its slices: a few times may be wrong."""

Slices = Sequence[SliceHeader]
Labels = list[str]
Runs = NDArray[np.intp]
"""The number of each slice's sweep [k]."""


@dataclass(frozen=True)
class Passes:
    """The element that tells the passes apart, and the name of each slice's pass; empty where its header has none."""

    element: str
    names: tuple[str, ...]

    @property
    def n(self) -> int:
        """How many passes there are."""
        return len(set(self.names) - {""})


def find_passes(slices: Slices, *, is_even: bool) -> Passes | None:
    """Return the passes that alternate among slices in the order of their positions; None for one sweep.

    The elements are asked in the order of their weight.  The first that shows passes decides, and one by which the
    slices follow each other along the whole stack shows that there are none.
    """
    for element in NUMBER_ELEMENTS:
        numbers = [header.phase.get(element, "") for header in slices]
        if has_returns(numbers, RETURNS if is_even else 1):
            is_name = len(set(numbers) - {""}) <= MOST_PASSES
            by_order = None if is_name else find_runs(_as_numbers(numbers), ACQUIRED_SHARE, is_even=is_even)
            return Passes(element, tuple(by_order or numbers))
    for element, values_of, share in ORDERED_ELEMENTS:
        values = values_of(slices)
        if names := find_runs(values, share, is_even=is_even):
            return Passes(element, tuple(names))
        if is_even and is_sweep(values):
            return None
    return None


def has_returns(labels: Labels, least: int) -> bool:
    """Report two labels of which one is left for the other and taken up again, so often in all or at each slice."""
    known = [label for label in labels if label]
    if len(known) < LEAST_KNOWN * len(labels):
        return False
    n_changes = sum(one != next_one for one, next_one in pairwise(known))
    if n_changes == len(set(known)) - 1:
        return False
    returns = _count_returns(known)
    return max(returns.values()) >= least or (n_changes == len(known) - 1 and max(returns.values()) > 1)


def _count_returns(labels: Labels) -> Counter[frozenset[str]]:
    """Count for each two labels how often one comes back after the other."""
    starts: dict[str, list[int]] = defaultdict(list)
    runs = [labels[0], *(now for before, now in pairwise(labels) if now != before)]
    for place, label in enumerate(runs):
        starts[label].append(place)
    returns: Counter[frozenset[str]] = Counter()
    for label, places in starts.items():
        for left, back in pairwise(places):
            returns.update(frozenset({label, other}) for other in set(runs[left + 1 : back]))
    return returns


def find_runs(values: Floats, share: float, *, is_even: bool) -> Labels | None:
    """Return for each slice the first value of its pass, where a few passes take turns along the stack; else None."""
    runs = _number_runs(values)
    if runs is None:
        return None
    lengths = np.bincount(runs[runs >= 0])
    long = np.flatnonzero(lengths >= SHORTEST_PASS[share])
    if not 1 < len(long) <= MOST_PASSES or lengths[long].sum() < SWEEP_SHARE * lengths.sum():
        return None
    turns: set[int] = set()
    for one, other in combinations(long.tolist(), 2):
        if take_turns(runs[(runs == one) | (runs == other)] == one, share if is_even else UNEVEN_SHARE):
            turns |= {one, other}
    if not turns or (is_even and len(turns) < len(long)):
        return None
    firsts = {run: f"{values[runs == run].min():.6f}" for run in long.tolist()}
    return [firsts.get(run, "") for run in runs.tolist()]


def is_sweep(values: Floats) -> bool:
    """Report values that rise, or fall, along nearly the whole stack."""
    runs = _number_runs(values)
    if runs is None:
        return False
    known = runs[runs >= 0]
    n_values = len(np.unique(values[runs >= 0]))
    return bool(np.bincount(known).max() >= SWEEP_SHARE * len(known)) and n_values >= LEAST_EVENTS


def _number_runs(values: Floats) -> Runs | None:
    """Return the sweep of each slice in the order of a value, -1 for slices without; None where it says nothing.

    Slices of one value are one event.  A sweep goes on while each event lies wholly beyond the one before.
    """
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < max(LEAST_ALTERNATING, LEAST_KNOWN * len(values)) or len(np.unique(values[known])) < 2:
        return None
    events: dict[float, list[int]] = defaultdict(list)
    for place in known.tolist():
        events[values[place]].append(place)
    runs = np.full(len(values), -1, np.intp)
    run, way = 0, 0
    low, high = -1, -1
    for _, places in sorted(events.items()):
        now = 1 if places[0] > high else -1 if places[-1] < low else 0
        if high >= 0 and (now == 0 or way == -now):
            run, way = run + 1, 0
        elif high >= 0:
            way = now
        runs[places] = run
        low, high = places[0], places[-1]
    return runs


def take_turns(is_first: Sequence[bool], share: float = ACQUIRED_SHARE) -> bool:
    """Report two kinds of slices, in the order of their positions, that take turns where they meet."""
    first = np.array(is_first)
    changes = np.flatnonzero(first[1:] != first[:-1])
    if not len(changes):
        return False
    meeting = first[changes[0] : changes[-1] + 2]
    n_first = int(meeting.sum())
    if min(n_first, len(meeting) - n_first) < LEAST_RETURNED or len(meeting) < LEAST_ALTERNATING:
        return False
    return len(changes) >= share * (len(meeting) - 1)


def _as_numbers(texts: Labels) -> Floats:
    values = np.full(len(texts), np.nan)
    for place, text in enumerate(texts):
        try:
            values[place] = float(text)
        except ValueError:
            continue
    return values


def _instance_numbers(slices: Slices) -> Floats:
    """Return the numbers of slices, or of frames in their object; none where stacks number the frames."""
    if _are_stacked(slices):
        return np.full(len(slices), np.nan)
    numbers = [header.instance_number for header in slices]
    return np.array([np.nan if number is None else number for number in numbers], float)


def _are_stacked(slices: Slices) -> bool:
    """Report frames whose stacks follow each other, and number their frames along the positions (C.7.6.16.2.2)."""
    stack_ids = [header.phase.get("StackID", "") for header in slices]
    places = _as_numbers([header.phase.get("InStackPositionNumber", "") for header in slices])
    starts = np.array([one != next_one for one, next_one in pairwise(stack_ids)], bool)
    steps = np.diff(places)[~starts]
    if starts.sum() != len(set(stack_ids)) - 1 or not len(steps):
        return False
    return bool((steps == 1).all() or (steps == -1).all())


def _numbers(element: str) -> tuple[str, Callable[[Slices], Floats]]:
    return element, lambda slices: _as_numbers([header.phase.get(element, "") for header in slices])


def _moments(element: str) -> tuple[str, Callable[[Slices], Floats]]:
    return element, lambda slices: read_moments(slices, element)


NUMBER_ELEMENTS = (
    *("AcquisitionNumber", "FrameAcquisitionNumber", "TemporalPositionIdentifier", "TemporalPositionIndex"),
    "NominalPercentageOfCardiacPhase",
)
"""What is one value in all slices of a pass."""


ORDERED_ELEMENTS: tuple[tuple[str, Callable[[Slices], Floats], float], ...] = (
    (*_numbers("AcquisitionNumber"), ACQUIRED_SHARE),
    (*_numbers("FrameAcquisitionNumber"), ACQUIRED_SHARE),
    (*_moments("AcquisitionDateTime"), ACQUIRED_SHARE),
    (*_moments("FrameAcquisitionDateTime"), ACQUIRED_SHARE),
    (*_moments("FrameReferenceDateTime"), ACQUIRED_SHARE),
    (*_moments("ContentTime"), WRITTEN_SHARE),
    ("InstanceNumber", _instance_numbers, WRITTEN_SHARE),
)
"""What rises along one sweep, the more certain first."""


def read_moments(slices: Sequence[SliceHeader], element: str) -> Floats:
    """Return each slice's moment in seconds, NaN where its header does not say.

    Where a slice has a time and no date, as after de-identification, all dates are left out.  Times of day that run
    through midnight go on: the day starts after the longest pause.
    """
    pairs = [_split_moment(header, element) for header in slices]
    moments = np.array([_seconds_of_day(time) for _, time in pairs])
    days = np.array([parse_day(date) for date, _ in pairs], np.float64)  # None becomes NaN
    known = ~np.isnan(moments)
    if not known.any():
        return moments
    if np.isnan(days[known]).any():
        moments[known] = _unwrap_midnight(moments[known])
        return moments
    return moments + days * DAY_S


def _split_moment(header: SliceHeader, element: str) -> tuple[str, str]:
    """Return date and time as DICOM writes them (PS3.5 section 6.2), empty where there is none."""
    phase = header.phase
    if element == "ContentTime":
        return "", phase.get("ContentTime", "")
    moment = phase.get(element, "")
    if not moment and element == "AcquisitionDateTime":
        return phase.get("AcquisitionDate", ""), phase.get("AcquisitionTime", "")
    return moment[:DATE_DIGITS], moment[DATE_DIGITS:].partition("+")[0].partition("-")[0]


def _seconds_of_day(time: str) -> float:
    """Return the seconds since midnight; HH and HHMM are whole times too."""
    whole, _, fraction = time.strip().partition(".")
    if not whole.isdecimal() or len(whole) > TIME_DIGITS or len(whole) % 2:
        return np.nan
    hours, minutes, seconds = (int(whole[at : at + 2] or 0) for at in (0, 2, 4))
    return hours * 3600 + minutes * 60 + seconds + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)


def _unwrap_midnight(seconds: Floats) -> Floats:
    """Put times of day after the longest pause of the day first, where that pause is not the one around midnight."""
    distinct = np.unique(seconds)
    pauses = np.diff(np.r_[distinct, distinct[0] + DAY_S])
    longest = int(np.argmax(pauses))
    is_over_midnight = longest < len(distinct) - 1 and pauses[longest] > DAY_S / 2
    return np.where(seconds <= distinct[longest], seconds + DAY_S, seconds) if is_over_midnight else seconds
