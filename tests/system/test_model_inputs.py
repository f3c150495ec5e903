"""Every configuration of configs/models beside what the models' authors' own functions gave, index by index."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs import RECIPE, stack_of
from numpy.typing import NDArray

from pipeline.config import Config, load
from pipeline.dicom.pixels.hounsfield import SliceSource
from pipeline.dicom.stack.stack import Stack
from pipeline.geometry import Geometry, Zyx
from pipeline.plan.recipe import build_recipe
from pipeline.prepare.repairs import compile_program
from pipeline.prepare.source import stream_slices
from pipeline.program.execute import execute_on_volume
from pipeline.volume import Volume, gather_volume

SHARED = Path(__file__).resolve().parents[3] / "shared"
PRESETS = Path(__file__).parents[2] / "configs" / "models"

INPUTS = {
    "phantom": "model_inputs/phantom_ffs",
    "chest": "data/lung_pet_ct_dx/Lung_Dx-A0002",
    "thigh": "data/sts_ibsi/dicom/STS_008/CT/image",
}

FITTED = (
    "steps.clip={low_hu: -268, high_hu: 721}",
    "steps.normalise={to: z_score, mean: 26.951528549194336, std: 127.59942626953125}",
)
"""The figures of the references' plans, instead of those of a cohort."""

VARIANTS: dict[tuple[str, str | None], tuple[str, tuple[str, ...]]] = {
    ("ct_fm", "feature_extractor"): ("ct_fm", ()),
    ("ct_fm", "card"): ("ct_fm_card", ()),
    ("nnunet_v2", "separate_z"): ("nnunet", FITTED),
    ("nnunet_v2", "cubic_3d"): ("nnunet", (*FITTED, "steps.resample.separate_z=never")),
    ("totalsegmentator", "1p5mm_order1"): ("totalsegmentator", ()),
    ("totalsegmentator", "1p5mm_order3"): ("totalsegmentator", ("steps.resample.method=bspline",)),
    ("totalsegmentator", "3mm_order1"): ("totalsegmentator", ("steps.resample.spacing_mm=3",)),
    ("vista3d", "repository_monai_1_6_1"): ("vista3d", ()),
    ("vista3d", "repository_monai_1_3_0"): ("vista3d", ()),
    ("vista3d", "bundle"): ("vista3d_bundle", ()),
    ("pillar0", "windows"): ("pillar0", ()),
    ("rsna2023_1st", "window"): ("rsna2023", ()),
}
"""The configuration and the options of a reference; else it bears the model's name."""


@dataclass(frozen=True)
class Found:
    """How an array lies beside its reference: in voxels, and in shares of the reference's range."""

    same_shape: bool
    shift: float
    median: float
    largest: float


@cache
def source_of(folder: Path) -> tuple[Volume, Stack]:
    """Return a series as it is before its steps, read once for all models."""
    stack = stack_of(folder)
    spec = compile_program(stack, RECIPE).source
    return gather_volume(stream_slices(SliceSource(stack, RECIPE.policy)), spec), stack


def prepare(folder: Path, name: str, overrides: tuple[str, ...]) -> tuple[NDArray[Any], Geometry]:
    """Return the array and the grid that a configuration by name makes of a series."""
    config: Config = load(Path(f"models/{name}"), overrides=overrides, inputs=["in"], output="out")
    volume, stack = source_of(folder)
    prepared = execute_on_volume(compile_program(stack, build_recipe(config, RECIPE.key)), volume)
    return prepared.array, prepared.spec.geometry


def turn(array: NDArray[Any], geometry: Geometry, sides: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return an array whose axes grow to given sides, and its affine."""
    opposite = dict(zip("LRPASI", "RLAPIS", strict=True))
    order = [next(i for i, own in enumerate(geometry.sides) if own in {side, opposite[side]}) for side in sides]
    turned = geometry.permute(Zyx(*order))
    flips = [own != side for own, side in zip(turned.sides, sides, strict=True)]
    step = Zyx(*(-1.0 if flip else 1.0 for flip in flips))
    start = Zyx(*(n - 1.0 if flip else 0.0 for flip, n in zip(flips, turned.shape, strict=True)))
    turned = turned.regrid(start, step, turned.shape)
    array = array.transpose(*range(array.ndim - 3), *(array.ndim - 3 + i for i in order))
    return array[(..., *(slice(None, None, int(s)) for s in step))], turned.affine_lps


def compare(array: NDArray[Any], geometry: Geometry, reference: dict[str, Any], folder: Path) -> Found:
    """Return how an array lies beside a reference, over the part of it that its file holds."""
    array, affine = turn(array, geometry, reference["direction_of_index"])
    wanted = np.array(reference["affine_lps"])
    corners = np.array([(*(np.array(reference["shape"][-3:]) - 1) * c, 1) for c in np.ndindex(2, 2, 2)], float)
    shift = float(np.abs(corners @ (np.linalg.inv(wanted) @ affine).T - corners).max())
    if list(array.shape) != reference["shape"]:
        return Found(same_shape=False, shift=shift, median=np.nan, largest=np.nan)
    stored = np.load(folder / reference["file"])
    part = array[(..., *(slice(None, None, k) for k in stored["stride"]))]
    sides = zip(stored["block_start"], stored["block"].shape[-3:], strict=True)
    block = array[(..., *(slice(first, first + n) for first, n in sides))]
    differences = []
    for ours, theirs in ((part, stored["sub"]), (block[0] if block.ndim == 4 else block, stored["block"])):
        expected = theirs * float(stored["scale"]) + float(stored["offset"])
        differences.append(np.abs(ours.astype(np.float64) - expected).ravel())
    both = np.concatenate(differences)
    rounding = float(reference["index_rule"]["largest_rounding"])
    largest = max(0.0, float(both.max()) - rounding)
    limits = np.array([(one["min"], one["max"]) for one in list_of(reference["whole_array"])])
    extent = float(limits.max() - limits.min())
    return Found(same_shape=True, shift=shift, median=float(np.median(both)) / extent, largest=largest / extent)


def list_of(whole: Any) -> list[dict[str, float]]:
    """Return the figures of the whole array, or of each of its channels."""
    return [whole] if "max" in whole else list(whole.values() if isinstance(whole, dict) else whole)


LINEAR, SPLINE, ONE_UNIT = 1e-4, 5e-3, 5e-4
"""The largest difference allowed, as a share of the range: of linear recipes, of splines, and one unit of whole HU."""

REACHED_IN_PART = {
    ("vista3d", "repository_monai_1_3_0"): "MONAI 1.3 samples beside the places that its affine names",
    ("rsna2023_1st", "window"): "each slice is stretched by its own least and greatest value",
    ("lungmask", None): "each slice is cut to a box of its own",
}
"""References of which only the shape is the same, and why; the page says how far off they are."""

NOT_TRIED = {("rsna2023_1st", "stage1"): "chunks of 32 slices, filled with zeros, are no grid"}


def read_references() -> list[Any]:
    """Return a case for each array, one that is skipped where there is none."""
    cases = []
    for file in sorted((SHARED / "model_inputs").glob("*.json")):
        for reference in json.loads(file.read_text("utf-8"))["references"]:
            name = "-".join(filter(None, (file.stem, reference["input"], reference["variant"])))
            if (file.stem, reference["variant"]) not in NOT_TRIED:
                cases.append(pytest.param(file.stem, reference, id=name))
    return cases or [pytest.param("", {}, marks=pytest.mark.skip("needs shared/model_inputs beside the project"))]


@pytest.mark.parametrize(("model", "reference"), read_references())
def test_a_preset_gives_what_the_authors_own_function_gave(model: str, reference: dict[str, Any], shared: Path) -> None:
    source = shared / INPUTS[reference["input"]]
    if not source.is_dir():
        pytest.skip(f"needs shared/{INPUTS[reference['input']]} beside the project")
    key = (model, reference["variant"])
    name, overrides = VARIANTS.get(key, (model, ()))
    array, geometry = prepare(source, name, overrides)
    found = compare(array, geometry, reference, shared / "model_inputs")
    assert found.same_shape
    if key in REACHED_IN_PART:
        assert found.median < 0.03
        return
    is_spline = "order3" in str(key[1]) or model == "nnunet_v2"
    allowed = ONE_UNIT if model == "totalsegmentator" else SPLINE if is_spline else LINEAR
    assert found.shift < 1e-5
    assert found.largest < allowed
    assert found.median < 1e-5


def test_every_preset_compiles_and_opens_with_its_model_and_sources() -> None:
    for path in sorted(PRESETS.glob("*.yaml")):
        lines = path.read_text("utf-8").splitlines()
        assert lines[0] == "# yaml-language-server: $schema=../ctprep.schema.json"
        assert lines[1].startswith("# ")
        assert any("commit" in line or "card" in line or "vision_engine" in line for line in lines[1:8]), path.stem
        config = load(Path(f"models/{path.stem}"), inputs=["in"], output="out")
        assert config == load(path, inputs=["in"], output="out")
        assert config.steps
