"""What changed since the run before: the summaries in ``runs/`` side by side."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import DamageError
from pipeline.output import OutputFolder


@dataclass(frozen=True)
class Changes:
    """When the run before ended, and each count and setting that is another now: name, before, now."""

    since: str
    rows: tuple[tuple[str, str, str], ...]


def changes(output: OutputFolder, summary: Mapping[str, Any]) -> Changes | None:
    """Compare this run's summary with the newest one that began before it; None where there is none."""
    before = _run_before(output, str(summary.get("started_at", "")))
    if before is None:
        return None
    then, now = _figures(before), _figures(summary)
    names = list(dict.fromkeys([*now, *then]))
    rows = [(name, then.get(name, "0"), now.get(name, "0")) for name in names]
    return Changes(str(before.get("finished_at", "")), tuple(row for row in rows if row[1] != row[2]))


def _run_before(output: OutputFolder, started_at: str) -> dict[str, Any] | None:
    for path in sorted(output.runs.glob("*.json"), reverse=True):
        try:
            told: dict[str, Any] = json.loads(path.read_bytes())
        except ValueError as error:
            msg = f"runs/{path.name} is damaged: it is no JSON"
            raise DamageError(msg) from error
        if str(told.get("started_at", "")) < started_at:
            return told
    return None


def _figures(summary: Mapping[str, Any]) -> dict[str, str]:
    counts = {name: str(n) for name, n in summary.get("counts", {}).items()}
    reasons = {name: str(n) for name, n in summary.get("reasons", {}).items()}
    settings = {
        "configuration": str(summary.get("config_hash", "")),
        "ctprep": str(summary.get("versions", {}).get("ctprep", "")),
    }
    return counts | reasons | settings
