"""The masks of one series: drawn on the grid of its slices, and carried to that of its volume."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.dicom.masks.read import read_mask
from pipeline.dicom.stack.stack import Stack
from pipeline.geometry import Xyz, Zyx
from pipeline.limits import Limits
from pipeline.masks.drawn import DrawnMask, DrawnRegion
from pipeline.masks.grid import Floats, Labels, MaskMismatchError, SourceGrid
from pipeline.masks.nifti import read_nifti
from pipeline.masks.pick import Attempt, Picked, pad_layers, pick_mask
from pipeline.masks.sources import LinkedFile, MaskSource
from pipeline.program.changes import GridChange, Shear, Warp
from pipeline.program.labels import carry_label_layers
from pipeline.program.program import Program
from pipeline.record import MASK_PREFIX, REASON_PREFIX, LabelValue, SeriesRecord
from pipeline.steps.crop_to import CropTo
from pipeline.store.write import LabelImage
from pipeline.vocabulary import MaskReason, SeriesWarning, Verdict

MEMORY_SHARE = 0.5
"""Of the memory that a series may take, all its masks may take this share, on its slices and on its volume."""


@dataclass(frozen=True, eq=False)
class SeriesMask:
    """One mask of a series, on the slices of its source; ``picked`` is None where it has no file."""

    source: MaskSource
    picked: Picked | None = None

    @property
    def drawn(self) -> DrawnMask | None:
        """What was drawn, None where there is no mask."""
        return self.picked.drawn if self.picked else None

    @property
    def reason(self) -> MaskReason:
        """Why there is a mask, or none."""
        return self.picked.reason if self.picked else self.source.missing or MaskReason.NO_OBJECT

    @property
    def warnings(self) -> frozenset[SeriesWarning]:
        """The warnings that follow; a mask that was left out is a mismatch, unless it holds nothing."""
        found = self.drawn.warnings if self.drawn else frozenset()
        is_refused = self.picked is not None and self.reason not in {MaskReason.OK, MaskReason.EMPTY}
        return found | {SeriesWarning.W_LABEL_MISMATCH} if is_refused else found


def read_masks(sources: Sequence[MaskSource], stack: Stack, program: Program, limits: Limits) -> tuple[SeriesMask, ...]:
    """Draw every mask of a series; one that does not lie on its slices or takes too much memory is refused."""
    grid = describe_source_grid(stack) if any(source.files for source in sources) else None
    masks = []
    left_mb = int(limits.series_memory_mb * MEMORY_SHARE)
    for source in sources:
        if grid is None or not source.files:
            masks.append(SeriesMask(source))
            continue
        picked = pick_mask([_draw(file, source, grid, limits) for file in source.files], source.pick)
        n_mb = measure_mb(picked.drawn, program) if picked.drawn else 0
        if n_mb > left_mb:
            picked = refuse_too_large(picked, n_mb, left_mb)
        else:
            left_mb -= n_mb
        masks.append(SeriesMask(source, picked))
    return tuple(masks)


def measure_mb(mask: DrawnMask, program: Program) -> int:
    """Return how many MiB a mask takes, on the slices and on the largest grid that it goes through."""
    n_layers = len(mask.labels) if mask.labels.ndim == 4 else 1
    grids = [change.geometry.shape for change in program.changes if isinstance(change, GridChange | Shear | Warp)]
    largest = max((prod(shape) for shape in grids), default=0)
    return (mask.labels.nbytes + n_layers * largest * mask.labels.itemsize) >> 20


def refuse_too_large(picked: Picked, n_mb: int, left_mb: int) -> Picked:
    """Return a mask as refused for the memory that it would take."""
    reason = MaskReason.TOO_LARGE
    detail = f"it would take {n_mb} MiB of the {left_mb} MiB that are left for masks, of half of series_memory_mb"
    attempts = [
        replace(attempt, drawn=None, reason=reason, detail=detail) if attempt.drawn else attempt
        for attempt in picked.attempts
    ]
    return Picked(tuple(attempts), None, reason, detail)


def carry_masks(masks: Iterable[SeriesMask], program: Program) -> dict[str, Labels]:
    """Return the labels on the grid of the program's result, by name."""
    carried = {}
    for mask in masks:
        if mask.drawn is not None:
            labels, n_layers = carry_mask(mask.drawn, program), mask.source.choice.n_layers
            carried[mask.source.name] = pad_layers(labels, n_layers) if labels.ndim == 4 else labels
    return carried


def carry_mask(mask: DrawnMask, program: Program) -> Labels:
    """Return labels on the grid of the program's result."""
    labels = mask.labels
    for change in program.changes:
        if isinstance(change, GridChange | Shear | Warp):
            labels = carry_label_layers(labels, change)
        if isinstance(change, GridChange) and change.axes.z.samples is not None:
            labels = mask.fill_missing(labels)
    return labels


def find_label_crops(program: Program, masks: Sequence[SeriesMask]) -> Program:
    """Return the program with each `crop_to` as the crop to its label, on the grid that the label has at that point."""
    drawn = {mask.source.name: mask.drawn for mask in masks}
    steps = list(program.steps)
    for place, step in enumerate(steps):
        if not isinstance(step, CropTo):
            continue
        before = Program.compile(steps[:place], program.source, "float32")
        grid, label = before.result.geometry, drawn.get(step.label)
        labels = carry_mask(label, before) if label is not None else np.zeros((0, *grid.shape), np.uint8)
        steps[place] = step.locate(labels, grid)
    return Program.compile(steps, program.source, program.dtype)


def describe_images(masks: Iterable[SeriesMask], levels: Mapping[str, tuple[Labels, ...]]) -> dict[str, LabelImage]:
    """Return the label images of a store; regions that the configuration names have their names in it."""
    images = {}
    for mask in masks:
        if mask.source.name in levels:
            names = {number: name for number, (name, _) in enumerate(mask.source.choice.regions, start=1)}
            images[mask.source.name] = LabelImage(levels[mask.source.name], names)
    return images


def add_masks_to_record(
    record: SeriesRecord, masks: Sequence[SeriesMask], labels: Mapping[str, Labels]
) -> SeriesRecord:
    """Return the record with the voxels and the reason of each mask, the warnings, and a row for each region."""
    values: dict[str, LabelValue] = {}
    warnings, rows, details = set(record.warnings), [], []
    for mask in masks:
        name, reason = mask.source.name, mask.reason
        n_voxels = count_voxels(labels[name]) if name in labels else None
        if n_voxels == 0:
            reason = MaskReason.EMPTY
        values |= {MASK_PREFIX + name: n_voxels, REASON_PREFIX + name: reason.value}
        warnings |= mask.warnings
        if mask.picked and mask.picked.detail and reason is not MaskReason.EMPTY:
            details.append(f"mask {name}: {mask.picked.detail}")
        rows += _describe_regions(mask)
    detail = "; ".join(filter(None, [record.detail, *details])) or None
    ordered = tuple(sorted(warnings))
    return replace(record, labels=values, warnings=ordered, detail=detail, masks=tuple(rows))


def count_voxels(labels: Labels) -> int:
    """Return how many voxels belong to any region."""
    return int(np.count_nonzero(labels if labels.ndim == 3 else labels.any(axis=0)))


def _describe_regions(mask: SeriesMask) -> list[dict[str, Any]]:
    """Return a row for each file and region of a mask; a file of which nothing was drawn has one without region."""
    rows = []
    for attempt in mask.picked.attempts if mask.picked else ():
        row = {
            "mask": mask.source.name,
            "path": attempt.file.path,
            "linked_by": attempt.file.linked_by,
            "reason": attempt.reason.value,
            "detail": attempt.detail,
        }
        regions = _final_regions(attempt, mask) if attempt.drawn else ()
        rows += [row | _describe_region(region) for region in regions] or [row]
    return rows


def _final_regions(attempt: Attempt, mask: SeriesMask) -> Sequence[DrawnRegion]:
    """Return the regions of a file, as they came out where several files were merged."""
    own = attempt.drawn.regions if attempt.drawn else ()
    merged = {(one.number, one.name, one.n_voxels): one for one in (mask.drawn.regions if mask.drawn else ())}
    return [merged.get((one.number, one.name, one.n_voxels), one) for one in own]


def _describe_region(region: DrawnRegion) -> dict[str, Any]:
    skipped = dict(sorted(region.skipped.items()))
    return {
        "region": region.name,
        "number": region.number,
        "contours_used": region.n_used,
        "contours_skipped": sum(skipped.values()),
        "skipped_why": ", ".join(f"{reason} {n}" for reason, n in skipped.items()) or None,
        "voxels": region.n_voxels,
        "voxels_lost": region.n_lost,
    }


def describe_source_grid(stack: Stack) -> SourceGrid:
    """Return the grid of a stack's slices, on which masks must lie."""
    first = stack.slices[0]
    plane = first.plane
    corners = np.array([header.plane.position for header in stack.slices], float)
    _, row_spacing_mm, column_spacing_mm = stack.geometry().spacing_mm
    return SourceGrid(
        shape=Zyx(len(stack.slices), first.pixels.rows, first.pixels.columns),
        corners=corners,
        row=_unit(plane.row_direction),
        column=_unit(plane.column_direction),
        spacing_mm=(row_spacing_mm, column_spacing_mm),
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


def _draw(file: LinkedFile, source: MaskSource, grid: SourceGrid, limits: Limits) -> Attempt:
    """Return what a file holds of a mask; of an object on which nothing wanted is drawn, that it is empty."""
    try:
        if source.kind == "NIFTI":
            return Attempt(file, read_nifti(Path(file.path), grid, limits))
        drawn = read_mask(file.path, source.kind, grid, source.choice, limits)
    except MaskMismatchError as error:
        return Attempt(file, None, error.reason, str(error))
    if drawn is None:
        return Attempt(file, None, MaskReason.EMPTY, "it has no region that is asked for")
    return Attempt(file, drawn)
