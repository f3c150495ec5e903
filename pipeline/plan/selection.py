"""Which series of a scan are processed, and why the others are left out: the rules under ``select``."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import SelectOptions
from pipeline.dicom.select.rank import name_preference
from pipeline.output.layout import OutputFolder
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.scan.summary import weigh
from pipeline.vocabulary import Reason


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
        standing = [one for one in scan.series if not one.refusal]
        choices = {one.series_key: one.choice or weigh(one.series, options, policy) for one in standing}
        left_out = {key: choice.left_out for key, choice in choices.items() if choice.left_out}
        if options.one_per == "series" and options.slice_count == "any":
            return cls(scan, options, left_out, slice_count=slice_count)
        counts = {key: choice.n_slices for key, choice in choices.items() if choice.n_slices and not choice.left_out}
        if options.slice_count == "most_common":
            slice_count = slice_count or _most_common_count(counts.values())
        left_out |= _miscounted(counts, options, slice_count)
        ranks = {key: choices[key].rank for key in counts if key not in left_out}
        rivals = [one for one in scan.series if one.series_key in ranks]
        return cls(scan, options, left_out, tuple(_contests(rivals, ranks, options)), slice_count)

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


def _most_common_count(counts: Iterable[int]) -> int | None:
    """Return how many slices most candidates have; of several such counts the largest."""
    found = Counter(counts)
    return max(found, key=lambda count: (found[count], count), default=None)


def _miscounted(counts: Mapping[str, int], options: SelectOptions, most_common: int | None) -> dict[str, str]:
    wanted = most_common if options.slice_count == "most_common" else options.slice_count
    return {
        key: f"slice_count: {options.slice_count}; {n_slices} slices, {wanted} are wanted"
        for key, n_slices in counts.items()
        if wanted not in {"any", n_slices}
    }


def _contests(
    candidates: Sequence[ScannedSeries], ranks: Mapping[str, Any], options: SelectOptions
) -> Iterator[tuple[str, ...]]:
    """Yield the candidates of each study or patient, the best first, equal ones in the order of their UIDs."""
    if options.one_per == "series":
        return
    rivals: dict[str, list[ScannedSeries]] = defaultdict(list)
    for one in candidates:
        rivals[one.study if options.one_per == "study" else one.patient].append(one)
    for members in rivals.values():
        if len(members) > 1:
            members.sort(key=lambda one: (ranks[one.series_key], one.details.identity))
        yield tuple(one.series_key for one in members)


def _judged(one: ScannedSeries, details: Mapping[str, str]) -> ScannedSeries:
    detail = details.get(one.series_key)
    return one if detail is None else replace(one, refusal=(Reason.NOT_SELECTED, detail))
