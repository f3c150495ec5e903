"""What a volume's Hounsfield units say of it before any step: the histogram, and the figures that follow from it."""

from pipeline.features.histogram import BIN_LIMIT_HU, Histogram, air_peak
from pipeline.features.judgement import judged

__all__ = ["BIN_LIMIT_HU", "Histogram", "air_peak", "judged"]
