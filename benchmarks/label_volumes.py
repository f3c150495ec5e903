"""How far resampling changes the volume of a mask: ctprep, and the nearest sample beside it.

Balls, a rod and a shell are drawn on slices of four spacings, four times each at another place, and resampled to cubes.
Errors are in percent of the volume on the source's slices: the mean of their sizes, and the worst.

    python benchmarks/label_volumes.py
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.program.axis import axis_weights
from pipeline.program.changes import GridChange
from pipeline.program.labels import carry_labels
from pipeline.steps.resample import Resample
from pipeline.volume import VolumeSpec

SPACINGS_MM = ((5.0, 0.7, 0.7), (3.27, 0.977, 0.977), (2.5, 0.8, 0.8), (1.0, 0.7, 0.7))
TARGETS_MM = (1.0, 1.5, 2.0, 3.0)
TIMES, MARGIN_MM = 4, 6.0
AXES = Zyx(Xyz(0.0, 0.0, 1.0), Xyz(0.0, 1.0, 0.0), Xyz(1.0, 0.0, 0.0))

Places = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
Shape = Callable[[Places], NDArray[np.bool_]]


def ball(radius_mm: float) -> Shape:
    """Return what is inside a ball."""
    return lambda places: squared(places) < radius_mm**2


def shell(radius_mm: float, thickness_mm: float) -> Shape:
    """Return what is inside a ball, and outside a smaller one."""
    return lambda places: (squared(places) < radius_mm**2) & (squared(places) > (radius_mm - thickness_mm) ** 2)


def rod(radius_mm: float, half_length_mm: float) -> Shape:
    """Return what is inside an oblique cylinder."""
    z, y, x = np.array([0.5, 0.3, 0.812])

    def inside(places: Places) -> NDArray[np.bool_]:
        along = places[0] * z + places[1] * y + places[2] * x
        is_within: NDArray[np.bool_] = (np.abs(along) < half_length_mm) & (squared(places) - along**2 < radius_mm**2)
        return is_within

    return inside


def squared(places: Places) -> NDArray[np.float64]:
    """Return the squared distance from the middle."""
    z, y, x = places
    distances: NDArray[np.float64] = z**2 + y**2 + x**2
    return distances


SHAPES: dict[str, tuple[Shape, float]] = {
    "ball of 30 mm radius": (ball(30), 30),
    "ball of 10 mm radius": (ball(10), 10),
    "ball of 5 mm radius": (ball(5), 5),
    "ball of 3 mm radius": (ball(3), 3),
    "rod of 4 mm radius": (rod(4, 25), 29),
    "shell 3 mm thick": (shell(25, 3), 25),
}


def draw(shape: Shape, reach_mm: float, spacing_mm: Zyx[float], off_mm: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a shape on a grid that holds it, its middle a little off the grid's."""
    axes = []
    for spacing, off in zip(spacing_mm, off_mm, strict=True):
        n = int(np.ceil(2 * (reach_mm + MARGIN_MM) / spacing))
        axes.append((np.arange(n) - (n - 1) / 2) * spacing + off)
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    return shape((z, y, x)).astype(np.uint8)


def take_nearest(labels: NDArray[np.uint8], change: GridChange) -> NDArray[np.uint8]:
    """Return the labels of the nearest samples."""
    return labels[np.ix_(*(axis_weights(replace(axis, method="nearest"))[0] for axis in change.axes))]


def measure(shape: Shape, reach_mm: float, target_mm: float) -> NDArray[np.float64]:
    """Return errors in percent [run, 2]: by shares, and by the nearest sample."""
    rng = np.random.default_rng(1)
    errors = []
    for spacing in (Zyx(*one) for one in SPACINGS_MM for _ in range(TIMES)):
        labels = draw(shape, reach_mm, spacing, rng.uniform(-0.5, 0.5, 3) * spacing)
        grid = Geometry(Zyx(*labels.shape), spacing, Xyz(0.0, 0.0, 0.0), AXES)
        change = Resample(spacing_mm=(target_mm,) * 3).change(VolumeSpec(grid))
        larger = np.prod(change.geometry.spacing_mm) / np.prod(spacing)
        counts = np.array([carry_labels(labels, change).sum(), take_nearest(labels, change).sum()])
        errors.append(100 * (counts * larger / labels.sum() - 1))
    return np.array(errors)


def main() -> None:
    """Print the table of docs/labels.md."""
    print("| | " + " | ".join(f"{target} mm" for target in TARGETS_MM) + " | nearest sample, 1 mm |")
    for name, (shape, reach_mm) in SHAPES.items():
        sizes = [np.abs(measure(shape, reach_mm, target)) for target in TARGETS_MM]
        cells = [f"{size[:, 0].mean():.1f} ({size[:, 0].max():.1f})" for size in sizes]
        cells.append(f"{sizes[0][:, 1].mean():.1f} ({sizes[0][:, 1].max():.1f})")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
