"""statistics.json: what ``ctprep fit`` found of a cohort, and the steps that take their figures from it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from pipeline.config import Config
from pipeline.errors import UsageError
from pipeline.features.statistics import Statistics
from pipeline.output.durable import write_bytes
from pipeline.steps.cohort import fill_in_statistics, find_waiting_steps


def resolve_statistics(config: Config, path: Path) -> Config:
    """Return the configuration as it is carried out: steps with ``statistics: cohort`` have the figures at ``path``.

    Raises UsageError where ``ctprep fit`` has not found them, or found them under another split or reading.
    """
    waiting = find_waiting_steps(config.steps)
    if not waiting:
        return config
    statistics = read_statistics(path)
    if statistics is None:
        msg = (
            f"steps.{waiting[0]}: statistics: cohort needs the output's statistics.json: run `ctprep fit CONFIG` first"
        )
        raise UsageError(msg)
    if differing := _differing(statistics.fitted_on, fit_terms(config)):
        msg = f"statistics.json was fitted with another {' and '.join(differing)}: run `ctprep fit CONFIG` again"
        raise UsageError(msg)
    return replace(config, steps=fill_in_statistics(config.steps, statistics))


def fit_terms(config: Config) -> dict[str, Any]:
    """Return what decides which voxels are counted, and as what: the split, and how pixels are read."""
    split = config.manifest.split
    parts = {
        "manifest.split": split and asdict(split),
        "geometry": asdict(config.geometry),
        "hounsfield": asdict(config.hounsfield),
    }
    plain: dict[str, Any] = json.loads(json.dumps(parts))
    return plain


def write_statistics(path: Path, statistics: Statistics) -> None:
    """Write the figures; law: ``read_statistics`` gives them back."""
    write_bytes(path, (json.dumps(asdict(statistics), indent=2) + "\n").encode())


def read_statistics(path: Path) -> Statistics | None:
    """Return what was written, None where nothing was; raises UsageError for a file that is damaged."""
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_bytes())
        found["series_keys"] = tuple(found["series_keys"])
        found["foreground_hu"] = found["foreground_hu"] and tuple(found["foreground_hu"])
        return Statistics(**{field.name: found[field.name] for field in fields(Statistics)})
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{path.name} is damaged: run `ctprep fit CONFIG`"
        raise UsageError(msg) from error


def _differing(before: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    return [name for name in asked if before.get(name) != asked[name]]
