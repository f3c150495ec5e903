from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config, check_ready, load
from pipeline.errors import UsageError

NNUNET = Path(__file__).parents[2] / "configs" / "nnunet.yaml"


def config(tmp_path: Path, *overrides: str, path: Path | None = None, **options: Any) -> Config:
    (tmp_path / "in").mkdir()
    if path is None:
        path = tmp_path / "config.yaml"
        path.write_text("steps: [{orient: {to: LPS}}]\n")
    return load(path, overrides=overrides, inputs=[tmp_path / "in"], output=tmp_path / "out", **options)


def test_what_can_be_done_passes(tmp_path: Path) -> None:
    check_ready(config(tmp_path))


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("manifest.split={train: 0.8, test: 0.2}", "manifest.split"),
        ("manifest.labels={csv: labels.csv, on: PatientID}", "manifest.labels"),
        ("manifest.patient_map=map.csv", "manifest.patient_map"),
        ("on_finish=mail me", "on_finish"),
        ("cluster.kind=slurm", "cluster.kind: slurm"),
    ],
)
def test_what_would_be_left_undone_is_refused_by_name(tmp_path: Path, override: str, key: str) -> None:
    with pytest.raises(UsageError, match=f"^{key}: not available yet"):
        check_ready(config(tmp_path, override))


def test_an_address_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cluster\.kind: address"):
        check_ready(config(tmp_path, cluster="tcp://127.0.0.1:8786"))


def test_statistics_of_the_cohort_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^steps\.\d: .*ctprep fit"):
        check_ready(config(tmp_path, path=NNUNET))


def test_a_missing_root_is_still_told(tmp_path: Path) -> None:
    one = config(tmp_path)
    (tmp_path / "in").rmdir()
    with pytest.raises(UsageError, match="not a folder"):
        check_ready(one)
