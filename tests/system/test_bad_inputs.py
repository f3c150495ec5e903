"""The defective and odd inputs beside the project: each has the outcome that its table says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import carry_out, ctprep, store_of

from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord
from pipeline.run.run import Outcome
from pipeline.store.read import open_store

SHARED = Path(__file__).resolve().parents[3] / "shared" / "bad_inputs"
CASES = json.loads((SHARED / "cases.json").read_text())["cases"] if SHARED.exists() else []
DICOM_CASES = [case for case in CASES if case["kind"] == "dicom"]
CONFIG_CASES = [case for case in CASES if case["kind"] == "config"]
POLICY_CASES = [(case, policy) for case in DICOM_CASES for policy in case.get("also", [])]


def is_resampled(case: dict[str, Any]) -> bool:
    return case["id"].startswith("bomb-")


def has_truth(case: dict[str, Any]) -> bool:
    return (SHARED / f"truth/{case['id']}.npy").exists()


STEPS = "steps: [{orient: {to: LPS}}, {clip: {low_hu: -1000, high_hu: 1000}}%s]\n"
RESAMPLED = ", {resample: {spacing_mm: [1, 1, 1]}}"

RESAMPLED_CASES = {case["id"] for case in DICOM_CASES if is_resampled(case) and has_truth(case)}

pytestmark = [
    pytest.mark.usefixtures("in_this_process"),
    pytest.mark.skipif(not CASES, reason="../shared/bad_inputs is not beside the project"),
]


def run_case(case: dict[str, Any], tmp_path: Path, policy: str = "") -> Outcome:
    folder = SHARED / case["folder"]
    if not folder.exists():  # git keeps no empty folder
        folder = tmp_path / "empty"
        folder.mkdir()
    resampled = RESAMPLED if is_resampled(case) else ""
    return carry_out(tmp_path, folder, STEPS % resampled + policy)


def accepted_outcomes(expected: dict[str, Any], alternatives: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(one["outcome"].split("-")[0], one["reason"]) for one in [expected, *alternatives]]


def content_twice(records: list[SeriesRecord]) -> set[str]:
    """Return a warning that the table is silent on: patients made of one phantom have one content."""
    return {"W_DUPLICATE_CONTENT"} if len({record.content_hash for record in records}) < len(records) else set()


def check_voxels(outcome: Outcome, truth: Path) -> None:
    """Compare every store with the truth; a case that may be refused instead has none."""
    for record in outcome.records:
        if record.status == "ok":
            np.testing.assert_array_equal(open_store(store_of(outcome.output, record)).array[:], np.load(truth))


def check(outcome: Outcome, expected: dict[str, Any], alternatives: list[dict[str, Any]]) -> None:
    ok = [record for record in outcome.records if record.status == "ok"]
    seen = {("ok" if record.status == "ok" else "rejected", record.reason) for record in outcome.records}
    assert seen <= set(accepted_outcomes(expected, alternatives))
    if expected["outcome"] != "rejected" and ok:
        raised = {warning for record in ok for warning in record.warnings}
        assert raised == set(expected["warnings"]) | content_twice(ok)
        assert len(ok) == expected["stores"]
        assert all(record.n_slices == expected["slices"] for record in ok) or expected["slices"] is None
    if expected["outcome"] == "rejected" or ok:
        assert outcome.exit_code == expected["exit_code"]
    assert len(list(outcome.output.volumes.iterdir())) == len(ok)


@pytest.mark.parametrize("case", DICOM_CASES, ids=lambda case: case["id"])
def test_a_case_ends_as_its_table_says(case: dict[str, Any], tmp_path: Path) -> None:
    outcome = run_case(case, tmp_path)
    if case["id"] == "fs-empty-folder":
        assert (outcome.exit_code, outcome.records) == (5, ())
        return
    check(outcome, case["expected"], case.get("alternatives", []))
    truth = SHARED / f"truth/{case['id']}.npy"
    if truth.exists() and case["id"] not in RESAMPLED_CASES:
        check_voxels(outcome, truth)
    reasons = {row["reason"] for row in read_table(outcome.output.files)}
    assert set(case["expected"].get("file_reasons", [])) <= reasons


@pytest.mark.parametrize(
    ("case", "policy"), POLICY_CASES, ids=[f"{case['id']}-{policy['config']}" for case, policy in POLICY_CASES]
)
def test_another_policy_ends_as_the_table_says(case: dict[str, Any], policy: dict[str, Any], tmp_path: Path) -> None:
    outcome = run_case(case, tmp_path, policy["config"] + "\n")
    warnings = set(policy["expected"]["warnings"])
    if "gantry_tilt: keep" in policy["config"]:
        warnings |= {"W_NGFF_APPROXIMATE"}  # a sheared grid is none that scale and translation can say
    check(outcome, policy["expected"] | {"warnings": sorted(warnings)}, [])


@pytest.mark.parametrize("case", [case for case in DICOM_CASES if case["id"] in RESAMPLED_CASES], ids=lambda c: c["id"])
def test_a_case_that_is_resampled_holds_the_truth_without(case: dict[str, Any], tmp_path: Path) -> None:
    check_voxels(carry_out(tmp_path, SHARED / case["folder"], STEPS % ""), SHARED / f"truth/{case['id']}.npy")


@pytest.mark.parametrize("case", CONFIG_CASES, ids=lambda case: case["id"])
def test_a_wrong_configuration_stops_before_anything_is_read(case: dict[str, Any], tmp_path: Path) -> None:
    config = SHARED / case["folder"]
    ended = ctprep("run", config, cwd=tmp_path)
    assert ended.returncode == 2
    assert re.search(rf"{re.escape(config.name)}:\d+:\d+: ", ended.stderr)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "case", [case for case in DICOM_CASES if "memory_mb" in case["expected"]], ids=lambda case: case["id"]
)
def test_a_bomb_stays_under_its_memory_bound(case: dict[str, Any], tmp_path: Path) -> None:
    control, bomb = (peak_mb(SHARED / folder, tmp_path / folder) for folder in ("ok-baseline", case["folder"]))
    assert bomb - control <= case["expected"]["memory_mb"]


def peak_mb(source: Path, output: Path) -> float:
    """Return the most memory that a whole run and its child held."""
    program = (
        "import resource, sys; from pipeline.cli import main; main(sys.argv[1:]); "
        "print(max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))"
    )
    config = output.with_suffix(".yaml")
    config.write_text(STEPS % RESAMPLED)
    words = [sys.executable, "-c", program, "run", config, "--input", source, "--output", output, "--cluster", "serial"]
    ended = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True, timeout=300)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(ended.stdout.split()[-1]) / unit
