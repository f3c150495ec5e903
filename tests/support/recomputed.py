"""What must come of a series, worked out once more from its files in plain numpy, without the program's code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PADDING_STORED, PADDING_HU = -2000, -1024.0


@dataclass(frozen=True, eq=False)
class Expected:
    """Values [..., z, y, x] and where they were measured; ``axes`` are the rows z, y, x of directions in LPS."""

    values: Floats
    valid: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    axes: Floats

    def clipped(self, low_hu: float, high_hu: float) -> "Expected":
        return replace(self, values=np.clip(self.values, low_hu, high_hu))

    def scaled(self, low_hu: float, high_hu: float) -> "Expected":
        """Return the range as 0 to 1."""
        return replace(self, values=(np.clip(self.values, low_hu, high_hu) - low_hu) / (high_hu - low_hu))

    def oriented(self) -> "Expected":
        """Return the array turned to the patient's axes: z to the head, y to the back, x to the left."""
        order = [int(np.abs(self.axes[:, side]).argmax()) for side in (2, 1, 0)]
        axes = self.axes[order]
        ways = tuple(slice(None, None, -1 if axes[n][2 - n] < 0 else 1) for n in range(3))
        signs = np.array([way.step for way in ways])[:, None]
        spacing_mm = tuple(self.spacing_mm[n] for n in order)
        values, valid = (array.transpose(order)[ways] for array in (self.values, self.valid))
        return Expected(values, valid, spacing_mm, axes * signs)

    def resampled(self, spacing_mm: Sequence[float], kernel: "Kernel | None" = None) -> "Expected":
        """Return the volume at this spacing, its centre where it was; the kernel widens along axes that get coarser."""
        pairs = list(zip(self.values.shape, self.spacing_mm, spacing_mm, strict=True))
        counts = [max(1, ceil(n * old / new - 1e-6)) for n, old, new in pairs]
        places = [
            ((n - 1) - new / old * (count - 1)) / 2 + new / old * np.arange(count)
            for (n, old, new), count in zip(pairs, counts, strict=True)
        ]
        return self.at(places, [new / old for _, old, new in pairs], spacing_mm, kernel or triangle)

    def halved_in_plane(self) -> "Expected":
        """Return half as many rows and columns over the same field."""
        places = [np.arange(float(self.values.shape[0])), *(2 * np.arange(n / 2) + 0.5 for n in self.values.shape[1:])]
        z_mm, y_mm, x_mm = self.spacing_mm
        return self.at(places, [1, 2, 2], (z_mm, 2 * y_mm, 2 * x_mm), triangle)

    def at(
        self, places: Sequence[Floats], widths: Sequence[float], spacing_mm: Sequence[float], kernel: "Kernel"
    ) -> "Expected":
        """Return averages over what was measured around each place, in source samples; where nothing was, over all."""
        bands = [weights(at, n, width, kernel) for at, n, width in zip(places, self.values.shape, widths, strict=True)]
        plain, sums, share = (
            np.einsum("az,by,cx,zyx->abc", *bands, array, optimize=True)
            for array in (self.values, self.values * self.valid, self.valid.astype(float))
        )
        values = np.where(share > 1e-6, sums / np.where(share > 1e-6, share, 1), plain)
        inside = [(at > -1e-6) & (at < n - 1 + 1e-6) for at, n in zip(places, self.values.shape, strict=True)]
        within = inside[0][:, None, None] & inside[1][:, None] & inside[2]
        return Expected(values, within & (share > 0.5 - 1e-6), tuple(spacing_mm), self.axes)


Kernel = Callable[[Floats], Floats]


def triangle(x: Floats) -> Floats:
    """Linear interpolation."""
    return np.maximum(0, 1 - x)


def keys(x: Floats) -> Floats:
    """Cubic convolution with a = -0.5 (Keys 1981)."""
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.select([x < 1, x < 2], [near, far], 0.0)


def weights(places: Floats, n: int, width: float, kernel: Kernel) -> Floats:
    """Return the weights [place, sample] of a kernel that reaches so many times as far, if that is more than once."""
    distance = np.abs(np.arange(n) - np.clip(places, 0, n - 1)[:, None])
    found = kernel(distance / max(1.0, width))
    return found / found.sum(axis=1, keepdims=True)


def read(folder: Path) -> Expected:
    """Return a series as it lies on disk: HU, padding of -2000 set apart, slices in order along their normal."""
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    row, column = np.reshape(np.array(slices[0].ImageOrientationPatient, float), (2, 3))
    normal = np.cross(row, column)
    slices.sort(key=lambda one: float(normal @ place(one)))
    stored = np.stack([one.pixel_array for one in slices]).astype(float)
    hu = stored * float(slices[0].RescaleSlope) + float(slices[0].RescaleIntercept)
    valid = stored != PADDING_STORED
    step_mm = float(normal @ (place(slices[1]) - place(slices[0])))
    spacing_mm = (step_mm, *map(float, slices[0].PixelSpacing))
    return Expected(np.where(valid, hu, PADDING_HU), valid, spacing_mm, np.stack([normal, column, row]))


def place(slice_: pydicom.Dataset) -> Floats:
    """Return where a slice's first pixel lies, in LPS millimetres; by SliceLocation where nothing else is told."""
    told = slice_.get("ImagePositionPatient") or [0, 0, slice_.SliceLocation]
    return np.array(told, float)
