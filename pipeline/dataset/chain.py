"""The changes of grid that led from a series' slices to its store, rebuilt from the attributes of the store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.geometry import Geometry, Zyx
from pipeline.program.changes import GridChange, Shear, Warp
from pipeline.program.step import Step
from pipeline.steps.correct_tilt import CorrectTilt
from pipeline.steps.crop_above import FoundAbove
from pipeline.steps.crop_body import CropBody
from pipeline.steps.crop_lung import CropLung
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.crop_to import FoundLabel
from pipeline.steps.even_slices import InterpolateGap, ResampleSlices
from pipeline.steps.orient import Orient, StoreAxes
from pipeline.steps.resample import Resample
from pipeline.store.ngff import geometry_from_json
from pipeline.volume import VolumeSpec

Trail = Sequence[Mapping[str, Any]]
Slices = Sequence[Mapping[str, Any]]
"""Rows of slices.parquet that are in the volume, in the order of the stack."""

MOVING: dict[str, type[Step]] = {
    "orient": Orient,
    "store_axes": StoreAxes,
    "resample": Resample,
    "crop_or_pad": CropOrPad,
    "crop_above": FoundAbove,
    "crop_to": FoundLabel,
    "crop_body": CropBody.cropped,
    "crop_lung": CropLung.cropped,
}
"""The steps of a configuration that move voxels, as their trail tells them; all others change values."""

SAME_MM = 1e-3
"""A grid rebuilt from text may differ by this much from the store's."""


@dataclass(frozen=True)
class Chain:
    """The source's grid [slice, row, column], and what moved it, in order; ``steps`` and ``changes`` go together."""

    source: Geometry
    steps: tuple[Step, ...]
    changes: tuple[GridChange | Shear | Warp, ...]


def chain_of(attributes: Mapping[str, Any], stored: Geometry, slices: Slices) -> Chain:
    """Rebuild the chain from a store's attributes and its slices.

    Raises UsageError where it does not lead to the store's grid, or the slices are not those of the source.
    """
    source = _source_of(attributes["source_geometry"])
    if len(slices) != source.shape.z:
        msg = f"slices.parquet names {len(slices)} slices of this series, and its volume was made of {source.shape.z}"
        raise UsageError(msg)
    spec, steps, changes = VolumeSpec(source), [], []
    for step in _moving_steps(attributes["trail"], source, slices):
        change = step.change(spec)
        if isinstance(change, GridChange | Shear | Warp):
            steps.append(step)
            changes.append(change)
            spec = change.after(spec)
    _require_same(spec.geometry, stored)
    return Chain(source, tuple(steps), tuple(changes))


def _source_of(source: Mapping[str, Any]) -> Geometry:
    origin = {"origin_mm": np.array(source["affine_lps"])[:3, 3].tolist()}
    return geometry_from_json({**source, **origin}, Zyx(*source["shape"]))


def _moving_steps(trail: Trail, source: Geometry, slices: Slices) -> list[Step]:
    """Return the repairs and steps of a trail that move voxels, whole again."""
    steps: list[Step] = []
    for entry in trail:
        name, parameters = entry["step"], entry["parameters"]
        if name in _REPAIRS:
            steps.append(_REPAIRS[name](parameters, source, slices))
        elif name in MOVING:
            steps.append(MOVING[name](**{key: _frozen(value) for key, value in parameters.items()}))
    return steps


def _correct_tilt(parameters: Mapping[str, Any], _source: Geometry, slices: Slices) -> Step:
    offsets_mm = tuple((float(row["offset_mm"][0]), float(row["offset_mm"][1])) for row in slices)
    return CorrectTilt(parameters["tilt_deg"], offsets_mm)


def _interpolate_gap(_parameters: Mapping[str, Any], source: Geometry, slices: Slices) -> Step:
    step_mm = _step_mm(source)
    planes = np.rint(_positions_mm(slices) / step_mm)
    return InterpolateGap(tuple((planes * step_mm).tolist()), step_mm)


def _resample_slices(_parameters: Mapping[str, Any], source: Geometry, slices: Slices) -> Step:
    return ResampleSlices(tuple(_positions_mm(slices).tolist()), _step_mm(source))


_REPAIRS: dict[str, Callable[[Mapping[str, Any], Geometry, Slices], Step]] = {
    "correct_tilt": _correct_tilt,
    "interpolate_gap": _interpolate_gap,
    "resample_slices": _resample_slices,
}
"""How a repair is made whole: single slices' figures are in the table of slices, not in the trail."""


def _positions_mm(slices: Slices) -> Any:
    """Return where the slices lie along the normal, from the first."""
    positions = np.array([row["position_mm"] for row in slices], np.float64)
    return positions - positions[0]


def _step_mm(source: Geometry) -> float:
    """Return the distance of neighbours along the normal, which under tilt is less than that along the stack."""
    normal = np.cross(source.axes.x, source.axes.y)
    return round(source.spacing_mm.z * float(normal @ np.array(source.axes.z)), 9)


def _frozen(value: Any) -> Any:
    """Return a parameter as a step holds it: JSON's lists are tuples."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _require_same(rebuilt: Geometry, stored: Geometry) -> None:
    """Refuse a chain that does not end on the store's grid."""
    same = rebuilt.shape == stored.shape and np.allclose(rebuilt.affine_lps, stored.affine_lps, rtol=0, atol=SAME_MM)
    if not same:
        msg = "the trail of this store does not lead from its source to its grid; it was written by another version"
        raise UsageError(msg)
