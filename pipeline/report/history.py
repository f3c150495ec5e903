"""What run.json tells of the time since the run before, in plain words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.report.words import figure, percent

MOST_NAMED = 5
"""Scanners and kernels named in a sentence; ``run.json`` has them all."""

Told = Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """When the run before ended, what happened since, and each count and setting that is another: name, before, now."""

    since: str
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, str, str], ...]


def history(summary: Told) -> History | None:
    """Return what changed since the run before; None where there was none."""
    changes = summary.get("changes")
    if not changes:
        return None
    rows = tuple((name, before, now) for name, (before, now) in changes["figures"].items())
    return History(str(changes["since"]), tuple(_sentences(summary.get("plan", {}), changes)), rows)


def _sentences(plan: Told, changes: Told) -> Iterator[str]:
    yield from _what_was_done(plan, changes)
    yield from _never_seen("scanner", changes["new_scanners"])
    yield from _never_seen("kernel", changes["new_kernels"])
    for one in changes["refused"]:
        yield f"{one['reason']}: {percent(one['now'])} of the new series, {percent(one['before'])} of those before."
    for one in changes["drifted"]:
        value = f"{one['keyword']} {one['value']}" if one["value"] else f"No {one['keyword']}"
        yield f"{value}: {percent(one['now'])} of the new series, {percent(one['before'])} of those before."


def _what_was_done(plan: Told, changes: Told) -> Iterator[str]:
    """Yield one sentence on how many series are new, changed, stale and gone; none where all are as they were."""
    n_new, n_patients = changes["new_series"], changes["new_patients"]
    counts = {
        f"{figure(n_new)} new series, {_patients(n_patients)}": n_new,
        f"{figure(plan.get('changed', 0))} whose files changed": plan.get("changed", 0),
        f"{figure(plan.get('stale', 0))} made again for a new configuration or program": plan.get("stale", 0),
        f"{figure(changes['gone'])} gone from the input": changes["gone"],
    }
    told = [words for words, n in counts.items() if n]
    if told:
        yield f"{'; '.join(told)}."


def _patients(n: int) -> str:
    return f"{figure(n)} new patient{'' if n == 1 else 's'}"


def _never_seen(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        plural = "" if len(names) == 1 else "s"
        yield f"{what.capitalize()}{plural} never seen before: {', '.join(names[:MOST_NAMED])}{more}."
