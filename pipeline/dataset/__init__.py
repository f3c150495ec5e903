"""What a training script imports: an output opened as a table of series, and each series' volume read as needed."""

from pipeline.dataset.cohort import Cohort, open_cohort
from pipeline.dataset.volume import CohortVolume

__all__ = ["Cohort", "CohortVolume", "open_cohort"]
