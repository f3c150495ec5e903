"""A finding: a code, a sentence, and the series that it is about."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.output.durable import write_bytes


@dataclass(frozen=True)
class Finding:
    """What was found; ``detail`` holds counts, keywords and allowed values, never an identifier."""

    code: str
    title: str
    detail: str
    series_keys: tuple[str, ...] = ()

    @property
    def n_series(self) -> int:
        """How many series it is about; 0 for what is about the cohort as a whole."""
        return len(self.series_keys)


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings as a JSON list, the most important first."""
    rows = [asdict(finding) | {"n_series": finding.n_series} for finding in findings]
    write_bytes(path, json.dumps(rows, indent=1).encode("ascii"))


def format_count(n: int, noun: str) -> str:
    """Return a number with its noun, which is series or takes an s."""
    return f"{n} {noun}" if n == 1 or noun.endswith("s") else f"{n} {noun}s"


def join_words(words: Sequence[str], most: int = 12) -> str:
    """Return words as a list that does not grow too long."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"
