"""A configuration and the cohort's statistics: which figures its steps take, and whether they are the right ones."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pipeline.config.model import Config
from pipeline.errors import UsageError
from pipeline.features.statistics import Statistics, read_statistics
from pipeline.output.layout import OutputFolder
from pipeline.steps.cohort import fill_in_statistics, find_waiting_steps, make_typical_statistics


def fitted(config: Config) -> Config:
    """Return the configuration as it is carried out: steps that wait for the cohort have the figures of its output.

    Raises UsageError where ``ctprep fit`` has not found them, or found them under another split or reading.
    """
    waiting = find_waiting_steps(config.steps)
    if not waiting:
        return config
    statistics = read_statistics(OutputFolder(Path(config.output.folder)).statistics)
    if statistics is None:
        msg = (
            f"steps.{waiting[0]}: statistics: cohort needs the output's statistics.json: run `ctprep fit CONFIG` first"
        )
        raise UsageError(msg)
    if differing := _differing(statistics, config):
        msg = f"statistics.json was fitted with another {' and '.join(differing)}: run `ctprep fit CONFIG` again"
        raise UsageError(msg)
    return replace(config, steps=fill_in_statistics(config.steps, statistics))


def as_if_fitted(config: Config) -> Config:
    """Return the same with figures that any cohort might have, to try what cannot depend on them."""
    return replace(config, steps=fill_in_statistics(config.steps, make_typical_statistics(config.steps)))


def fit_parts(config: Config) -> dict[str, Any]:
    """Return what decides which voxels are counted, and as what: the split, and how pixels are read."""
    split = config.manifest.split
    parts = {
        "manifest.split": split and asdict(split),
        "geometry": asdict(config.geometry),
        "hounsfield": asdict(config.hounsfield),
    }
    plain: dict[str, Any] = json.loads(json.dumps(parts))
    return plain


def _differing(statistics: Statistics, config: Config) -> list[str]:
    asked = fit_parts(config)
    return [name for name in asked if statistics.fitted_on.get(name) != asked[name]]
