"""Pixel spacings, compared as they are meant: those that differ by rounding are one."""

from collections.abc import Collection, Sequence
from decimal import Decimal

from pipeline.dicom.headers.slice import SliceHeader

RIM_SHARE = 0.1
"""Pixel spacings are one if the outermost pixels, seen from the centre, move by less than this share of a pixel."""
ROUNDED_DECIMALS, ROUNDED_RIM_SHARE = 3, 1.0
"""They are one too if one is the other with fewer decimals, but at least so many, and no pixel moves by one or more."""
A_LITTLE_MORE = 1 + 1e-6
"""What noise of floating point may add to a unit."""


def is_one_spacing(spacings_mm: Collection[float], n_pixels: int) -> bool:
    """Report pixel spacings that differ by rounding at most, such as 0.7421875 and 0.742188, or 0.624 and 0.625."""
    share = measure_rim_share(spacings_mm, n_pixels)
    return share <= RIM_SHARE or (share <= ROUNDED_RIM_SHARE and _are_roundings(spacings_mm))


def measure_rim_share(spacings_mm: Collection[float], n_pixels: int) -> float:
    """Return how far the outermost of ``n_pixels`` moves between two spacings, seen from the centre, in pixels."""
    return (max(spacings_mm) - min(spacings_mm)) * n_pixels / 2 / min(spacings_mm)


def count_decimals(value: float) -> int:
    """Return how many decimals a number is written with; zeros at its end do not count, and nan has none."""
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _are_roundings(values: Collection[float]) -> bool:
    """Report values each of which is the finest of them, rounded or cut to fewer decimals, at least ROUNDED_DECIMALS.

    Two that are written with as many decimals may differ by one unit of the last of them.
    """
    finest = max(values, key=count_decimals)
    for value in values:
        unit = 10.0 ** -max(count_decimals(value), ROUNDED_DECIMALS)
        if abs(value - finest) > unit * A_LITTLE_MORE:
            return False
    return max(values) - min(values) <= 10.0**-ROUNDED_DECIMALS * A_LITTLE_MORE


def describe_rounded_spacing(slices: Sequence[SliceHeader]) -> str | None:
    """Say how far the last pixel moves between the pixel spacings of a stack; None where that is not worth a word."""
    pixels = slices[0].pixels
    found = [
        ({header.plane.row_spacing for header in slices}, pixels.rows),
        ({header.plane.column_spacing for header in slices}, pixels.columns),
    ]
    if all(measure_rim_share(spacings, n_pixels) <= RIM_SHARE for spacings, n_pixels in found):
        return None
    edge_mm = max((max(spacings) - min(spacings)) * (n_pixels - 1) for spacings, n_pixels in found)
    return f"PixelSpacing differs by rounding between slices: up to {edge_mm:.2g} mm"
