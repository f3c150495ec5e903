"""What is left of noise, and of a wave too fine for the new grid, after making voxels coarser: ctprep and peers.

Noise of 100 HU is resampled from 0.7 mm to 2.0 mm along every axis.  The variance that a linear filter leaves is the
product over the axes of its mean sum of squared weights; without a filter, most of the noise stays and aliases.

A wave of 2.5 mm is finer than a grid of 2.0 mm can hold (4.0 mm): what is left of it is an artefact.  Peers that are
not installed are left out.

    python benchmarks/antialias.py
"""

from collections.abc import Callable

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.program.axis import axis_weights
from pipeline.program.changes import GridChange
from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program
from pipeline.steps.resample import Resample
from pipeline.volume import Volume, VolumeSpec

OLD_MM, NEW_MM, SAMPLES, NOISE_HU, WAVE_MM = 0.7, 2.0, 140, 100.0, 2.5
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


def torch_antialias(source: Volume) -> Array | None:
    """Return torch's bilinear ``antialias=True``, which is for planes: rows and columns only, then z alone."""
    try:
        import torch
        from torch.nn.functional import interpolate
    except ImportError:
        return None
    n = round(SAMPLES * OLD_MM / NEW_MM)
    planes = interpolate(torch.from_numpy(source.voxels)[None], (n, n), mode="bilinear", antialias=True)[0]
    upright = planes.permute(1, 0, 2)[None]
    return interpolate(upright, (n, n), mode="bilinear", antialias=True)[0].permute(1, 0, 2).numpy()


def torchio_resample(source: Volume) -> Array | None:
    """Return TorchIO's Resample, as it is."""
    try:
        import torch
        import torchio
    except ImportError:
        return None
    affine = np.diag([OLD_MM, OLD_MM, OLD_MM, 1])
    image = torchio.ScalarImage(tensor=torch.from_numpy(source.voxels)[None], affine=affine)
    return torchio.Resample(NEW_MM)(image).numpy()[0]


def ctprep(source: Volume, *, antialias: bool) -> Array:
    """Return the step's result in single precision."""
    step = Resample(spacing_mm=(NEW_MM, NEW_MM, NEW_MM), antialias=antialias)
    return execute_on_volume(Program.compile([step], VolumeSpec(source.geometry), "float32"), source).array


def wave(source: Volume) -> Volume:
    """Return a wave of ``WAVE_MM`` along x, of amplitude ``NOISE_HU``."""
    x_mm = np.arange(SAMPLES) * OLD_MM
    voxels = np.broadcast_to(NOISE_HU * np.sin(2 * np.pi * x_mm / WAVE_MM), source.voxels.shape).astype(np.float32)
    return Volume(voxels, source.measured, source.geometry)


def share_left(array: Array) -> float:
    """Return the share of the variance of noise of ``NOISE_HU`` that an array still holds, away from its rim."""
    inner = array[RIM:-RIM, RIM:-RIM, RIM:-RIM]
    return float(inner.var(dtype=np.float64)) / NOISE_HU**2


def main() -> None:
    """Print the table."""
    noise = white_noise()
    fine = wave(noise)
    grid = change_of(noise, antialias=True)
    makers: dict[str, Callable[[Volume], Array | None]] = {
        "ctprep, antialias: true": lambda source: ctprep(source, antialias=True),
        "ctprep, antialias: false": lambda source: ctprep(source, antialias=False),
        "SimpleITK, sitkLinear": lambda source: simpleitk_linear(source, grid.geometry),
        "TorchIO, Resample": torchio_resample,
        "torch, antialias=True": torch_antialias,
        "scipy.ndimage.zoom, order 1": scipy_zoom,
    }
    print(
        f"{OLD_MM:g} mm -> {NEW_MM:g} mm on every axis: white noise of {NOISE_HU:g} HU, and a wave of {WAVE_MM:g} mm\n"
    )
    print(f"{'':28}{'noise left':>12}{'wave left':>12}")
    for name, antialias in (("filtered, in theory", True), ("linear, in theory", False)):
        print(f"{name:28}{NOISE_HU * share_in_theory(change_of(noise, antialias=antialias)) ** 0.5:>9.1f} HU")
    for name, make in makers.items():
        results = [make(noise), make(fine)]
        if results[0] is None or results[1] is None:
            print(f"{name:28}{'not installed':>15}")
            continue
        left, ghost = (share_left(result) for result in results)
        print(f"{name:28}{NOISE_HU * left**0.5:>9.1f} HU{(2 * ghost) ** 0.5:>11.1%}")


if __name__ == "__main__":
    main()
