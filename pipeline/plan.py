"""What there is to do: each series as new, changed, stale, done or gone, and why; reads and writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.choose import Choice
from pipeline.ledger import Finished
from pipeline.scan import Scan, ScannedSeries
from pipeline.vocabulary import Reason, Status


class State(StrEnum):
    """How a series stands to what an output holds of it."""

    NEW = "new"
    CHANGED = "changed"
    STALE = "stale"
    DONE = "done"
    GONE = "gone"


@dataclass(frozen=True)
class Planned:
    """One series' state; ``scanned`` is None where its files are gone."""

    series_key: str
    state: State
    why: str
    scanned: ScannedSeries | None = None

    @property
    def is_work(self) -> bool:
        """True where pixels are to be read."""
        return self.scanned is not None and self.scanned.refusal is None and self.state is not State.DONE

    @property
    def is_left_out(self) -> bool:
        """True where `select` leaves the series out."""
        refusal = self.scanned.refusal if self.scanned else None
        return refusal is not None and refusal[0] is Reason.NOT_SELECTED


@dataclass(frozen=True)
class Versions:
    """What a series was made and judged by: ``rules`` is a hash of the limits and of select.min_slices."""

    config_hash: str
    code_version: str
    rules: str


def settled(choice: Choice, finished: Mapping[str, Finished], versions: Versions) -> list[Planned]:
    """Return what there is to do with the series chosen, the next best taken where one was refused at its pixels."""
    spent: set[str] = set()
    while True:
        plans = planned(choice.without(spent), finished, versions)
        refused = {plan.series_key for plan in plans if _was_refused_at_its_pixels(plan, finished)}
        if refused <= spent:
            return plans
        spent |= refused


def _was_refused_at_its_pixels(plan: Planned, finished: Mapping[str, Finished]) -> bool:
    if plan.scanned is None or plan.scanned.refusal or plan.state is not State.DONE:
        return False
    return finished[plan.series_key].record.status is Status.REJECTED


def planned(scan: Scan, finished: Mapping[str, Finished], versions: Versions) -> list[Planned]:
    """Return what there is to do, in order of series_key; ``finished`` is what the output holds, by key."""
    seen = {scanned.record.series_key: scanned for scanned in scan.series}
    plans = [Planned(key, *_state(scanned, finished.get(key), versions), scanned) for key, scanned in seen.items()]
    plans += [Planned(key, State.GONE, "its files are no longer there") for key in finished if key not in seen]
    return sorted(plans, key=lambda plan: plan.series_key)


def _state(scanned: ScannedSeries, found: Finished | None, versions: Versions) -> tuple[State, str]:
    if found is None:
        return State.NEW, "never seen before"
    if found.signature != scanned.signature:
        return State.CHANGED, "its files changed"
    if found.record.status is Status.FAILED:
        return State.NEW, f"failed last time ({found.record.reason})"
    stale = _why_judged_otherwise(scanned, found) if scanned.refusal else _why_stale(found, versions)
    return (State.STALE, stale) if stale else (State.DONE, "nothing changed")


def _why_judged_otherwise(scanned: ScannedSeries, found: Finished) -> str | None:
    reason, detail = scanned.refusal or (None, None)
    if reason is Reason.NOT_SELECTED:
        is_known = (found.record.reason, found.record.detail) == (reason, detail)
        return None if is_known else "it is left out now, or for another series"
    return None if found.record.reason == reason else "its headers are judged otherwise now"


def _why_stale(found: Finished, versions: Versions) -> str | None:
    if found.record.config_hash != versions.config_hash:
        return "the configuration changed"
    if found.record.code_version != versions.code_version:
        return "the program changed"
    if found.record.reason is Reason.NOT_SELECTED:
        return "it is selected now"
    if found.record.status is not Status.OK and found.rules != versions.rules:
        return "the limits changed"
    return None
