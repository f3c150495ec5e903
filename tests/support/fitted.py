"""What `ctprep fit` may have found."""

from pipeline.features.statistics import Statistics

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
