"""What is left of white noise after making slices coarser: theory, ctprep, and peers that do not filter.

Noise of 100 HU is resampled from 0.7 mm to 2.0 mm along every axis.  The variance that a linear filter leaves is the
product over the axes of its mean sum of squared weights; without a filter, most of the noise stays and aliases.

    python benchmarks/antialias.py
"""

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.axes import Xyz, Zyx
from pipeline.geometry import Geometry
from pipeline.steps.apply import apply_grid
from pipeline.steps.grid import GridChange
from pipeline.steps.resample import Resample
from pipeline.steps.weights import axis_weights
from pipeline.volume import Volume, VolumeSpec

OLD_MM, NEW_MM, SAMPLES, NOISE_HU = 0.7, 2.0, 140, 100.0
RIM = 3
"""Output samples left out on each side: there filters are cut off."""

Array = NDArray[np.float32]


def white_noise() -> Volume:
    """Return a cube of noise, always the same."""
    geometry = Geometry(
        shape=Zyx(SAMPLES, SAMPLES, SAMPLES),
        spacing_mm=Zyx(OLD_MM, OLD_MM, OLD_MM),
        origin_mm=Xyz(0.0, 0.0, 0.0),
        axes=Zyx(Xyz(0.0, 0.0, 1.0), Xyz(0.0, 1.0, 0.0), Xyz(1.0, 0.0, 0.0)),
    )
    voxels = np.random.default_rng(0).normal(0, NOISE_HU, geometry.shape).astype(np.float32)
    return Volume(voxels, np.ones(geometry.shape, np.bool_), geometry)


def change_of(source: Volume, *, antialias: bool) -> GridChange:
    """Return the change of grid that is measured."""
    step = Resample(spacing_mm=(NEW_MM, NEW_MM, NEW_MM), antialias=antialias)
    return step.change(VolumeSpec(source.geometry))


def share_in_theory(change: GridChange) -> float:
    """Return the share of the variance that the weights leave."""
    squares = [np.square(axis_weights(axis)[1]).sum(axis=1)[RIM:-RIM].mean() for axis in change.axes]
    return float(np.prod(squares))


def simpleitk_linear(source: Volume, target: Geometry) -> Array:
    """Return SimpleITK's linear resampling on the same grid; it has no filter."""
    image = SimpleITK.GetImageFromArray(source.voxels)
    image.SetSpacing(source.geometry.spacing_mm[::-1])
    image.SetOrigin(source.geometry.origin_mm)
    shape, spacing_mm = target.shape[::-1], target.spacing_mm[::-1]
    result = SimpleITK.Resample(image, shape, SimpleITK.Transform(), SimpleITK.sitkLinear, target.origin_mm, spacing_mm)
    return SimpleITK.GetArrayFromImage(result)


def scipy_zoom(source: Volume) -> Array:
    """Return scipy.ndimage.zoom of order 1, the usual recipe; its grid is another, and it has no filter."""
    return ndimage.zoom(source.voxels, OLD_MM / NEW_MM, order=1)


def share_left(array: Array) -> float:
    """Return the share of the noise's variance that an array still holds, away from its rim."""
    inner = array[RIM:-RIM, RIM:-RIM, RIM:-RIM]
    return float(inner.var(dtype=np.float64)) / NOISE_HU**2


def main() -> None:
    """Print the table."""
    source = white_noise()
    filtered, plain = change_of(source, antialias=True), change_of(source, antialias=False)
    rows = [
        ("triangle, in theory", share_in_theory(filtered)),
        ("ctprep, antialias: true", share_left(apply_grid(source, filtered, (0.0,)).voxels)),
        ("linear, in theory", share_in_theory(plain)),
        ("ctprep, antialias: false", share_left(apply_grid(source, plain, (0.0,)).voxels)),
        ("SimpleITK, sitkLinear", share_left(simpleitk_linear(source, filtered.geometry))),
        ("scipy.ndimage.zoom, order 1", share_left(scipy_zoom(source))),
    ]
    print(f"White noise of {NOISE_HU:g} HU, {OLD_MM:g} mm -> {NEW_MM:g} mm on every axis\n")
    print(f"{'':28}  variance left  noise left")
    for name, share in rows:
        print(f"{name:28}  {share:12.2%}  {NOISE_HU * share**0.5:7.1f} HU")


if __name__ == "__main__":
    main()
