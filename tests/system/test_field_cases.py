"""Series as archives hold them, beside the project: each ends in one of the ways that its table calls right."""

import fnmatch
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from running import Quiet, ctprep

from pipeline.config import load
from pipeline.output.tables import read_table
from pipeline.run.run import run

SHARED = Path(__file__).resolve().parents[3] / "shared" / "field_cases"
CASES = json.loads((SHARED / "cases.json").read_text())["cases"] if SHARED.exists() else []
PLAIN = [case for case in CASES if "script" not in case]
HOUNSFIELD = "store: {dtype: int16}\n"

pytestmark = [
    pytest.mark.usefixtures("in_this_process"),
    pytest.mark.skipif(not CASES, reason="../shared/field_cases is not beside the project"),
]


@dataclass(frozen=True)
class Ended:
    """What a run of one case left; ``text`` is all that a user may read: the terminal and the tables."""

    exit_code: int
    rows: list[dict[str, Any]]
    output: Path
    text: str

    @property
    def ok(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["status"] == "ok"]

    @property
    def reasons(self) -> set[str]:
        return {row["reason"] for row in self.rows if row["status"] != "ok"}

    @property
    def warnings(self) -> set[str]:
        return {warning for row in self.rows for warning in row["warnings"]}


def copy_case(case: dict[str, Any], tmp_path: Path) -> Path:
    """Copy a case's folder, and do to the copy what a repository cannot hold."""
    source = tmp_path / "input"
    shutil.copytree(SHARED / case["folder"], source)
    for act in case.get("prepare", []):
        if "rename" in act:
            (source / act["rename"]).rename(source / os.fsdecode(bytes.fromhex(act["to_hex"])))
        if "mtime_age_s" in act:
            then = time.time() - act["mtime_age_s"]
            for path in source.rglob("*"):
                os.utime(path, (then, then))
        if "wait_s" in act:
            time.sleep(act["wait_s"])
    return source


def run_case(case: dict[str, Any], source: Path, tmp_path: Path) -> Ended:
    config, output, listener = tmp_path / "case.yaml", tmp_path / "out", Quiet()
    config.write_text(HOUNSFIELD + case.get("config", "") + "\n")
    outcome = run(load(config, inputs=[source], output=output), listener)
    rows = read_table(output / "manifest.parquet") if (output / "manifest.parquet").exists() else []
    words = [*map(str, listener.heard), *(str(row["detail"]) for row in rows)]
    for table in sorted((output / "private").glob("*.parquet")):
        words += [json.dumps(row, default=str) for row in read_table(table)]
    return Ended(outcome.exit_code, rows, output, "\n".join(words))


def volumes_differ(ended: Ended, volumes: list[dict[str, Any]]) -> str:
    """Return how the stores differ from the true volumes, in whatever order; empty where they are equal."""
    stores = [ended.output / row["store"] for row in ended.ok]
    if len(stores) != len(volumes):
        return f"{len(stores)} stores, not {len(volumes)}"
    for volume in volumes:
        differences = {store: volume_differs(store, volume) for store in stores}
        equal = [store for store, difference in differences.items() if not difference]
        if not equal:
            return "; ".join(differences.values())
        stores.remove(equal[0])
    return ""


def volume_differs(store: Path, volume: dict[str, Any]) -> str:
    """Return how a store differs from a true volume and its masks."""
    group = zarr.open_group(store, mode="r")
    truth, found = np.load(SHARED / volume["truth"]), read_array(group, "0")
    if truth.shape != found.shape:
        return f"shape {found.shape}, not {truth.shape}"
    kept = [z for z in range(len(truth)) if z not in volume.get("ignore_planes", [])]
    if not np.array_equal(truth[kept], found[kept]):
        return f"{int((truth[kept] != found[kept]).sum())} voxels differ"
    for name, path in volume.get("masks", {}).items():
        there = f"labels/{name}" in group
        if there != (path is not None):
            return f"a mask {name}" if there else f"no mask {name}"
        if there:
            compare = regions_differ if volume.get("compare") == "each" else marks_differ
            difference = compare(read_array(group, f"labels/{name}"), np.load(SHARED / path))
            if difference:
                return f"mask {name}: {difference}"
    return ""


def read_array(group: zarr.Group, name: str) -> NDArray[Any]:
    array = group[name]
    array = array["0"] if isinstance(array, zarr.Group) else array  # a label image
    assert isinstance(array, zarr.Array)
    return np.asarray(array)


def marks_differ(mask: NDArray[Any], truth: NDArray[Any]) -> str:
    differs = ((mask != 0) != (truth != 0)) & (truth != 255)
    return f"{int(differs.sum())} voxels differ" if differs.any() else ""


def regions_differ(mask: NDArray[Any], truth: NDArray[Any]) -> str:
    """Compare regions one by one: each has a number of its own in the store, whichever it is."""
    for number in np.unique(truth[truth != 255]):
        numbers = np.unique(mask[truth == number]).tolist()
        if len(numbers) != 1 or (numbers[0] == 0) != (number == 0):
            return f"region {number} has the numbers {numbers}"
        if ((mask == numbers[0]) & (truth != 255) & (truth != number)).any():
            return f"region {number} is too large"
    return ""


def numbers_of_regions(ended: Ended, volumes: list[dict[str, Any]]) -> dict[tuple[str, int], set[int]]:
    """Return which numbers each region of the truth has in the stores."""
    numbers: dict[tuple[str, int], set[int]] = {}
    for volume in volumes:
        store = next(s for s in (ended.output / row["store"] for row in ended.ok) if not volume_differs(s, volume))
        for name, path in volume["masks"].items():
            mask, truth = read_array(zarr.open_group(store, mode="r"), f"labels/{name}"), np.load(SHARED / path)
            for number in np.unique(truth[(truth != 0) & (truth != 255)]):
                numbers.setdefault((name, int(number)), set()).update(np.unique(mask[truth == number]).tolist())
    return numbers


def labels_differ(ended: Ended) -> str:
    """Return what the label images lack of OME-NGFF 0.5."""
    group = zarr.open_group(ended.output / ended.ok[0]["store"], mode="r")
    labels = group["labels"]
    assert isinstance(labels, zarr.Group)
    ome = labels.attrs.get("ome", {})
    members = sorted(labels.keys())
    if not isinstance(ome, dict) or sorted(map(str, ome.get("labels", []))) != members:  # type: ignore[arg-type]
        return f"labels lists {ome}"
    for name in members:
        described = labels[name].attrs.get("ome", {})
        if not isinstance(described, dict) or not {"image-label", "multiscales"} <= set(described):
            return f"{name} is described as {described}"
    return ""


def outcome_differs(ended: Ended, right: dict[str, Any]) -> str:
    """Return the first difference from one right outcome; empty where there is none."""
    difference = words_differ(ended, right) or volumes_differ(ended, right["volumes"])
    if not difference and right.get("same_numbers"):
        numbers = numbers_of_regions(ended, right["volumes"])
        difference = "" if all(len(found) == 1 for found in numbers.values()) else f"regions are numbered {numbers}"
    if not difference and right.get("ngff_labels"):
        difference = labels_differ(ended)
    return difference and f"{difference} (reasons {sorted(ended.reasons)}, warnings {sorted(ended.warnings)})"


def words_differ(ended: Ended, right: dict[str, Any]) -> str:
    """Return how reasons, exit code, warnings and messages differ."""
    if right["status"] == "refused" and right.get("reasons") and not ended.reasons & set(right["reasons"]):
        return "another reason"
    if right.get("exit_code", ended.exit_code) != ended.exit_code:
        return f"exit code {ended.exit_code}"
    missing = [pattern for pattern in right.get("warnings", []) if not fnmatch.filter(ended.warnings, pattern)]
    missing += [pattern for pattern in listed(right.get("text")) if not re.search(pattern, ended.text)]
    wrong = [pattern for pattern in right.get("never", []) if fnmatch.filter(ended.warnings, pattern)]
    wrong += [pattern for pattern in listed(right.get("not_text")) if re.search(pattern, ended.text)]
    return "; ".join([f"nothing says {pattern}" for pattern in missing] + [f"{pattern} is said" for pattern in wrong])


def listed(patterns: str | list[str] | None) -> list[str]:
    return [] if patterns is None else [patterns] if isinstance(patterns, str) else patterns


def check_case(case: dict[str, Any], ended: Ended) -> None:
    differences = [outcome_differs(ended, right) for right in case["right"]]
    assert "" in differences, "\n".join([case["wrong"], *differences])


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case["id"])
def test_a_case_ends_in_a_right_way(case: dict[str, Any], tmp_path: Path) -> None:
    source = copy_case(case, tmp_path)
    ended = run_case(case, source, tmp_path)
    check_case(case, ended)
    files = sum(1 for path in source.rglob("*") if path.is_file())
    assert len({row["path"] for row in read_table(ended.output / "private" / "files.parquet")}) == files


@pytest.mark.parametrize("case", [case for case in CASES if case.get("script") == "links-out"], ids=lambda c: c["id"])
def test_links_that_lead_out_are_counted(case: dict[str, Any], tmp_path: Path) -> None:
    elsewhere = copy_case(case, tmp_path / "elsewhere")
    source = tmp_path / "input"
    source.mkdir()
    for path in elsewhere.iterdir():
        (source / path.name).symlink_to(path)
    check_case(case, run_case(case, source, tmp_path))


@pytest.mark.parametrize("case", [case for case in CASES if case.get("script") == "export"], ids=lambda c: c["id"])
def test_an_exported_volume_lies_where_the_store_says(case: dict[str, Any], tmp_path: Path) -> None:
    ended = run_case(case, copy_case(case, tmp_path), tmp_path)
    check_case(case, ended)
    exported = ctprep("export", ended.output, "--nifti", tmp_path / "nifti")
    if exported.returncode != 0:
        return
    (path,) = (tmp_path / "nifti").rglob("*.nii*")
    image = nibabel.nifti1.load(path)
    attributes = dict(zarr.open_group(ended.output / ended.ok[0]["store"], mode="r").attrs)["ctprep"]
    assert isinstance(attributes, dict)
    affine = np.asarray(attributes["affine_ras"])[:, [2, 1, 0, 3]]  # the store counts z, y, x; NIfTI x, y, z
    sform, sform_code = image.header.get_sform(coded=True)
    qform, qform_code = image.header.get_qform(coded=True)
    assert sform_code > 0
    np.testing.assert_allclose(sform, affine, atol=1e-4)
    if qform_code > 0:
        np.testing.assert_allclose(qform, affine, atol=1e-4)
