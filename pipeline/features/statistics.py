"""Statistics of a cohort: figures of the Hounsfield units in the training split, and the voxels counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UsageError

USUAL_PERCENTILES = (0.5, 1.0, 2.0, 5.0, 25.0, 50.0, 75.0, 95.0, 98.0, 99.0, 99.5)
"""Always written, beside the percentiles that steps need."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Statistics of all valid voxels of the training split, in HU of the source, before any step.

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


def format_percent(percent: float) -> str:
    """Return a percent as statistics.json calls it: 0.5, 1, 99.5."""
    return f"{percent:.12g}"
