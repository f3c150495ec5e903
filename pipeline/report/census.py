"""What the cohort's tables tell beside the records: elements by module, quality findings."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import DamageError
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import Row, read_table

NO_MODULE = "Private, and others that the CT Image IOD does not know"


@dataclass(frozen=True)
class Finding:
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


def findings_of(output: OutputFolder) -> list[Finding]:
    """Return the findings that the census left, none where there is no census; raises DamageError where unreadable."""
    path = output.root / "findings.json"
    if not path.exists():
        return []
    try:
        return [_finding(told) for told in json.loads(path.read_bytes())]
    except (KeyError, TypeError, ValueError) as error:
        msg = "findings.json is damaged: it is no list of findings"
        raise DamageError(msg) from error


def _finding(told: dict[str, Any]) -> Finding:
    keys = tuple(str(key) for key in told["series_keys"])
    return Finding(str(told["code"]), str(told["title"]), str(told["detail"]), int(told["n_series"]), keys)
