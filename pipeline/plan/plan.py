"""What there is to do and what it costs: each series as new, changed, stale, done or gone; reads and writes nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, prod
from typing import Any

import numpy as np

from pipeline.dicom.headers.slice import Series
from pipeline.dicom.stack.checks import check_stack
from pipeline.dicom.stack.stack import build_stack
from pipeline.errors import SeriesRefusedError
from pipeline.output.state import Finished
from pipeline.plan.selection import Selection
from pipeline.prepare.job import Recipe
from pipeline.prepare.repairs import compile_program
from pipeline.program.program import Program
from pipeline.record import SeriesRecord
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.scan.summary import sign_whole_paths
from pipeline.sources.folders import InputOptions, empty_roots
from pipeline.store.layout import buffer_bytes
from pipeline.versions import find_changed_stages
from pipeline.vocabulary import Reason, Refusal, Status, Verdict

GONE = "its files are no longer there"
UNREAD = frozenset({Reason.UNREADABLE, Reason.UNSTABLE})
"""Reasons of the system and not of the data: every run tries again."""


class SeriesState(StrEnum):
    """How a series stands to what an output holds of it."""

    NEW = "new"
    CHANGED = "changed"
    STALE = "stale"
    DONE = "done"
    GONE = "gone"


@dataclass(frozen=True)
class PlannedSeries:
    """One series' state; ``scanned`` is None where its files are gone.

    ``is_renamed`` where they are there, and have another series_key now.
    """

    series_key: str
    state: SeriesState
    why: str
    scanned: ScannedSeries | None = None
    is_renamed: bool = False

    @property
    def is_work(self) -> bool:
        """True where pixels are to be read."""
        return self.scanned is not None and self.scanned.refusal is None and self.state is not SeriesState.DONE

    @property
    def effort(self) -> float:
        """The cost of processing it, in voxels of native images."""
        return self.scanned.effort if self.scanned else 0.0

    @property
    def is_refusal(self) -> bool:
        """True where headers or `select` refuse the series, and the output does not say so yet."""
        return self.scanned is not None and self.scanned.refusal is not None and self.state is not SeriesState.DONE

    @property
    def is_left_out(self) -> bool:
        """True where `select` leaves the series out."""
        refusal = self.scanned.refusal if self.scanned else None
        return refusal is not None and refusal[0] is Reason.NOT_SELECTED


@dataclass(frozen=True)
class Versions:
    """The versions that a series is made and judged by, and how often one that fails is tried again.

    ``stages`` are those of the program; ``rules`` is a hash of the limits and of select.min_slices.
    """

    config_hash: str
    stages: str
    rules: str
    retries: int = 2


def sort_by_effort(plans: Iterable[PlannedSeries]) -> list[PlannedSeries]:
    """Return plans with the most work first, so that no long one begins when all others are done."""
    return sorted(plans, key=lambda plan: (-plan.effort, plan.series_key))


def iterate_rounds(replan: Callable[[], Sequence[PlannedSeries]]) -> Iterator[list[PlannedSeries]]:
    """Yield what is to be processed, most work first, then what follows from its results, until nothing does.

    ``replan`` returns the plans as they stand; no series comes twice.
    """
    begun: set[str] = set()
    while jobs := [plan for plan in replan() if plan.is_work and plan.series_key not in begun]:
        yield sort_by_effort(jobs)
        begun |= {plan.series_key for plan in jobs}


def count_states(plans: Sequence[PlannedSeries]) -> dict[str, int]:
    """Return how many series are in each state."""
    return {state.value: sum(plan.state is state for plan in plans) for state in SeriesState}


def is_kept(plan: PlannedSeries, found: Finished | None) -> bool:
    """Tell whether the manifest keeps what is known of a series: of one that is gone, as long as it has a store.

    A series that has another key now is kept under that alone.
    """
    if found is None or plan.state is not SeriesState.GONE:
        return found is not None
    return found.record.status is Status.OK and found.has_store and not plan.is_renamed


def plan_series(selection: Selection, finished: Mapping[str, Finished], versions: Versions) -> list[PlannedSeries]:
    """Return what there is to do with the series chosen, the next best taken where one was refused at its pixels."""
    spent: set[str] = set()
    while True:
        plans = compare_with_output(selection.without(spent), finished, versions)
        refused = {plan.series_key for plan in plans if _was_refused_at_its_pixels(plan, finished)}
        if refused <= spent:
            return plans
        spent |= refused


def _was_refused_at_its_pixels(plan: PlannedSeries, finished: Mapping[str, Finished]) -> bool:
    if plan.scanned is None or plan.scanned.refusal or plan.state is not SeriesState.DONE:
        return False
    return finished[plan.series_key].record.status is Status.REJECTED


def compare_with_output(scan: Scan, finished: Mapping[str, Finished], versions: Versions) -> list[PlannedSeries]:
    """Return what there is to do, in order of series_key; ``finished`` is what the output holds, by key."""
    seen = {scanned.series_key: scanned for scanned in scan.series}
    plans = [
        PlannedSeries(key, *_state(scanned, finished.get(key), versions), scanned) for key, scanned in seen.items()
    ]
    former_keys = {scanned.former_key for scanned in scan.series}
    plans += [_plan_missing(key, is_renamed=key in former_keys) for key in finished if key not in seen]
    return sorted(plans, key=lambda plan: plan.series_key)


def _plan_missing(key: str, *, is_renamed: bool) -> PlannedSeries:
    why = "its files have another series_key now" if is_renamed else GONE
    return PlannedSeries(key, SeriesState.GONE, why, is_renamed=is_renamed)


def _state(scanned: ScannedSeries, found: Finished | None, versions: Versions) -> tuple[SeriesState, str]:
    if found is None:
        return SeriesState.NEW, "never seen before"
    if found.signature != scanned.signature and not _has_former_signature(found, scanned):
        return SeriesState.CHANGED, "its files changed"
    if not found.has_store:
        return SeriesState.NEW, "its store is not there any more"
    if scanned.refusal:
        stale = _why_judged_otherwise(scanned.refusal, found.record)
        return (SeriesState.STALE, stale) if stale else (SeriesState.DONE, "nothing changed")
    if stale := _why_stale(found, versions):
        return SeriesState.STALE, stale
    return describe_processed(found, versions.retries)


def _has_former_signature(found: Finished, scanned: ScannedSeries) -> bool:
    """Tell whether the version before would call the files unchanged; it kept no digest of headers."""
    return not found.headers and found.signature == sign_whole_paths(scanned.series)


def describe_processed(found: Finished, retries: int) -> tuple[SeriesState, str]:
    """Tell how a series stands whose files and terms are those that it was processed with."""
    record = found.record
    if record.reason in UNREAD:
        return SeriesState.NEW, f"could not be read last time ({record.reason})"
    if record.status is not Status.FAILED:
        return SeriesState.DONE, "nothing changed"
    if found.n_failures > retries:
        return SeriesState.DONE, f"failed {found.n_failures} times ({record.reason}); `ctprep retry` runs it again"
    return SeriesState.NEW, f"failed last time ({record.reason}); try {found.n_failures + 1} of {retries + 1}"


def _why_judged_otherwise(refusal: Refusal, record: SeriesRecord) -> str | None:
    reason, detail = refusal
    if reason is Reason.NOT_SELECTED:
        is_known = (record.reason, record.detail) == (reason, detail)
        return None if is_known else "it is left out now, or for another series"
    return None if record.reason is reason else "its headers are judged otherwise now"


def _why_stale(found: Finished, versions: Versions) -> str | None:
    if found.record.config_hash != versions.config_hash:
        return "the configuration changed"
    if found.stages != versions.stages:
        return f"the program changed ({', '.join(find_changed_stages(found.stages))})"
    if found.record.reason is Reason.NOT_SELECTED:
        return "it is selected now"
    if found.record.status is not Status.OK and found.rules != versions.rules:
        return "the limits changed"
    return None


NOT_ITS_OWN = frozenset({Reason.OUTPUT_IO, Reason.CANCELLED})
"""What no series brings about: it is not counted."""


def count_failures(now: Finished, before: Finished | None, retries: int) -> Finished:
    """Return a result with its failures counted; one that has failed too often says what runs it again."""
    if now.record.status is not Status.FAILED:
        return now
    n_before = before.n_failures if before and before.has_same_terms(now) else 0
    n_failures = n_before + (now.record.reason not in NOT_ITS_OWN)
    counted = replace(now, n_failures=n_failures)
    if n_failures <= retries:
        return counted
    detail = f"{now.record.detail}; tried {n_failures} times, `ctprep retry` runs it again"
    return replace(counted, record=replace(now.record, detail=detail))


def has_no_ct_left(found: Scan, finished: Mapping[str, Finished]) -> bool:
    """Tell whether no CT is left of an input that held some, or no file of one that held any."""
    had_ct = any(known.record.status is not Status.EXCLUDED for known in finished.values())
    return not found.n_files or (had_ct and not found.has_ct)


def describe_missing(options: InputOptions, found: Scan, plans: Iterable[PlannedSeries]) -> Iterator[str]:
    """Yield in words which roots are empty, and how many series are gone; nothing where none is.

    A share that is not mounted is an empty folder, so nothing is deleted.
    """
    n_gone = sum(plan.state is SeriesState.GONE and not plan.is_renamed for plan in plans)
    if n_gone:
        for root in empty_roots(options, _some_paths(found)):
            yield f"{root} holds no file at all (is it mounted?)"
        is_gone, their = ("is", "its store is") if n_gone == 1 else ("are", "their stores are")
        yield f"{n_gone} series {is_gone} gone from the input; {their} kept, and `ctprep gc` lists what is gone"


def _some_paths(found: Scan) -> Iterator[str]:
    """Yield a file of each series, and each file of no series."""
    yield from (one.first.path for one in found.series)
    yield from (header.file.path for header in found.unassigned)


def estimate_program(series: Series, recipe: Recipe) -> Program | str:
    """Return the program that a series will go through, or in words why there is none, or why headers do not tell."""
    stack = build_stack(series.images)
    if stack.verdict is Verdict.DUPLICATE:
        return "slices share positions: their pixels decide"
    if refusal := check_stack(stack, recipe.policy):
        return ": ".join(refusal)
    try:
        return compile_program(stack, recipe)
    except SeriesRefusedError as error:
        return str(error)


SAMPLED = 64
"""The programs of so many series are worked out to estimate what all stores will take."""


def estimate_bytes(plans: Iterable[PlannedSeries], recipe: Recipe) -> int:
    """Return the bytes that the stores of all series will take before compression, from a sample of many."""
    work = [plan for plan in plans if plan.is_work]
    n_bytes, effort = 0, 0.0
    stride = max(1, ceil(len(work) / SAMPLED))
    for plan in work[::stride]:
        program = estimate_program(plan.scanned.series, recipe) if plan.scanned else ""
        if not isinstance(program, str):
            n_bytes += program.nbytes
            effort += plan.effort
    return round(n_bytes / effort * sum(plan.effort for plan in work)) if effort else 0


def estimate_memory_mb(series: Series, recipe: Recipe) -> float | None:
    """Return the most memory that preparing a series will take, in MiB; None where its headers do not tell."""
    program = estimate_program(series, recipe)
    return None if isinstance(program, str) else round(peak_memory_mb(program, recipe), 3)


def describe_program(program: Program, recipe: Recipe) -> str:
    """Return the shape, the dtype, the size and the peak memory of what comes out, in words."""
    most = "at most " if program.is_upper_bound else ""
    volume = describe_volume(program.shape, program.dtype)
    return f"{most}{volume}, peak memory {peak_memory_mb(program, recipe):.0f} MB"


def describe_volume(shape: Sequence[int], dtype: Any) -> str:
    """Return the shape, the dtype and the size of a volume in words."""
    n_bytes = prod(shape) * np.dtype(dtype).itemsize
    return f"{' x '.join(map(str, shape))} {dtype}, {n_bytes / 2**20:.1f} MB"


def peak_memory_mb(program: Program, recipe: Recipe) -> float:
    """Return the MiB that a program holds at once, and what waits until a layer of chunks is full.

    What a worker holds anyway, libraries mostly, comes on top: some 150 MiB.
    """
    return (program.peak_bytes + buffer_bytes(program.shape, program.dtype, recipe.store)) / 2**20
