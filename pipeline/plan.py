"""What there is to do: each series as new, changed, stale, done or gone, and why; reads and writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.ledger import Finished
from pipeline.scan import Scan, ScannedSeries
from pipeline.vocabulary import Status


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


@dataclass(frozen=True)
class Versions:
    """What a series was made and judged by: ``rules`` is a hash of the limits and of select.min_slices."""

    config_hash: str
    code_version: str
    rules: str


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
    is_known = scanned.refusal is not None and scanned.refusal[0] == found.record.reason
    return None if is_known else "its headers are judged otherwise now"


def _why_stale(found: Finished, versions: Versions) -> str | None:
    if found.record.config_hash != versions.config_hash:
        return "the configuration changed"
    if found.record.code_version != versions.code_version:
        return "the program changed"
    if found.record.status is not Status.OK and found.rules != versions.rules:
        return "the limits changed"
    return None
