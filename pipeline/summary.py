"""How a run ended: its exit code, and run.json with the history beside it."""

import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from pipeline import __version__
from pipeline.durable import write_bytes
from pipeline.output import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.vocabulary import ExitCode, Status

LIBRARIES = ("dask", "distributed", "numpy", "pydicom", "scipy", "zarr")
"""Whose versions run.json tells."""


def exit_code_of(records: Iterable[SeriesRecord], *, saw_ct: bool) -> ExitCode:
    """Return the code of a run that came to its end: of several that hold, 4 before 3 before 5 before 0.

    ``records`` are the manifest as it now stands; ``saw_ct`` tells whether this run's input held a CT image series.
    """
    statuses = {record.status for record in records}
    if Status.FAILED in statuses:
        return ExitCode.FAILED
    if Status.REJECTED in statuses:
        return ExitCode.REJECTED
    return ExitCode.OK if saw_ct else ExitCode.NO_INPUT


def summarised(
    records: Sequence[SeriesRecord], exit_code: ExitCode, started: datetime, config_hash: str, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what run.json holds; counts are over the manifest as it now stands."""
    finished = datetime.now(UTC)
    return {
        "exit_code": int(exit_code),
        "counts": {status.value: sum(record.status is status for record in records) for status in Status},
        "reasons": dict(sorted(Counter(record.reason.value for record in records if record.reason).items())),
        "started_at": started.isoformat(timespec="seconds"),
        "finished_at": finished.isoformat(timespec="seconds"),
        "duration_s": round((finished - started).total_seconds(), 3),
        "config_hash": config_hash,
        "versions": {"ctprep": __version__, "python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
        **extra,
    }


def write_summary(output: OutputFolder, summary: Mapping[str, Any]) -> None:
    """Write run.json, and the same into the history under the run's start."""
    content = (json.dumps(summary, indent=2) + "\n").encode()
    name = summary["started_at"].replace(":", "").replace("+0000", "Z")
    write_bytes(output.runs / f"{name}.json", content)
    write_bytes(output.run, content)
