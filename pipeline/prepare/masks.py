"""The masks of one series: read, and checked against the grid of its slices."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from pipeline.dicom.masks.read import read_mask
from pipeline.dicom.stack.stack import Stack
from pipeline.geometry import Xyz, Zyx
from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask, RegionChoice
from pipeline.masks.grid import Floats, Labels, MaskMismatchError, SourceGrid
from pipeline.masks.nifti import read_nifti
from pipeline.masks.sources import MaskSource
from pipeline.program.changes import GridChange, Shear, Warp
from pipeline.program.labels import carry_labels
from pipeline.program.program import Program
from pipeline.record import LABEL_PREFIX, LabelValue


@dataclass(frozen=True, eq=False)
class Masks:
    """Labels [z, y, x] on the slices of the source by name; ``refused`` holds the reasons of masks refused."""

    labels: dict[str, Labels]
    refused: dict[str, str]


def read_masks(sources: Sequence[MaskSource], stack: Stack, limits: Limits) -> Masks:
    """Read every mask of a series; one that is not on the grid of its slices is refused, and so are two of a name."""
    found: dict[str, Labels] = {}
    refused: dict[str, str] = {}
    grid = describe_source_grid(stack) if sources else None
    if grid is None:
        return Masks(found, refused)
    for source in sources:
        try:
            read = list(_draw(source, grid, limits))
        except MaskMismatchError as error:
            refused[source.name] = str(error)
            continue
        if len(read) > 1:
            refused[source.name] = f"{len(read)} objects refer to this series"
        elif read:
            found[source.name] = read[0].labels
    return Masks(found, refused)


def count_label_voxels(labels: Mapping[str, Labels]) -> dict[str, LabelValue]:
    """Return the number of voxels of each mask, by its column in the manifest."""
    return {f"{LABEL_PREFIX}mask_{name}": int(np.count_nonzero(array)) for name, array in labels.items()}


def carry_masks(masks: Masks, program: Program) -> dict[str, Labels]:
    """Return the labels on the grid of the program's result."""
    changes = [change for change in program.changes if isinstance(change, GridChange | Shear | Warp)]
    return {name: reduce(carry_labels, changes, labels) for name, labels in masks.labels.items()}


def describe_source_grid(stack: Stack) -> SourceGrid:
    """Return the grid of a stack's slices, on which masks must lie."""
    first = stack.slices[0]
    plane = first.plane
    return SourceGrid(
        shape=Zyx(len(stack.slices), first.pixels.rows, first.pixels.columns),
        corners=np.array([header.plane.position for header in stack.slices], float),
        row=_unit(plane.row_direction),
        column=_unit(plane.column_direction),
        spacing_mm=(plane.row_spacing, plane.column_spacing),
        frame_of_reference_uid=first.identity.frame_of_reference_uid,
        series_uid=first.identity.series_instance_uid,
    )


def _unit(direction: Xyz | None) -> Floats:
    vector = np.array(direction, float)
    return vector / float(np.linalg.norm(vector))


def _draw(source: MaskSource, grid: SourceGrid, limits: Limits) -> Iterator[DrawnMask]:
    for path in map(Path, source.paths):
        if source.kind == "NIFTI":
            yield read_nifti(path, grid)
        elif (drawn := read_mask(path, source.kind, grid, RegionChoice(source.roi), limits)) is not None:
            yield drawn
