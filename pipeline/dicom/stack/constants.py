"""What is constant within one reconstruction, compared as it is meant: numbers that differ by rounding are one."""

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.record import ElementValue

ROUNDING_SHARE = 2e-3
"""Numbers that differ by less are one number, written with other decimals: 0.624 and 0.625, 360 and 359.9999."""
UNKNOWN = (None, None, None, None)

Names = tuple[str, ...]


def list_constants(slices: Sequence[SliceHeader]) -> dict[str, Names]:
    """Return for each element what each slice says of its reconstruction, as a name; empty where it says nothing."""
    reconstructions = [header.reconstruction or UNKNOWN for header in slices]
    kernels, voltages, thicknesses, agents = zip(*reconstructions, strict=True)
    diameters = [header.reconstruction_diameter for header in slices]
    kinds = ["/".join(header.identity.image_type[2:]) for header in slices]
    return {
        "ConvolutionKernel": _name_texts(kernels),
        "KVP": name_numbers(voltages),
        "SliceThickness": name_numbers(thicknesses),
        "ContrastBolusAgent": _name_texts(agents),
        "ReconstructionDiameter": name_numbers(diameters),
        "ImageType": _name_texts(kinds),
    }


def name_numbers(values: Iterable[ElementValue]) -> Names:
    """Return a name for each number, the same for those that differ by rounding; a text that is no number is a name."""
    texts = _name_texts(values)
    numbers = {text: number for text in set(texts) if (number := _as_number(text)) is not None}
    names, first = {}, None
    for text, number in sorted(numbers.items(), key=lambda item: (item[1], item[0])):
        if first is None or number - numbers[first] > ROUNDING_SHARE * abs(number):
            first = text
        names[text] = first
    return tuple(names.get(text, text) for text in texts)


def _name_texts(values: Iterable[ElementValue]) -> Names:
    return tuple("" if value is None else str(value).strip().casefold() for value in values)


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
