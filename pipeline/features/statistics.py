"""statistics.json: what Hounsfield units the training split holds, and what they were counted over."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.output.durable import write_bytes

USUAL_PERCENTILES = (0.5, 1.0, 2.0, 5.0, 25.0, 50.0, 75.0, 95.0, 98.0, 99.0, 99.5)
"""Told whatever is asked for."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Figures over all measured voxels of the training split, in HU of the source, before any step.

    ``percentiles_hu`` maps a percent, as `format_percent` writes it, to HU.  ``foreground_hu`` are the limits within
    which voxels were counted, both included; None where all were.  ``fitted_on`` are the parts of the configuration
    that decide which voxels are counted, and as what.
    """

    n_voxels: int
    mean_hu: float
    std_hu: float
    min_hu: float
    max_hu: float
    percentiles_hu: Mapping[str, float]
    foreground_hu: tuple[int, int] | None = None
    n_series: int
    n_patients: int
    series_keys: tuple[str, ...]
    fitted_on: Mapping[str, Any]
    fitted_at: str
    code_version: str

    def percentile(self, percent: float) -> float:
        """Return a percentile in HU; raises UsageError for one that was not fitted."""
        found = self.percentiles_hu.get(format_percent(percent))
        if found is None:
            known = ", ".join(self.percentiles_hu)
            msg = (
                f"statistics.json holds no percentile {format_percent(percent)} (only {known}): run `ctprep fit CONFIG`"
            )
            raise UsageError(msg)
        return found

    def write(self, path: Path) -> None:
        """Write the figures; law: ``read_statistics`` gives them back."""
        write_bytes(path, (json.dumps(asdict(self), indent=2) + "\n").encode())


def read_statistics(path: Path) -> Statistics | None:
    """Return what was written, None where nothing was; raises UsageError for a file that is damaged."""
    if not path.exists():
        return None
    try:
        told = json.loads(path.read_bytes())
        told["series_keys"] = tuple(told["series_keys"])
        told["foreground_hu"] = told["foreground_hu"] and tuple(told["foreground_hu"])
        return Statistics(**{field.name: told[field.name] for field in fields(Statistics)})
    except (ValueError, TypeError, KeyError) as error:
        msg = f"{path.name} is damaged: run `ctprep fit CONFIG`"
        raise UsageError(msg) from error


def format_percent(percent: float) -> str:
    """Return a percent as statistics.json calls it: 0.5, 1, 99.5."""
    return f"{percent:.12g}"
