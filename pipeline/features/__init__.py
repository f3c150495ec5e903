"""What a volume's Hounsfield units say of it before any step: the histogram, and the figures that follow from it."""

from pipeline.features.figures import Features, features_of
from pipeline.features.histogram import BIN_LIMIT_HU, Histogram, air_peak, histogram_of
from pipeline.features.judgement import judged
from pipeline.features.noise import noise

__all__ = ["BIN_LIMIT_HU", "Features", "Histogram", "air_peak", "features_of", "histogram_of", "judged", "noise"]
