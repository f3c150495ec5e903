"""The ranges of values that pictures are shown in, from black to white."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.features.tissue import AERATED_LUNG_HU

Values = NDArray[np.float32]

LUNG_LEAST_SHARE = 0.25
"""Of all that is denser than air in the middle of the planes, so much must be lung for a chest to be seen in them."""


@dataclass(frozen=True)
class DisplayWindow:
    """The range of values shown from black to white, and how it is written; values that are not HU have no unit."""

    name: str
    low: float
    high: float
    unit: str = "HU"
    digits: int = 0

    @property
    def slug(self) -> str:
        """The window's name as part of a file's."""
        return self.name.replace(" ", "-")

    def grey(self, values: Values) -> NDArray[np.uint8]:
        """Return values as grey, black to white."""
        grey: NDArray[np.uint8] = np.rint(np.clip((values - self.low) / (self.high - self.low), 0, 1) * 255).astype(
            np.uint8
        )
        return grey


LUNG = DisplayWindow("lung", -1350.0, 150.0)
SOFT_TISSUE = DisplayWindow("soft tissue", -160.0, 240.0)
BRAIN = DisplayWindow("brain", 0.0, 80.0)
BONE = DisplayWindow("bone", -770.0, 1730.0)
BONE_FROM_HU = 500.0
"""Where the volume was clipped below this, the bone window would show nothing that the others do not."""


def hu_line(attributes: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return a and b of ``HU = a * value + b`` for a store's first channel, or None where there is no way back."""
    if attributes.get("units") == "HU":
        return 1.0, 0.0
    inverse = attributes.get("inverse")
    first = inverse[0] if isinstance(inverse, list) and inverse else inverse
    return (float(first["a"]), float(first["b"])) if first else None


@dataclass(frozen=True)
class StoredScale:
    """How stored numbers become the values that are shown: ``a * number + b``, in HU where there is a way back."""

    a: float
    b: float
    in_hu: bool

    @classmethod
    def of(cls, attributes: Mapping[str, Any], packing: Mapping[str, Any]) -> "StoredScale":
        """Return the scale of a store's first channel; ``packing`` holds ``scale_factor`` and ``add_offset``, if any.

        Source: CF conventions 8.1.
        """
        scale, offset = packing.get("scale_factor"), packing.get("add_offset")
        scale, offset = 1.0 if scale is None else scale, 0.0 if offset is None else offset
        line = hu_line(attributes)
        a, b = line or (1.0, 0.0)
        return cls(a * scale, a * offset + b, in_hu=line is not None)

    def values(self, numbers: NDArray[Any]) -> Values:
        """Return the values of stored numbers."""
        return numbers.astype(np.float32) * np.float32(self.a) + np.float32(self.b)

    def greys(self, numbers: NDArray[Any], window: DisplayWindow) -> NDArray[np.uint8]:
        """Return stored numbers as grey in a window; those of one or two bytes are looked up in a table."""
        if numbers.itemsize > 2:
            return window.grey(self.values(numbers))
        code = np.dtype(f"u{numbers.itemsize}")
        every = np.arange(2 ** (8 * numbers.itemsize), dtype=code).view(numbers.dtype)
        table = window.grey(self.values(np.nan_to_num(every)))
        grey: NDArray[np.uint8] = table[numbers.view(code)]
        return grey


def windows_for(planes: Sequence[Values], *, in_hu: bool) -> tuple[DisplayWindow, ...]:
    """Return the windows that suit the values, the best first, none wider than the values are.

    A chest is recognised by its lung, looked for in the middle half of the planes alone: what a patient lies on has the
    density of lung as well.
    """
    values = np.concatenate([plane.ravel() for plane in planes])
    if not in_hu:
        low, high = np.percentile(values, (1, 99))
        return (
            DisplayWindow("stored values", float(low), max(float(high), np.nextafter(low, np.inf)), unit="", digits=3),
        )
    middle = np.concatenate([_middle(plane) for plane in planes])
    dense = middle > AERATED_LUNG_HU[0]
    lung = np.count_nonzero(dense & (middle < AERATED_LUNG_HU[1]))
    is_chest = lung > LUNG_LEAST_SHARE * np.count_nonzero(dense)
    least, most = float(values.min()), float(values.max())
    suited = (LUNG, SOFT_TISSUE) if is_chest else (SOFT_TISSUE, BRAIN)
    with_bone = (BONE,) if most > BONE_FROM_HU else ()
    return tuple(_within(window, least, most) for window in (*suited, *with_bone))


def _within(window: DisplayWindow, least: float, most: float) -> DisplayWindow:
    low, high = max(window.low, least), min(window.high, most)
    return DisplayWindow(window.name, low, high) if low < high else window


def _middle(plane: Values) -> Values:
    height, width = plane.shape
    return plane[height // 4 : height - height // 4, width // 4 : width - width // 4].ravel()
