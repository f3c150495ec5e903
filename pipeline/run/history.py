"""How the runs of an output went: the summary of this one, what changed since the last, and the command that hears.

Changes are counts, and values of elements that may leave ``private/``; nothing of a person.
"""

import json
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import CtprepError, DamageError, UsageError, exit_code_for
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import ELEMENT_COLUMNS
from pipeline.output.summary import Summary, add_times, last_summary, summarise_run, write_summary
from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord
from pipeline.vocabulary import ExitCode, Status

SCANNER = ("Manufacturer", "ManufacturerModelName")
KERNEL = "ConvolutionKernel"
COUNTED = frozenset({"KVP", "BitsStored", "PixelRepresentation", "RescaleIntercept", "RescaleSlope"})
CATEGORICAL = tuple(
    keyword
    for keyword, kind in ELEMENT_COLUMNS.items()
    if keyword in COUNTED or (kind in {"text", "texts"} and keyword != "PatientAge")
)
"""Elements whose values are kinds of something, not measures; all of them may leave ``private/``."""

COLUMNS = ("series_key", "status", "reason", "patient", *CATEGORICAL)

LEAST_SERIES = 10
"""Of fewer series on either side a share says nothing."""
LEAST_DRIFT = 0.25
"""A value drifted where its share among the new series and among those before are this far apart."""
MOST_DRIFTS = 10
REFUSED = frozenset({Status.REJECTED, Status.FAILED})

Row = dict[str, Any]


@dataclass
class History:
    """The summary of one run; opened before anything is published, for it reads what the last run left.

    ``notify`` takes the summary when it is final.
    """

    output: OutputFolder
    notify: Callable[[Summary], None]
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self._last, self._before = last_summary(self.output), Snapshot.of(self.output)

    def summarise(
        self, records: Sequence[SeriesRecord], code: ExitCode, config_hash: str, extra: Mapping[str, Any]
    ) -> Summary:
        """Return the summary of a run whose manifest stands, as of now."""
        summary = summarise_run(records, code, config_hash, extra)
        summary["changes"] = describe_changes(self._last, summary, self._before, Snapshot.of(self.output))
        return add_times(summary, self.started)

    def repeat(self, summary: Summary) -> Summary:
        """Return the summary of a run that found nothing new: the last one's, without what had changed then."""
        quiet = summary | {"changes": describe_changes(self._last, summary, self._before, self._before)}
        return add_times(quiet, self.started)

    def write(self, summary: Summary) -> Summary:
        """Write run.json and the history, and notify; return what was written."""
        final = add_times(summary, self.started)
        write_summary(self.output, final)
        self.notify(final)
        return final


@dataclass(frozen=True)
class Snapshot:
    """The rows of a manifest, with the columns that changes are found in."""

    rows: tuple[Row, ...] = ()

    @classmethod
    def of(cls, output: OutputFolder) -> "Snapshot":
        """Read the manifest that stands; where there is none, or it is damaged, nothing was published."""
        try:
            return cls(tuple(read_table(output.manifest, COLUMNS))) if output.manifest.exists() else cls()
        except DamageError:
            return cls()

    @property
    def keys(self) -> set[str]:
        """The keys of every series."""
        return {row["series_key"] for row in self.rows}

    def without(self, keys: Collection[str]) -> Sequence[Row]:
        """Return the rows of series that are not among these."""
        return [row for row in self.rows if row["series_key"] not in keys]


def describe_changes(since: Summary, summary: Summary, before: Snapshot, now: Snapshot) -> Summary:
    """Return what run.json says of the time since the last run; nothing for a first one.

    ``since`` is the last run's summary, ``summary`` this one's; the snapshots are of the manifest before and after.
    """
    if not since:
        return {}
    then, today = _figures(since), _figures(summary)
    names = dict.fromkeys([*today, *then])
    pairs = {name: [then.get(name, "0"), today.get(name, "0")] for name in names}
    figures = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    n_gone = summary.get("plan", {}).get("gone", 0) - since.get("plan", {}).get("gone", 0)
    return {"since": since.get("finished_at"), "figures": figures, "gone": max(n_gone, 0), **_describe_new(before, now)}


def _figures(summary: Summary) -> dict[str, str]:
    """Return the counts and settings of a run that may be compared with another's."""
    counts = {name: str(n) for part in ("counts", "reasons") for name, n in summary.get(part, {}).items()}
    ctprep = summary.get("versions", {}).get("ctprep", "")
    return counts | {"configuration": str(summary.get("config_hash", "")), "ctprep": str(ctprep)}


def _describe_new(before: Snapshot, now: Snapshot) -> Summary:
    """Return what is new in the series that were not there before, compared with all that were."""
    fresh = now.without(before.keys)
    ct, ct_before = (list(filter(_is_ct, rows)) for rows in (fresh, before.rows))
    return {
        "new_series": len(fresh),
        "new_patients": len({row["patient"] for row in ct} - {row["patient"] for row in before.rows}),
        "new_scanners": sorted({*map(_scanner, ct)} - {*map(_scanner, ct_before)} - {""}),
        "new_kernels": sorted({*map(_kernel, ct)} - {*map(_kernel, ct_before)} - {""}),
        "drifted": sorted(_drifts(ct_before, ct), key=_distance, reverse=True)[:MOST_DRIFTS],
        "refused": list(_refusals(ct_before, ct)),
    }


def _is_ct(row: Row) -> bool:
    return Status(row["status"]) is not Status.EXCLUDED


def _scanner(row: Row) -> str:
    return " ".join(_words(row.get(keyword)) for keyword in SCANNER).strip()


def _kernel(row: Row) -> str:
    return _words(row.get(KERNEL))


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " / ".join(map(_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _drifts(before: Sequence[Row], now: Sequence[Row]) -> Iterator[Row]:
    """Yield of each element the value whose share of the new series is farthest from what it was, if that is far."""
    if min(len(before), len(now)) < LEAST_SERIES:
        return
    for keyword in CATEGORICAL:
        then, today = (_shares(_words(row.get(keyword)) for row in rows) for rows in (before, now))
        pairs = [
            {"keyword": keyword, "value": value} | _pair(then.get(value), today.get(value))
            for value in sorted(then.keys() | today.keys())
        ]
        farthest = max(pairs, key=lambda pair: (_distance(pair), pair["now"]))
        if _distance(farthest) >= LEAST_DRIFT:
            yield farthest


def _distance(drift: Row) -> float:
    return abs(float(drift["now"]) - float(drift["before"]))


def _refusals(before: Sequence[Row], now: Sequence[Row]) -> Iterator[Row]:
    """Yield each reason that a new series was refused for, and how often it was one before."""
    then, today = (_shares(_refusal(row) for row in rows) for rows in (before, now))
    for reason, share in sorted(today.items()):
        if reason:
            yield {"reason": reason} | _pair(then.get(reason), share)


def _refusal(row: Row) -> str:
    return row["reason"] if row["status"] in REFUSED else ""


def _shares(values: Iterable[str]) -> dict[str, float]:
    counts = Counter(values)
    total = counts.total()
    return {value: n / total for value, n in counts.items()}


def _pair(before: float | None, now: float | None) -> Row:
    return {"before": round(before or 0.0, 4), "now": round(now or 0.0, 4)}


SECONDS = 60
"""What the command may take: it sends a message, and a night must not wait for a mail server."""

STDERR = 2
"""Where what the command prints goes: standard output may be read by a program."""


def split_command(text: str) -> list[str]:
    """Split a command into its words as a shell would; no shell runs it.

    Raises UsageError where a quote is left open, or there is no word.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        msg = f"on_finish: {text!r} cannot be split into words ({error})"
        raise UsageError(msg) from error
    if not words:
        msg = "on_finish: an empty command; null means none"
        raise UsageError(msg)
    return words


@contextmanager
def notify_at_end(text: str | None, says: Callable[[str], None]) -> Iterator[Callable[[Summary], None]]:
    """Yield what takes a run's summary; when the block ends, by an error too, the command gets the last one.

    A run that ended by an error before it had a summary has one of its exit code and the message.  ``says`` takes what
    went wrong with the command itself.  Raises UsageError where the text is no command.
    """
    words = None if text is None else split_command(text)
    summaries: list[Summary] = [{}]
    try:
        yield summaries.append
    except BaseException as error:
        _notify(words, {**summaries[-1], **_describe_error(error)}, says)
        raise
    _notify(words, summaries[-1], says)


def _describe_error(error: BaseException) -> Summary:
    """Return the exit code, and a message without a person's data: of an unforeseen error its kind alone."""
    message = str(error) if isinstance(error, CtprepError) else type(error).__name__
    return {"exit_code": int(exit_code_for(error)), "message": message}


def _notify(words: list[str] | None, summary: Summary, says: Callable[[str], None]) -> None:
    if words is None or not summary:
        return
    content = json.dumps(summary).encode()
    try:
        ended = subprocess.run(words, input=content, stdout=STDERR, timeout=SECONDS, check=False)  # noqa: S603  the configuration's owner asks for it
    except subprocess.TimeoutExpired:
        says(f"on_finish: the command took more than {SECONDS} seconds and was stopped")
    except OSError as error:
        says(f"on_finish: the command cannot be run ({error.strerror})")
    else:
        if ended.returncode:
            says(f"on_finish: the command ended with status {ended.returncode}")
