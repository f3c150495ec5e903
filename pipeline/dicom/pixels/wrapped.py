"""The repair of values that wrapped around: looked for only where ``hounsfield.wrapped`` asks for it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.hounsfield import to_hounsfield
from pipeline.dicom.pixels.named_errors import Reading, Unwrap, named_error
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.dicom.pixels.stored import StoredSlice, read_stored
from pipeline.dicom.policy import Policy


def unwrap_of(slices: Sequence[SliceHeader], policy: Policy) -> Unwrap | None:
    """Return the repair that a series' values need, None where they need none or the policy does not repair.

    Reads every slice once more than loading does.  Raises SeriesRefusedError for pixels that cannot be read.
    """
    reading = Reading.of(slices)
    if policy.hounsfield.wrapped != "repair" or reading is None or reading.signed:
        return None
    reader = PixelReader(policy.limits)
    counted: Counter[float] = Counter()
    for header in slices:
        plane = to_hounsfield(read_stored(header, reader), header, policy.hounsfield)
        held = plane.counts > 0
        counted.update(dict(zip(plane.values_hu[held].tolist(), plane.counts[held].tolist(), strict=True)))
    found = named_error(np.array(list(counted)), np.array(list(counted.values()), np.int64), reading)
    return found[0].unwrap if found else None


def unwrapped(stored: StoredSlice, header: SliceHeader, unwrap: Unwrap | None) -> tuple[StoredSlice, SliceHeader]:
    """Return a slice's stored values and its header as they were before the values wrapped."""
    if unwrap is None:
        return stored, header
    return replace(stored, values=unwrap.values(stored.values)), unwrap.header(header)
