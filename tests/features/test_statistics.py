import pytest

from pipeline.errors import UsageError
from pipeline.features.statistics import Statistics, format_percent

FOUND = Statistics(
    n_voxels=12,
    mean_hu=-512.25,
    std_hu=300.5,
    min_hu=-1024,
    max_hu=1500,
    percentiles_hu={"0.5": -1000, "99.5": 400.25},
    foreground_hu=(-900, 300),
    n_series=2,
    n_patients=1,
    series_keys=("a", "b"),
    fitted_on={"manifest.split": {"train": 0.8}, "geometry": {"gap": "reject"}},
    fitted_at="2026-05-04T02:00:00+00:00",
    code_version="1.2.3",
)


def test_a_percentile_is_found_by_its_number() -> None:
    assert FOUND.percentile(0.5) == -1000
    assert FOUND.percentile(99.5) == 400.25


def test_a_percentile_that_was_not_fitted_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"no percentile 2 \(only 0\.5, 99\.5\)"):
        FOUND.percentile(2)


def test_a_whole_percent_is_written_without_a_point() -> None:
    assert [format_percent(percent) for percent in (1.0, 99, 99.9, 0.1 + 0.2)] == ["1", "99", "99.9", "0.3"]
