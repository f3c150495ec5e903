"""Positions for a series that has none, from SliceLocation or InstanceNumber: a guess, allowed by the policy alone."""

from collections.abc import Sequence
from dataclasses import replace
from math import isclose

import numpy as np

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import GeometryOptions
from pipeline.dicom.stack.stack import ALIKE_SHARE, find_usual_step_mm, unit_directions
from pipeline.geometry import Xyz
from pipeline.vocabulary import SeriesWarning

AXIAL_COSINE = 0.9998
"""The normal of an axial slice lies within about a degree of the patient's z axis."""
NEAR_SHARE = 0.1
"""SpacingBetweenSlices is believed if it is this near to the thickness."""

Slices = Sequence[SliceHeader]


def add_positions(series: Series, options: GeometryOptions) -> Series:
    """Return the series with a position for each image, or as it is where that is not allowed or not possible.

    Only upright axial series are changed of which no image has a position.  SliceLocation is taken for the patient's z,
    though it may run against it; InstanceNumber is taken to grow along the slices' normal.  The centre of the first
    pixel is put at x = y = 0, because its place is not known.  Each image carries W_POSITION_FALLBACK.
    """
    images = series.images
    if options.missing_position == "reject" or not images or not all(_may_be_placed(header) for header in images):
        return series
    heights = _locations(images) if options.missing_position == "slice_location" else _counted(images)
    if heights is None:
        return series
    placed = {id(header): _placed(header, z_mm) for header, z_mm in zip(images, heights, strict=True)}
    return replace(series, slices=tuple(placed.get(id(header), header) for header in series.slices))


def _may_be_placed(header: SliceHeader) -> bool:
    """Report an upright axial image without a position; one that is there, and cannot be read, is another matter."""
    plane = header.plane
    if plane.position is not None or plane.row_direction is None or plane.column_direction is None:
        return False
    return not plane.gantry_tilt and abs(_normal_z(header)) >= AXIAL_COSINE


def _normal_z(header: SliceHeader) -> float:
    """Return the patient's z of a slice's normal; 0 where the directions are none."""
    if not (any(header.plane.row_direction or ()) and any(header.plane.column_direction or ())):
        return 0.0
    return float(unit_directions(header)[2][2])


def _locations(images: Slices) -> list[float] | None:
    """Return each image's SliceLocation, None where one has none."""
    found = [header.plane.slice_location for header in images]
    return [location for location in found if location is not None] if None not in found else None


def _counted(images: Slices) -> list[float] | None:
    """Return each image's place by its number, None where a number or the step is not known."""
    numbers = [header.instance_number for header in images]
    step_mm = _step_mm(images)
    if step_mm is None:
        return None
    way = 1 if _normal_z(images[0]) > 0 else -1
    return [way * step_mm * number for number in numbers if number is not None] if None not in numbers else None


def _step_mm(images: Slices) -> float | None:
    """Return SpacingBetweenSlices where it is near the thickness or the step of SliceLocation, else that step."""
    spacings = {abs(header.plane.spacing_between_slices or 0.0) for header in images}
    thickness = images[0].plane.thickness
    location_step = _location_step_mm(images)
    spacing = spacings.pop() if len(spacings) == 1 else None
    if spacing and thickness and isclose(spacing, thickness, rel_tol=NEAR_SHARE):
        return spacing
    if spacing and location_step and isclose(spacing, location_step, rel_tol=ALIKE_SHARE):
        return spacing
    return location_step


def _location_step_mm(images: Slices) -> float | None:
    locations = _locations(images)
    distinct = np.unique(locations or ())
    return find_usual_step_mm(distinct) if len(distinct) == len(images) > 1 else None


def _placed(header: SliceHeader, z_mm: float) -> SliceHeader:
    return replace(
        header,
        plane=replace(header.plane, position=Xyz(0.0, 0.0, z_mm)),
        warnings=header.warnings | {SeriesWarning.W_POSITION_FALLBACK},
    )
