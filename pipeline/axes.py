"""The two orders of axes, written out once: arrays are [z, y, x], patient coordinates are (x, y, z) in LPS.

An array index grows along z, then y (down the columns of a slice), then x (along its rows).  A position in the patient
is in millimetres in DICOM's own system: x towards the patient's left, y towards the back (posterior), z towards the
head (superior).  A bare tuple of three numbers appears nowhere else.
"""

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Zyx(NamedTuple, Generic[T]):
    """Three values in the order of an array's axes."""

    z: T
    y: T
    x: T


class Xyz(NamedTuple):
    """A point or direction in the patient, in LPS millimetres."""

    x: float
    y: float
    z: float


PATIENT_AXES = ("LR", "PA", "SI")
"""For x, y and z: the letter an axis gets when its coordinate grows, then when it falls (DICOM PS3.3 C.7.6.1.1.1)."""
