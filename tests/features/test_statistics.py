import pytest
from fitted import FOUND

from pipeline.errors import UsageError
from pipeline.features.statistics import format_percent


def test_a_percentile_is_found_by_its_number() -> None:
    assert FOUND.percentile(0.5) == -1000
    assert FOUND.percentile(99.5) == 400.25


def test_a_percentile_that_was_not_fitted_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"no percentile 2 \(only 0\.5, 99\.5\)"):
        FOUND.percentile(2)


def test_a_whole_percent_is_written_without_a_point() -> None:
    assert [format_percent(percent) for percent in (1.0, 99, 99.9, 0.1 + 0.2)] == ["1", "99", "99.9", "0.3"]
