"""The phantom cohort, door to door: the truth comes out, the same bytes however it is run, and nothing twice."""

import json
import shutil
from pathlib import Path
from typing import Any

import make_phantom_cohort
import numpy as np
import pytest
from running import ORIENTED, by_uid, bytes_of_stores, carry_out, store_of

from pipeline.run.run import Outcome
from pipeline.store.read import open_store

KEPT = ORIENTED + "manifest: {identifiers: keep}\n"
"""Without a secret, two outputs can be compared."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "phantom"
    make_phantom_cohort.make(folder, make_phantom_cohort.Cohort(pixels=64))
    return folder


@pytest.fixture(scope="module")
def truth(cohort: Path) -> dict[str, Any]:
    return json.loads((cohort / "truth/truth.json").read_text())


@pytest.fixture(scope="module")
def serial(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return carry_out(tmp_path_factory.mktemp("serial"), cohort / "dicom", KEPT, cluster="serial")


def test_every_series_ends_as_the_truth_says(serial: Outcome, truth: dict[str, Any]) -> None:
    records = by_uid(serial)
    told = {series["series_uid"]: (series["status"], series["reason"]) for series in truth["series"]}
    assert {uid: (record.status, record.reason) for uid, record in records.items()} == told
    assert serial.exit_code == truth["exit_code"]
    for series in truth["series"]:
        assert set(series["warnings"]) <= set(records[series["series_uid"]].warnings)


def test_every_exact_volume_is_the_truth(serial: Outcome, truth: dict[str, Any], cohort: Path) -> None:
    records = by_uid(serial)
    exact = [series for series in truth["series"] if series["exact"] and series["status"] == "ok"]
    assert len(exact) >= 7
    for series in exact:
        store = open_store(store_of(serial.output, records[series["series_uid"]]))
        expected = np.load(cohort / "truth" / series["volume"])
        measured = np.load(cohort / "truth" / series["measured"])
        np.testing.assert_array_equal(store.array[:], np.rint(expected).astype(np.int16))
        mask = np.ones(measured.shape) if store.mask is None else store.mask[:]
        np.testing.assert_array_equal(mask, measured)
        np.testing.assert_allclose(store.geometry.affine_lps, np.array(series["affine_lps"]), atol=1e-6)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_local_cluster_gives_the_same_bytes(serial: Outcome, cohort: Path, tmp_path: Path, workers: int) -> None:
    cluster = f"cluster: {{kind: local, workers: {workers}}}\n"
    assert bytes_of_stores(carry_out(tmp_path, cohort / "dicom", KEPT + cluster)) == bytes_of_stores(serial)


@pytest.mark.usefixtures("in_this_process")
def test_shuffled_file_names_give_the_same_bytes(serial: Outcome, cohort: Path, tmp_path: Path) -> None:
    shuffled = tmp_path / "shuffled"
    files = sorted(path for path in (cohort / "dicom").rglob("*") if path.is_file())
    for number, index in enumerate(np.random.default_rng(3).permutation(len(files))):
        target = shuffled / files[index].parent.relative_to(cohort / "dicom") / f"{number:05d}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files[index], target)
    assert bytes_of_stores(carry_out(tmp_path, shuffled, KEPT)) == bytes_of_stores(serial)


@pytest.mark.usefixtures("in_this_process")
def test_a_second_run_writes_no_store_and_a_changed_file_only_its_own(cohort: Path, tmp_path: Path) -> None:
    source = shutil.copytree(cohort / "dicom", tmp_path / "dicom")
    first = carry_out(tmp_path, source, KEPT)
    times = {path: path.stat().st_mtime_ns for path in first.output.volumes.rglob("*")}
    second = carry_out(tmp_path, source, KEPT)
    assert {path: path.stat().st_mtime_ns for path in second.output.volumes.rglob("*")} == times
    assert [record.own_columns() for record in second.records] == [record.own_columns() for record in first.records]
    assert second.exit_code == first.exit_code
    next(path for path in sorted(source.rglob("*.dcm")) if path.is_file()).touch()
    third = carry_out(tmp_path, source, KEPT)
    touched = {path.parts[len(third.output.volumes.parts)] for path in times if path.stat().st_mtime_ns != times[path]}
    assert len(touched - {"."}) <= 1
    assert bytes_of_stores(third) == bytes_of_stores(first)


@pytest.mark.usefixtures("in_this_process")
def test_nothing_is_left_unfinished(serial: Outcome) -> None:
    assert not [path for path in serial.output.root.rglob("*") if path.name.endswith(".unfinished")]
