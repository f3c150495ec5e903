"""The repair of values that wrapped around: looked for only where ``hounsfield.wrapped`` asks for it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.hounsfield import to_hounsfield
from pipeline.dicom.pixels.named_errors import Reading, Unwrap, named_error
from pipeline.dicom.pixels.stored import Stored, read_stored
from pipeline.dicom.policy import Policy


def unwrap_of(slices: Sequence[SliceHeader], policy: Policy) -> Unwrap | None:
    """Return the repair that a series' values need, None where they need none or the policy does not repair.

    Reads every slice once more than loading does.  Raises SeriesRefusedError for pixels that cannot be read.
    """
    reading = Reading.of(slices)
    if policy.hounsfield.wrapped != "repair" or reading is None or reading.signed:
        return None
    counted: Counter[float] = Counter()
    for header in slices:
        plane = to_hounsfield(read_stored(header, policy.limits).values, header, policy.hounsfield)
        values, counts = np.unique(plane.hu[plane.measured], return_counts=True)
        counted.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    found = named_error(np.array(list(counted)), np.array(list(counted.values()), np.int64), reading)
    return found[0].unwrap if found else None


def unwrapped(stored: Stored, header: SliceHeader, unwrap: Unwrap | None) -> tuple[Stored, SliceHeader]:
    """Return a slice's stored values and its header as they were before the values wrapped."""
    return (unwrap.values(stored), unwrap.header(header)) if unwrap else (stored, header)
