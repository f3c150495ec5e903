"""Resampling alone: the streamed loop beside SimpleITK's filter, on one volume, one thread each; and how they differ.

The volume is 512 x 512 x 140 of 0.7 x 0.7 x 2.5 mm, resampled to 1 mm, linear.  ``loop`` is all that happens between
a slice in HU and a plane in int16: weighted sums along three axes, clip, rounding.  SimpleITK's time is that of its
``ResampleImageFilter`` alone, memory to memory.  The difference is the largest away from the rim, before rounding.

    python benchmarks/resample.py [--rounds 5]
"""

import sys
from argparse import ArgumentParser
from statistics import median
from time import perf_counter

import numpy as np
import SimpleITK

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.kernels import bands
from pipeline.program.execute import execute_on_volume
from pipeline.program.program import Program
from pipeline.steps.clip import Clip
from pipeline.steps.resample import Resample
from pipeline.volume import Volume, VolumeSpec

STRAIGHT = Zyx(Xyz(0.0, 0.0, 1.0), Xyz(0.0, 1.0, 0.0), Xyz(1.0, 0.0, 0.0))
SHAPE, SPACING_MM = Zyx(140, 512, 512), Zyx(2.5, 0.7, 0.7)
RIM = 2


def phantom() -> Volume:
    """Return a smooth body with noise of 20 HU, in whole HU."""
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE)
    body = 1000 * np.exp(-2 * (y[:, None] ** 2 + x**2)) - 1000 + 60 * np.sin(9 * z)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 20, SHAPE)
    voxels = np.rint(body + noise).astype(np.float32)
    return Volume(voxels, np.ones(SHAPE, np.bool_), Geometry(SHAPE, SPACING_MM, Xyz(0.0, 0.0, 0.0), STRAIGHT))


def streamed(source: Volume, *, antialias: bool) -> float:
    """Let all planes through the program, and return the seconds that took."""
    program = Program.compile(
        [Resample(spacing_mm=(1, 1, 1), antialias=antialias), Clip(-1000, 400)], VolumeSpec(source.geometry)
    )
    began = perf_counter()
    prepared = execute_on_volume(program, source)
    for z in range(prepared.spec.geometry.shape.z):
        prepared.plane(z)
    return perf_counter() - began


def simpleitk(source: Volume, target: Geometry) -> tuple[float, np.ndarray]:
    """Return the seconds that the filter took, and its result."""
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image = SimpleITK.GetImageFromArray(source.voxels)
    image.SetSpacing(source.geometry.spacing_mm[::-1])
    resample = SimpleITK.ResampleImageFilter()
    resample.SetInterpolator(SimpleITK.sitkLinear)
    resample.SetSize(target.shape[::-1])
    resample.SetOutputSpacing(target.spacing_mm[::-1])
    resample.SetOutputOrigin(target.origin_mm)
    began = perf_counter()
    result = resample.Execute(image)
    return perf_counter() - began, SimpleITK.GetArrayFromImage(result)


def main(arguments: list[str]) -> None:
    """Print a line each."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    bands.warm()
    source = phantom()
    program = Program.compile([Resample(spacing_mm=(1, 1, 1), antialias=False)], VolumeSpec(source.geometry), "float32")
    target = program.result.geometry
    ours, filtered, theirs = [], [], []
    for _ in range(rounds):
        ours.append(streamed(source, antialias=False))
        filtered.append(streamed(source, antialias=True))
        seconds, peer = simpleitk(source, target)
        theirs.append(seconds)
    inner = (slice(RIM, -RIM),) * 3
    difference = np.abs(execute_on_volume(program, source).array - peer)[inner].max()
    for name, seconds in (("loop", ours), ("loop, with the filter", filtered), ("SimpleITK", theirs)):
        ratios = sorted(other / own for other, own in zip(theirs, seconds, strict=True))
        spread = f"({ratios[0]:.1f}-{ratios[-1]:.1f})"
        print(f"{name:<24}{median(seconds):8.3f} s   {median(ratios):5.1f} times faster than SimpleITK {spread}")
    print(f"largest difference from SimpleITK: {difference:.6f} HU")


if __name__ == "__main__":
    main(sys.argv[1:])
