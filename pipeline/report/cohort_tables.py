"""Tables and sentences about the cohort: elements by module, findings, and what changed since the last run."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import DamageError
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import Row, read_table
from pipeline.report.words import figure, percent

NO_MODULE = "Private, and others that the CT Image IOD does not know"


@dataclass(frozen=True)
class FindingRow:
    """Something that is odd about several series; ``series_keys`` may name fewer than there are."""

    code: str
    title: str
    detail: str
    n_series: int
    series_keys: tuple[str, ...]


def tags_of(output: OutputFolder) -> list[dict[str, Any]]:
    """Return the rows of tags.parquet, none where there is no census."""
    return read_table(output.tags) if output.tags.exists() else []


def by_module(tags: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the elements of each module, modules by name, those of none at the end."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for tag in tags:
        found[tag["module"] or NO_MODULE].append(tag)
    order = sorted(found, key=lambda name: (name == NO_MODULE, name))
    return {name: sorted(found[name], key=lambda tag: (tag["tag"], tag["keyword"])) for name in order}


def findings_of(output: OutputFolder) -> list[FindingRow]:
    """Return the findings that the census left, none where there is no census; raises DamageError where unreadable."""
    path = output.root / "findings.json"
    if not path.exists():
        return []
    try:
        return [_finding(row) for row in json.loads(path.read_bytes())]
    except (KeyError, TypeError, ValueError) as error:
        msg = "findings.json is damaged: it is no list of findings"
        raise DamageError(msg) from error


def _finding(row: dict[str, Any]) -> FindingRow:
    keys = tuple(str(key) for key in row["series_keys"])
    return FindingRow(str(row["code"]), str(row["title"]), str(row["detail"]), int(row["n_series"]), keys)


MOST_NAMED = 5
"""Scanners and kernels named in a sentence; ``run.json`` has them all."""

Summary = Mapping[str, Any]
"""A part of ``run.json``."""


@dataclass(frozen=True)
class HistoryTable:
    """When the run before ended, what happened since, and each count and setting that is another: name, before, now."""

    since: str
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, str, str], ...]


def history(summary: Summary) -> HistoryTable | None:
    """Return what changed since the run before; None where there was none."""
    changes = summary.get("changes")
    if not changes:
        return None
    rows = tuple((name, before, now) for name, (before, now) in changes["figures"].items())
    return HistoryTable(str(changes["since"]), tuple(_sentences(summary.get("plan", {}), changes)), rows)


def _sentences(plan: Summary, changes: Summary) -> Iterator[str]:
    yield from _what_was_done(plan, changes)
    yield from _never_seen("scanner", changes["new_scanners"])
    yield from _never_seen("kernel", changes["new_kernels"])
    for one in changes["refused"]:
        yield f"{one['reason']}: {percent(one['now'])} of the new series, {percent(one['before'])} of those before."
    for one in changes["drifted"]:
        value = f"{one['keyword']} {one['value']}" if one["value"] else f"No {one['keyword']}"
        yield f"{value}: {percent(one['now'])} of the new series, {percent(one['before'])} of those before."


def _what_was_done(plan: Summary, changes: Summary) -> Iterator[str]:
    """Yield one sentence on how many series are new, changed, stale and gone; none where all are as they were."""
    n_new, n_patients = changes["new_series"], changes["new_patients"]
    counts = {
        f"{figure(n_new)} new series, {_patients(n_patients)}": n_new,
        f"{figure(plan.get('changed', 0))} whose files changed": plan.get("changed", 0),
        f"{figure(plan.get('stale', 0))} made again for a new configuration or program": plan.get("stale", 0),
        f"{figure(changes['gone'])} gone from the input": changes["gone"],
    }
    sentences = [words for words, n in counts.items() if n]
    if sentences:
        yield f"{'; '.join(sentences)}."


def _patients(n: int) -> str:
    return f"{figure(n)} new patient{'' if n == 1 else 's'}"


def _never_seen(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        plural = "" if len(names) == 1 else "s"
        yield f"{what.capitalize()}{plural} never seen before: {', '.join(names[:MOST_NAMED])}{more}."
