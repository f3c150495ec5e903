"""Which series are wanted, by rules that need only the series itself.

Values of ImageType are those of DICOM PS3.3 C.7.6.1.1.2 and C.8.16.1, and what vendors write in their place.
"""

import re
from collections.abc import Sequence

import numpy as np

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.select.options import DerivedRule, SelectOptions
from pipeline.dicom.select.where import agrees, split_values
from pipeline.dicom.stack.stack import unit_directions

REFORMAT_WORDS = frozenset({"REFORMATTED", "MPR"})
PROJECTION_WORDS = frozenset(
    {"IP", "MIP", "MINIP", "MAXIP", "AIP", "MAXIMUM", "MINIMUM", "MEAN", "AVERAGE", "AVG", "PROJECTION"}
    | {"SUBTRACT", "SUBTRACTION", "SUBTRACTED", "DSA"}
    | {"3D", "VR", "VRT", "SSD", "RENDER", "RENDERED", "RENDERING"}
)
"""Words of images whose values are no longer those of one place: projections, subtractions, renderings.

``IP`` stands for MIN IP, MIN_IP and MAX_IP.
"""
WORD = re.compile(r"[A-Z0-9]+")


def check_derived(images: Sequence[SliceHeader], rule: DerivedRule) -> str | None:
    """Return why a rule leaves a series out, None where it does not; the images have one valid orientation."""
    if rule == "all":
        return None
    if rule == "none":
        return None if all(_is_original(header) for header in images) else "images that are not ORIGINAL"
    if any(_is_projection(header) for header in images):
        return "a projection, subtraction or rendering"
    if any(_is_derived(header) for header in images) and not _is_axial(images[0]):
        return "derived images in a plane that is not axial"
    return None


def _words(header: SliceHeader) -> set[str]:
    """Return the words of ImageType's values from the second on."""
    return set(WORD.findall(" ".join(header.identity.image_type[1:]).upper()))


def _is_projection(header: SliceHeader) -> bool:
    return not _words(header).isdisjoint(PROJECTION_WORDS)


def _is_derived(header: SliceHeader) -> bool:
    return header.identity.image_type[:1] == ("DERIVED",) or not _words(header).isdisjoint(REFORMAT_WORDS)


def _is_original(header: SliceHeader) -> bool:
    is_called_so = header.identity.image_type[:1] == ("ORIGINAL",)
    return is_called_so and not _is_derived(header) and not _is_projection(header)


def _is_axial(header: SliceHeader) -> bool:
    """Report a slice whose plane is nearest to the axial one."""
    return int(np.argmax(np.abs(unit_directions(header)[2]))) == 2


def check_selection(series: Series, options: SelectOptions) -> str | None:
    """Return the rule that leaves a series out, by its own headers alone; None where it may stay.

    An element counts with all values that the series' images have.  The answer holds no value of a header.
    """
    images = series.images
    if objection := check_derived(images, options.derived):
        return f"derived: {options.derived} leaves out {objection}"
    for keyword, rule in options.where.items():
        if not agrees(split_values(header.elements.get(keyword) for header in images), rule):
            return f"where: {keyword} is not as asked"
    return None
