"""What is made of the objects of one series: copies count once, and several are refused, chosen from or merged."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from pipeline.masks.drawn import DrawnMask, DrawnRegion
from pipeline.masks.grid import Labels
from pipeline.masks.sources import LinkedFile, Pick
from pipeline.vocabulary import MaskReason, SeriesWarning


@dataclass(frozen=True, eq=False)
class Attempt:
    """A file of a series and what could be drawn of it; without ``drawn`` the reason, with a detail."""

    file: LinkedFile
    drawn: DrawnMask | None = None
    reason: MaskReason = MaskReason.OK
    detail: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the file holds what was asked for, and it could not be drawn."""
        return self.drawn is None and self.reason is not MaskReason.EMPTY


@dataclass(frozen=True, eq=False)
class Picked:
    """One mask of a series, or the reason why there is none, and what became of each file."""

    attempts: tuple[Attempt, ...]
    drawn: DrawnMask | None
    reason: MaskReason
    detail: str | None = None


def pick_mask(attempts: Sequence[Attempt], pick: Pick) -> Picked:
    """Return the one mask that files say, in any order of them.

    Files that say the same are copies.  Where others differ, ``refuse`` takes none, ``newest`` the one that was made
    last, and ``merge`` all: a region that several draw is all that they draw.
    """
    ordered = sorted(attempts, key=lambda attempt: attempt.file.path)
    if pick == "newest":
        ordered = _leave_older(ordered)
    failed = [attempt for attempt in ordered if attempt.has_failed and attempt.reason is not MaskReason.SEVERAL]
    drawn = _remove_copies(attempt.drawn for attempt in ordered if attempt.drawn)
    if failed and not (pick == "merge" and drawn):
        return Picked(tuple(ordered), None, failed[0].reason, failed[0].detail)
    if not drawn:
        return Picked(tuple(ordered), None, MaskReason.EMPTY, _find_detail(ordered))
    if len(drawn) == 1 and not failed:
        return Picked(tuple(ordered), drawn[0], MaskReason.OK)
    if pick == "merge":
        merged = reduce(_merge, drawn)
        lost = {SeriesWarning.W_LABEL_PARTIAL} if failed else set()
        detail = failed[0].detail if failed else None
        return Picked(tuple(ordered), replace(merged, warnings=merged.warnings.union(lost)), MaskReason.OK, detail)
    detail = f"{len(drawn)} objects of this series say different things"
    refused = [
        replace(attempt, reason=MaskReason.SEVERAL, detail=detail) if attempt.drawn else attempt for attempt in ordered
    ]
    return Picked(tuple(refused), None, MaskReason.SEVERAL, detail)


def _find_detail(attempts: Iterable[Attempt]) -> str | None:
    return next((attempt.detail for attempt in attempts if attempt.detail), None)


def _leave_older(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts, those that are older than another without their masks."""
    holding = [attempt for attempt in attempts if attempt.reason is not MaskReason.EMPTY]
    newest = max((attempt.file.made for attempt in holding), default="")
    left = []
    for attempt in attempts:
        if attempt.reason is MaskReason.EMPTY or attempt.file.made == newest:
            left.append(attempt)
        else:
            left.append(replace(attempt, drawn=None, reason=MaskReason.SEVERAL, detail="a newer object was taken"))
    return left


def _remove_copies(masks: Iterable[DrawnMask]) -> list[DrawnMask]:
    unique: list[DrawnMask] = []
    for mask in masks:
        if not any(_is_same(mask, other) for other in unique):
            unique.append(mask)
    return unique


def _is_same(one: DrawnMask, other: DrawnMask) -> bool:
    """Tell whether two objects say the same: the same regions, with the same voxels."""
    if _names(one) != _names(other) or one.labels.shape != other.labels.shape:
        return False
    return all(np.array_equal(*planes) for planes in zip(*_join_planes(one, other), strict=True))


def _names(mask: DrawnMask) -> list[tuple[int, str, int]]:
    return sorted((region.number, region.name, region.n_voxels) for region in mask.regions)


def _join_planes(*masks: DrawnMask) -> list[Labels]:
    """Return for each mask its labels on the slices, and after them on the missing slices of any of the masks."""
    missing = sorted({z for mask in masks for z in mask.between})
    joined = []
    for mask in masks:
        empty = np.zeros_like(mask.labels[..., 0, :, :])
        planes = [mask.between.get(z, empty)[..., None, :, :] for z in missing]
        joined.append(np.concatenate([mask.labels, *planes], axis=-3))
    return joined


def _merge(one: DrawnMask, other: DrawnMask) -> DrawnMask:
    """Return the regions of two masks in one; where different regions share voxels the smaller lies on top."""
    n_slices = one.labels.shape[-3]
    joined = _join_planes(one, other)
    lost: Counter[tuple[int, int]] = Counter()
    if one.labels.ndim == 4:
        n_layers = max(map(len, joined))
        labels = np.maximum(*(pad_layers(layers, n_layers) for layers in joined))
    else:
        sizes = _count_voxels((*one.regions, *other.regions))
        labels = _paint_smaller_on_top(joined[0], joined[1], sizes, lost)
    regions = (*_add_lost(one.regions, 0, lost), *_add_lost(other.regions, 1, lost))
    missing = sorted(one.between.keys() | other.between.keys())
    between = {z: labels[..., n_slices + n, :, :] for n, z in enumerate(missing)}
    overlap = {SeriesWarning.W_LABEL_OVERLAP} if any(region.n_lost for region in regions) else set()
    return DrawnMask(labels[..., :n_slices, :, :], regions, one.warnings | other.warnings | overlap, between)


def _paint_smaller_on_top(first: Labels, second: Labels, sizes: Counter[int], lost: Counter[tuple[int, int]]) -> Labels:
    """Return two label maps in one, and count what a number of either has ``lost`` to one of the other."""
    dtype = np.promote_types(first.dtype, second.dtype)
    labels = np.where(second != 0, second, first).astype(dtype)
    clash = (first != 0) & (second != 0) & (first != second)
    for below, above in sorted(set(zip(first[clash].tolist(), second[clash].tolist(), strict=True))):
        here = clash & (first == below) & (second == above)
        top = min(below, above, key=lambda number: (sizes[number], number))
        labels[here] = top
        lost[(1, above) if top == below else (0, below)] += int(np.count_nonzero(here))
    return labels


def _count_voxels(regions: Iterable[DrawnRegion]) -> Counter[int]:
    sizes: Counter[int] = Counter()
    for region in regions:
        sizes[region.number] += region.n_voxels
    return sizes


def _add_lost(regions: Iterable[DrawnRegion], side: int, lost: Counter[tuple[int, int]]) -> list[DrawnRegion]:
    """Return the regions with the voxels that they lost to the other object's; of one number the first is charged."""
    return [replace(region, n_lost=region.n_lost + lost.pop((side, region.number), 0)) for region in regions]


def pad_layers(layers: Labels, n_layers: int) -> Labels:
    """Return layers [region, z, y, x] with empty ones up to a number."""
    missing = n_layers - len(layers)
    return np.pad(layers, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing > 0 else layers
