"""Which series of a scan are processed, and why the others are left out: the rules under ``select``."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import SelectOptions
from pipeline.dicom.select.rank import name_preference, rank_stack, try_stack
from pipeline.dicom.select.rules import check_selection
from pipeline.dicom.stack.stack import Stack
from pipeline.output.layout import OutputFolder
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.vocabulary import Reason


@dataclass(frozen=True, eq=False)
class Candidate:
    """A series whose headers and geometry are accepted, and its stack, one slice a position."""

    scanned: ScannedSeries
    stack: Stack

    @property
    def series_key(self) -> str:
        """The key of the series."""
        return self.scanned.record.series_key

    @property
    def n_slices(self) -> int:
        """How many slices lie at places of their own."""
        return len(self.stack.slices)


@dataclass(frozen=True, eq=False)
class Selection:
    """A scan and what is left out of it.

    ``left_out`` holds, by series_key, the rule that leaves a series out for itself alone.  ``contests`` hold
    the candidates of each study or patient, the best first.  ``slice_count`` is the most common one, once it is known.
    """

    scan: Scan
    options: SelectOptions
    left_out: Mapping[str, str] = field(default_factory=dict)
    contests: tuple[tuple[str, ...], ...] = ()
    slice_count: int | None = None

    @classmethod
    def of(cls, scan: Scan, options: SelectOptions, policy: Policy, slice_count: int | None = None) -> "Selection":
        """Weigh every series; ``slice_count`` is the most common one of an earlier run.

        A series that its headers or its geometry refuse is left to its own reason: it is no candidate.
        """
        left_out = dict(_left_out_by_own_headers(scan, options, policy))
        if options.one_per == "series" and options.slice_count == "any":
            return cls(scan, options, left_out, slice_count=slice_count)
        candidates = _candidates(scan, policy, left_out)
        if options.slice_count == "most_common":
            slice_count = slice_count or _most_common_count(candidates)
        left_out |= _miscounted(candidates, options, slice_count)
        rivals = [one for one in candidates if one.series_key not in left_out]
        return cls(scan, options, left_out, tuple(_contests(rivals, options)), slice_count)

    def without(self, spent: Collection[str]) -> Scan:
        """Return the scan, each series that is left out refused as NOT_SELECTED.

        A contest's winner is its best series that is not ``spent``: refused at its pixels.
        """
        details = dict(self.left_out)
        for contest in self.contests:
            details |= self._losers(contest, spent)
        return replace(self.scan, series=tuple(_judged(one, details) for one in self.scan.series))

    def _losers(self, contest: tuple[str, ...], spent: Collection[str]) -> dict[str, str]:
        """Return what leaves out the series behind the winner; those before it have a reason of their own."""
        winner = next((key for key in contest if key not in spent), contest[-1])
        measures = ", ".join(name_preference(preference) for preference in self.options.prefer) or "SeriesInstanceUID"
        return {
            key: f"one_per: {self.options.one_per}; rank {rank} of {len(contest)} by {measures}; {winner} is taken"
            for rank, key in enumerate(contest, start=1)
            if rank > contest.index(winner) + 1
        }


def slice_count_before(output: OutputFolder) -> int | None:
    """Return the most common slice count that an earlier run found, None where none did."""
    try:
        found = json.loads(output.run.read_bytes()).get("slice_count")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, int) else None


def _left_out_by_own_headers(scan: Scan, options: SelectOptions, policy: Policy) -> Iterator[tuple[str, str]]:
    for one in scan.series:
        detail = None if one.refusal else check_selection(one.series, options)
        if detail and try_stack(one.series, policy) is not None:
            yield one.record.series_key, detail


def _candidates(scan: Scan, policy: Policy, left_out: Container[str]) -> list[Candidate]:
    standing = [one for one in scan.series if not one.refusal and one.record.series_key not in left_out]
    weighed = ((one, try_stack(one.series, policy)) for one in standing)
    return [Candidate(one, stack) for one, stack in weighed if stack is not None]


def _most_common_count(candidates: Sequence[Candidate]) -> int | None:
    """Return how many slices most candidates have; of several such counts the largest."""
    counts = Counter(one.n_slices for one in candidates)
    return max(counts, key=lambda count: (counts[count], count), default=None)


def _miscounted(candidates: Sequence[Candidate], options: SelectOptions, most_common: int | None) -> dict[str, str]:
    wanted = most_common if options.slice_count == "most_common" else options.slice_count
    return {
        one.series_key: f"slice_count: {options.slice_count}; {one.n_slices} slices, {wanted} are wanted"
        for one in candidates
        if wanted not in {"any", one.n_slices}
    }


def _contests(candidates: Sequence[Candidate], options: SelectOptions) -> Iterator[tuple[str, ...]]:
    """Yield the candidates of each study or patient, the best first, equal ones in the order of their UIDs."""
    if options.one_per == "series":
        return
    rivals: dict[str | None, list[Candidate]] = defaultdict(list)
    for one in candidates:
        record = one.scanned.record
        rivals[record.study if options.one_per == "study" else record.patient].append(one)
    for members in rivals.values():
        members.sort(key=lambda one: (rank_stack(one.stack, options.prefer), one.scanned.series.identity))
        yield tuple(one.series_key for one in members)


def _judged(one: ScannedSeries, details: Mapping[str, str]) -> ScannedSeries:
    detail = details.get(one.record.series_key)
    return one if detail is None else replace(one, refusal=(Reason.NOT_SELECTED, detail))
