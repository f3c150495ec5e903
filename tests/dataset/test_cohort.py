import pickle
from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset import Cohort, open_cohort
from pipeline.errors import UsageError


def test_a_cohort_is_the_manifest(packed: Cohort) -> None:
    assert len(packed) == len(list(packed)) == 4
    assert {row["status"] for row in packed} == {"ok", "rejected"}
    assert len(packed.keys) == 3
    assert {"series_key", "kernel_class", "KVP"} <= set(packed.columns)
    assert sorted(packed.column("status")) == ["ok", "ok", "ok", "rejected"]


@pytest.mark.parametrize(
    ("wanted", "n"),
    [
        ({"status": "ok"}, 3),
        ({"status": "ok", "kernel_class": "sharp"}, 2),
        ({"status": ["ok", "rejected"]}, 4),
        ({"KVP": lambda kvp: kvp is not None and kvp > 110}, 4),
        ({"reason": None}, 3),
        ({"ConvolutionKernel": "B70f"}, 2),
        ({"ConvolutionKernel": {"B30f", "none"}}, 1),
        ({}, 4),
    ],
)
def test_where_keeps_what_is_wanted_in_every_column(packed: Cohort, wanted: dict, n: int) -> None:
    assert len(packed.where(**wanted)) == n


def test_where_on_where_narrows(packed: Cohort) -> None:
    assert len(packed.where(status="ok").where(kernel_class="smooth")) == 1


def test_a_column_that_is_not_there_is_refused_with_the_nearest(packed: Cohort) -> None:
    with pytest.raises(UsageError, match="no column kernel_clas; did you mean kernel_class"):
        packed.where(kernel_clas="sharp")
    with pytest.raises(UsageError, match=r"no column qqq$"):
        packed.column("qqq")


def test_a_series_without_a_volume_says_why(packed: Cohort) -> None:
    (refused,) = packed.where(status="rejected").column("series_key")
    with pytest.raises(UsageError, match=f"{refused} has no volume: it is rejected, TOO_FEW_SLICES"):
        packed.volume(refused)
    assert packed.row(refused)["reason"] == "TOO_FEW_SLICES"


def test_a_key_of_another_cohort_is_refused(packed: Cohort) -> None:
    with pytest.raises(UsageError, match="no series 00 among these 4"):
        packed.volume("00")


def test_a_folder_that_is_no_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no manifest"):
        open_cohort(tmp_path)


def test_a_cohort_can_be_pickled_after_it_has_read(packed: Cohort) -> None:
    key = packed.keys[0]
    read = packed.volume(key).values()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(packed)).volume(key).values(), read)  # noqa: S301  its own


def test_a_relative_folder_stays_where_it_was(packed: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(packed.output.root.parent)
    cohort = open_cohort(packed.output.root.name)
    monkeypatch.chdir(tmp_path)
    assert cohort.volume(cohort.keys[0]).values().shape == (12, 32, 32)


def test_a_table_goes_to_pandas(packed: Cohort) -> None:
    pytest.importorskip("pandas")
    table = packed.to_pandas()
    assert list(table.index) == packed.column("series_key")
    assert table["status"].value_counts().to_dict() == {"ok": 3, "rejected": 1}
