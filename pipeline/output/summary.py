"""Summary of a run: its exit code, ``run.json`` and the history in ``runs/``."""

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pipeline import __version__
from pipeline.output.durable import write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.vocabulary import ExitCode, Reason, Status

LIBRARIES = ("dask", "distributed", "numpy", "pydicom", "scipy", "zarr")
"""Whose versions run.json tells."""

Summary = dict[str, Any]
"""What run.json holds."""


def find_common_failure(records: Iterable[SeriesRecord]) -> str | None:
    """Return the internal error by which every series failed whose pixels were to be read; None where one did not.

    Such an error is the program's, not the data's: a second try ends in the same way.
    """
    details: set[str | None] = set()
    for record in records:
        if record.status in {Status.OK, Status.FAILED}:
            details.add((record.detail or "").split(";")[0] if record.reason is Reason.INTERNAL else None)
    return details.pop() if len(details) == 1 else None


def exit_code_of(records: Iterable[SeriesRecord], *, saw_ct: bool) -> ExitCode:
    """Return the code of a run that came to its end: the first that holds of 1, 7, 4, 3, 5 and 0.

    ``records`` are the manifest as it now stands; ``saw_ct`` tells whether this run's input held a CT image series.
    """
    records = list(records)
    statuses = {record.status for record in records}
    if find_common_failure(records):
        return ExitCode.INTERNAL
    if any(record.reason is Reason.OUTPUT_IO for record in records):
        return ExitCode.OUTPUT
    if Status.FAILED in statuses:
        return ExitCode.FAILED
    if Status.REJECTED in statuses:
        return ExitCode.REJECTED
    return ExitCode.OK if saw_ct else ExitCode.NO_INPUT


def summarise_run(
    records: Sequence[SeriesRecord], exit_code: ExitCode, config_hash: str, extra: Mapping[str, Any]
) -> Summary:
    """Return what run.json holds beside its times; counts are over the manifest as it now stands."""
    return {
        "exit_code": int(exit_code),
        "counts": {status.value: sum(record.status is status for record in records) for status in Status},
        "reasons": dict(sorted(Counter(record.reason.value for record in records if record.reason).items())),
        "config_hash": config_hash,
        "versions": {"ctprep": __version__, "python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
        **{name: value for name, value in extra.items() if value},
    }


def add_times(summary: Mapping[str, Any], started: datetime) -> Summary:
    """Return a summary with when the run began, that it ends now, and how long it took."""
    finished = datetime.now(UTC)
    times = {
        "started_at": started.isoformat(timespec="seconds"),
        "finished_at": finished.isoformat(timespec="seconds"),
        "duration_s": round((finished - started).total_seconds(), 3),
    }
    return dict(summary) | times


def last_summary(output: OutputFolder) -> Summary:
    """Return what run.json holds, nothing where there is none, or one that is damaged."""
    try:
        summary = json.loads(output.run.read_bytes())
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


def write_summary(output: OutputFolder, summary: Mapping[str, Any]) -> None:
    """Write run.json, and the same into the history under the run's start; of one second, under a number too."""
    content = (json.dumps(summary, indent=2) + "\n").encode()
    name = summary["started_at"].replace(":", "").replace("+0000", "Z")
    n_before = len(list(output.runs.glob(f"{name}*.json")))
    write_bytes(output.runs / (f"{name}-{n_before + 1}.json" if n_before else f"{name}.json"), content)
    write_bytes(output.run, content)
