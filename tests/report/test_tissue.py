from itertools import pairwise

import numpy as np
import pytest

from pipeline.features.statistics import Histogram
from pipeline.features.tissue import TISSUES
from pipeline.report.windows import shares


def test_tissues_do_not_overlap() -> None:
    assert all(before.high_hu <= after.low_hu for before, after in pairwise(TISSUES))


def test_a_voxel_counts_for_the_tissue_whose_range_holds_it() -> None:
    counts = np.zeros(2001, np.int64)
    counts[[0, 1000, 1040]] = [6, 3, 1]
    told = {tissue.name: (count, share) for tissue, count, share in shares(Histogram(-1000, counts))}
    assert told["air"] == (6, pytest.approx(0.6))
    assert told["water"] == (3, pytest.approx(0.3))
    assert told["soft tissue"] == (1, pytest.approx(0.1))
    assert told["bone"] == (0, 0)


def test_no_voxel_at_all_has_no_tissue() -> None:
    assert {share for *_, share in shares(Histogram.empty())} == {0}
