"""Small volumes for tests, made in code."""

from collections.abc import Sequence

import numpy as np

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.program.changes import GridChange, LineChange, Shear, Warp
from pipeline.program.execute import change_volume
from pipeline.volume import ClampedLine, Mask, Volume, VolumeSpec, Voxels, gather_volume

STRAIGHT = Zyx(Xyz(0.0, 0.0, 1.0), Xyz(0.0, 1.0, 0.0), Xyz(1.0, 0.0, 0.0))


def grid(
    shape: tuple[int, int, int] = (6, 8, 7),
    spacing_mm: tuple[float, float, float] = (2.5, 0.7, 0.7),
    axes: Zyx[Xyz] = STRAIGHT,
) -> Geometry:
    """Return a grid with an origin that is nowhere special."""
    return Geometry(Zyx(*shape), Zyx(*spacing_mm), Xyz(-12.5, 30.25, -101.0), axes)


def turned(degrees: float, geometry: Geometry | None = None) -> Geometry:
    """Return a grid turned about the patient's x axis, as by a nodding head."""
    cos, sin = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    base = geometry or grid()
    return Geometry(
        base.shape, base.spacing_mm, base.origin_mm, Zyx(Xyz(0.0, -sin, cos), Xyz(0.0, cos, sin), Xyz(1.0, 0.0, 0.0))
    )


def volume(voxels: Voxels, geometry: Geometry, valid: Mask | None = None) -> Volume:
    """Return a volume, measured everywhere unless told."""
    return Volume(voxels, np.ones(geometry.shape, np.bool_) if valid is None else valid, geometry)


def noise(geometry: Geometry | None = None, seed: int = 0, valid: Mask | None = None) -> Volume:
    """Return whole HU from -1000 to 3000 without any order, the hardest input for interpolation."""
    geometry = geometry or grid()
    voxels = np.random.default_rng(seed).integers(-1000, 3000, geometry.shape).astype(np.float32)
    return volume(voxels, geometry, valid)


def ramp(geometry: Geometry | None = None, slope: tuple[float, float, float] = (1.5, -3.0, 2.0)) -> Volume:
    """Return HU that grow evenly through the patient: slope in HU a millimetre along x, y and z."""
    geometry = geometry or grid()
    index = np.stack([*np.indices(geometry.shape), np.ones(geometry.shape)])
    x, y, z, _ = np.tensordot(geometry.affine_lps, index, axes=1)
    return volume((slope[0] * x + slope[1] * y + slope[2] * z).astype(np.float32), geometry)


def half_valid(geometry: Geometry | None = None) -> Volume:
    """Return noise of which a ball in the middle was measured; outside lies padding of -1024."""
    geometry = geometry or grid()
    distance = [np.abs(np.linspace(-1, 1, n)) for n in geometry.shape]
    inside = sum(np.meshgrid(*(d**2 for d in distance), indexing="ij")) < 0.9
    sharp = noise(geometry)
    return volume(np.where(inside, sharp.voxels, np.float32(-1024)), geometry, inside)


def apply(change: LineChange | GridChange | Shear | Warp, source: Volume, padding: Sequence[float | None]) -> Volume:
    """Return the changed volume as a whole; ``padding`` holds, a channel, the value that stands where nothing is."""
    lines = tuple(None if value is None else ClampedLine(b=value + 1024) for value in padding)
    channels = None if source.voxels.ndim == 3 else tuple(str(c) for c in range(len(source.voxels)))
    before = VolumeSpec(source.geometry, lines=lines, channels=channels, has_interpolated=source.usable is not None)
    return gather_volume(change_volume(change, source, before), change.after(before))


def regridded(source: Volume, change: GridChange | Warp, padding: Sequence[float | None]) -> Volume:
    """As `apply`, the volume first, which reads better where the grid is what the test is of."""
    return apply(change, source, padding)
