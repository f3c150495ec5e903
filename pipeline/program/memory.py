"""The memory that a program needs, counted from the arrays that its execution allocates."""

from collections.abc import Sequence
from math import prod

from pipeline.program.axis import PlaneBand
from pipeline.program.changes import Barrier, Change, GridChange, LineChange, Search, Shear, Warp, streams
from pipeline.volume import VolumeSpec

VOXEL_BYTES, MASK_BYTES = 4, 1
"""float32 voxels and a bool mask."""
PIXEL_BYTES = 4
"""The index of a pixel in its plane."""


def volume_bytes(spec: VolumeSpec) -> int:
    """Return the bytes of a volume in memory: voxels and masks."""
    n_masks = 2 if spec.has_interpolated else 1
    return VOXEL_BYTES * prod(spec.shape) + n_masks * MASK_BYTES * prod(spec.geometry.shape)


def plane_bytes(spec: VolumeSpec) -> int:
    """Return the bytes of one plane: voxels and masks."""
    return volume_bytes(spec) // spec.geometry.shape.z


def peak_bytes(changes: Sequence[Change], source: VolumeSpec) -> int:
    """Return the most bytes that changes hold at once: whole volumes at barriers, else a few planes."""
    peak, held, passing, spec = 0, 0, plane_bytes(source), source
    for change in changes:
        after = change.after(spec)
        if not streams(change):
            peak = max(peak, held + passing + volume_bytes(spec))
            held, passing = volume_bytes(spec), 0
        if isinstance(change, Warp):
            peak = max(peak, held + barrier_bytes(change, spec) + volume_bytes(after))
            held = volume_bytes(after)
        elif isinstance(change, Search):
            peak = max(peak, held + barrier_bytes(change, spec))
        else:
            passing += streaming_bytes(change, spec)
        spec = after
    return max(peak, held + passing)


def barrier_bytes(change: Change, before: VolumeSpec) -> int:
    """Return the bytes that a change needs beside the whole volume that it waits for."""
    match change:
        case Warp():
            return warp_bytes(change, before)
        case Search():
            return change.working_bytes
        case _:
            return streaming_bytes(change, before)


def warp_bytes(change: Warp, before: VolumeSpec) -> int:
    """Return the bytes of a warp's working arrays."""
    voxels, target = prod(before.geometry.shape), prod(change.geometry.shape)
    layers = (len(before.lines) + 1) * (voxels + target) if before.has_interpolated else 0
    return VOXEL_BYTES * (2 * voxels + 3 * target + layers)


def streaming_bytes(change: Change, before: VolumeSpec) -> int:
    """Return the bytes of one output plane and of the source planes that it needs."""
    channels = len(before.lines) + before.has_interpolated
    match change:
        case LineChange():
            return 2 * plane_bytes(change.after(before))
        case Shear():
            return _blend_bytes(1, channels, change, before) + plane_bytes(change.after(before))
        case GridChange() if not change.exact:
            return _blend_bytes(PlaneBand(change.axes.z).taps, channels, change, before)
        case Barrier():
            return 3 * 2 * plane_bytes(before)  # statistics are taken in float64
        case _:
            return plane_bytes(change.after(before))


def _blend_bytes(taps: int, channels: int, change: GridChange | Shear, before: VolumeSpec) -> int:
    """Return the bytes of `Blend` if every pixel lies at a rim: its source planes and an output plane."""
    target = prod(change.geometry.shape[1:])
    held = (VOXEL_BYTES * (2 * channels + 1) + MASK_BYTES + PIXEL_BYTES) * taps * target
    blended = VOXEL_BYTES * channels + PIXEL_BYTES + 4 * MASK_BYTES
    return held + 2 * plane_bytes(before) + blended * target
