"""The masks of one series: read, and checked against the grid of its slices."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from pipeline.program.labels import carry_label_layers
from pipeline.program.program import Program
from pipeline.record import LABEL_PREFIX, LabelValue
from pipeline.vocabulary import SeriesWarning, Verdict


@dataclass(frozen=True, eq=False)
class Masks:
    """Masks on the slices of the source by name; ``refused`` holds the reasons of masks refused."""

    drawn: dict[str, DrawnMask]
    refused: dict[str, str]

    @property
    def warnings(self) -> set[SeriesWarning]:
        """What is to be said of the series for its masks."""
        found = set[SeriesWarning]().union(*(mask.warnings for mask in self.drawn.values()))
        return found | {SeriesWarning.W_LABEL_MISMATCH} if self.refused else found


def read_masks(sources: Sequence[MaskSource], stack: Stack, limits: Limits) -> Masks:
    """Read every mask of a series; one that is not on the grid of its slices is refused, and so are two of a name."""
    found: dict[str, DrawnMask] = {}
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
            found[source.name] = read[0]
    return Masks(found, refused)


def count_label_voxels(labels: Mapping[str, Labels]) -> dict[str, LabelValue]:
    """Return the number of voxels of each mask, by its column in the manifest."""
    return {f"{LABEL_PREFIX}mask_{name}": int(np.count_nonzero(array)) for name, array in labels.items()}


def carry_masks(masks: Masks, program: Program) -> dict[str, Labels]:
    """Return the labels on the grid of the program's result."""
    return {name: _carry(mask, program) for name, mask in masks.drawn.items()}


def _carry(mask: DrawnMask, program: Program) -> Labels:
    labels = mask.labels
    for change in program.changes:
        if isinstance(change, GridChange | Shear | Warp):
            labels = carry_label_layers(labels, change)
        if isinstance(change, GridChange) and change.axes.z.samples is not None:
            labels = mask.fill_missing(labels)
    return labels


def describe_source_grid(stack: Stack) -> SourceGrid:
    """Return the grid of a stack's slices, on which masks must lie."""
    first = stack.slices[0]
    plane = first.plane
    corners = np.array([header.plane.position for header in stack.slices], float)
    return SourceGrid(
        shape=Zyx(len(stack.slices), first.pixels.rows, first.pixels.columns),
        corners=corners,
        row=_unit(plane.row_direction),
        column=_unit(plane.column_direction),
        spacing_mm=(plane.row_spacing, plane.column_spacing),
        frame_of_reference_uid=first.identity.frame_of_reference_uid,
        series_uid=first.identity.series_instance_uid,
        missing=_place_missing(stack, corners),
    )


def _place_missing(stack: Stack, corners: Floats) -> dict[int, Floats]:
    """Return the corners of the planes that fill gaps of the stack, by their number in the repaired stack.

    A tilted stack has none: its slices are moved before its gaps are filled.
    """
    if stack.verdict != Verdict.GAP or stack.is_tilted:
        return {}
    planes = stack.planes
    missing = sorted(set(range(int(planes[-1]))) - set(planes.tolist()))
    places = [np.interp(missing, planes, corners[:, axis]) for axis in range(3)]
    return dict(zip(missing, np.stack(places, axis=1), strict=True))


def _unit(direction: Xyz | None) -> Floats:
    vector = np.array(direction, float)
    return vector / float(np.linalg.norm(vector))


def _draw(source: MaskSource, grid: SourceGrid, limits: Limits) -> Iterator[DrawnMask]:
    for path in map(Path, source.paths):
        if source.kind == "NIFTI":
            yield read_nifti(path, grid)
        elif (drawn := read_mask(path, source.kind, grid, RegionChoice(source.roi), limits)) is not None:
            yield drawn
