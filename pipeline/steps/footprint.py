"""How much memory a change needs: what this house's executor allocates, counted before it does."""

from math import prod

from pipeline.steps.changes import Barrier, Change, LineChange, Shear, Warp
from pipeline.steps.grid import GridChange
from pipeline.steps.weights import axis_weights
from pipeline.volume import VolumeSpec

VOXEL_BYTES, MASK_BYTES, PLANE_BYTES = 4, 1, 8
"""float32 voxels, a bool mask, and planes in float64 while they are worked on."""


def volume_bytes(spec: VolumeSpec) -> int:
    """Return the bytes of a volume in memory: voxels and mask."""
    n_masks = 2 if spec.invented else 1
    return VOXEL_BYTES * prod(spec.shape) + n_masks * MASK_BYTES * prod(spec.geometry.shape)


def peak_bytes(change: Change, before: VolumeSpec) -> int:
    """Return the most that a change holds at once: its source, its result, and what lies between them."""
    return (
        volume_bytes(before) + volume_bytes(change.after(before)) + _between(change, before) + _layers(change, before)
    )


def _layers(change: Change, before: VolumeSpec) -> int:
    """Return the bytes of the mask that travels as a channel: a copy of all channels before, one more after."""
    if not before.invented or isinstance(change, LineChange | Barrier):
        return 0
    copies = (len(before.lines) + 1) * prod(before.geometry.shape) + prod(change.after(before).geometry.shape)
    return VOXEL_BYTES * copies


def _between(change: Change, before: VolumeSpec) -> int:
    """Return the bytes of a change's working arrays."""
    channels, voxels = len(before.lines) + before.invented, prod(before.geometry.shape)
    planes = PLANE_BYTES * prod(before.geometry.shape[1:])
    match change:
        case LineChange():
            return VOXEL_BYTES * prod(change.after(before).shape) if len(change.lines) > 1 else 0
        case Barrier():
            return 3 * planes
        case Shear():
            sheared = PLANE_BYTES * prod(change.geometry.shape[1:])
            return (2 * channels + 1) * (planes + 3 * sheared)
        case Warp():
            return VOXEL_BYTES * (2 * voxels + 3 * prod(change.geometry.shape))
        case GridChange():
            return 0 if change.exact else _window_bytes(change, 2 * channels + 1)


def _window_bytes(change: GridChange, layers: int) -> int:
    """Return the bytes of the planes that one output plane needs, and of one plane on its way there."""
    taps = int(axis_weights(change.axes.z)[1].shape[1])
    y, x = change.axes.y, change.axes.x
    target_plane = y.n * x.n
    widest = max(y.source_n * x.source_n, target_plane, y.n * x.source_n)
    return PLANE_BYTES * layers * ((taps + 2) * target_plane + 2 * widest)
