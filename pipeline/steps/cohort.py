"""Steps that need statistics of the cohort, with those filled in; the trail keeps the request beside the values.

The figures describe the source, before any step, as in nnU-Net's fingerprint (Isensee et al. 2021, supplement).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.features.statistics import Statistics, format_percent
from pipeline.program.changes import LineChange
from pipeline.program.step import Step, require_hu
from pipeline.steps.clip import Clip
from pipeline.steps.normalise import TARGETS, Normalise
from pipeline.volume import ClampedLine, Scale, VolumeSpec


@dataclass(frozen=True)
class FittedClip(Clip):
    """A clip to percentiles whose values are known: ``low_hu`` and ``high_hu``."""

    def __post_init__(self) -> None:
        if self.low_hu is None or self.high_hu is None or not self.low_hu < self.high_hu:
            msg = f"nothing lies between the percentiles of statistics.json: {self.low_hu} and {self.high_hu} HU"
            raise UsageError(msg)


@dataclass(frozen=True)
class FittedNormalise(Normalise):
    """A normalisation whose statistics are known: mean and standard deviation for z_score, else a range."""

    mean_hu: float | None = None
    std_hu: float | None = None
    low_hu: float | None = None
    high_hu: float | None = None

    def change(self, spec: VolumeSpec) -> LineChange:
        """Return one line for every channel."""
        require_hu(spec, self.name)
        return LineChange((self._line,) * len(spec.lines), Scale.NORMALISED)

    @property
    def _line(self) -> ClampedLine:
        if self.mean_hu is not None and self.std_hu is not None:
            return ClampedLine(a=1 / self.std_hu, b=-self.mean_hu / self.std_hu)
        if self.low_hu is not None and self.high_hu is not None:
            return ClampedLine.between((self.low_hu, self.high_hu), TARGETS[self.to])
        msg = "a normalisation is fitted with mean and standard deviation, or with a range"
        raise ValueError(msg)


def find_waiting_steps(steps: Iterable[Step]) -> list[int]:
    """Return the indices of the steps that need statistics of the cohort."""
    return [index for index, step in enumerate(steps) if _waits(step)]


def list_percentiles(steps: Iterable[Step]) -> set[float]:
    """Return the percentiles of the cohort that steps need."""
    return {percent for step in steps if isinstance(step, Clip) and _waits(step) for percent in step.percentiles or ()}


def fill_in_statistics(steps: Sequence[Step], statistics: Statistics) -> tuple[Step, ...]:
    """Return the steps with statistics of the cohort filled in; raises UsageError for a percentile not fitted."""
    return tuple(_fit(step, statistics) if _waits(step) else step for step in steps)


def make_typical_statistics(steps: Iterable[Step]) -> Statistics:
    """Return typical statistics of CT, with which a program can be compiled before the cohort's are known."""
    percentiles = {format_percent(percent): 40 * percent - 1000 for percent in list_percentiles(steps)}
    return Statistics(
        n_voxels=1,
        mean_hu=-500,
        std_hu=500,
        min_hu=-1024,
        max_hu=3071,
        percentiles_hu=percentiles,
        n_series=1,
        n_patients=1,
        series_keys=(),
        fitted_on={},
        fitted_at="",
        code_version="",
    )


def _waits(step: Step) -> bool:
    is_fitted = isinstance(step, FittedClip | FittedNormalise)
    return isinstance(step, Clip | Normalise) and step.statistics == "cohort" and not is_fitted


def _fit(step: Step, statistics: Statistics) -> Step:
    if isinstance(step, Clip) and step.percentiles:
        low_hu, high_hu = map(statistics.percentile, step.percentiles)
        return FittedClip(low_hu=low_hu, high_hu=high_hu, percentiles=step.percentiles, statistics="cohort")
    if isinstance(step, Normalise) and step.to == "z_score":
        return FittedNormalise(step.to, "cohort", mean_hu=statistics.mean_hu, std_hu=statistics.std_hu)
    if isinstance(step, Normalise):
        return FittedNormalise(step.to, "cohort", low_hu=statistics.min_hu, high_hu=statistics.max_hu)
    return step
