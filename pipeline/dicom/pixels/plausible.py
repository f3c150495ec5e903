"""Whether values are Hounsfield units: known errors that a histogram shows, and maps stored as CT images.

An error is believed only where undoing it raises the histogram's score by more than chance, a phantom or a narrow
field of view could.  The score is the share of voxels between air and bone, and the peaks: the lesser share of air and
soft tissue, the two that a body in air shows.  A missing peak alone refuses nothing.

Where a header may mean a map, the values decide: a scan shows air, which lies far below any value of a map.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.headers.maps import UNSPECIFIED, is_original, may_be_map
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.stored import Stored
from pipeline.features.tissue import (
    AIR_OR_INFLATED_LUNG_HU,
    BODY_ABOVE_HU,
    DENSE_BONE_HU,
    PLAUSIBLE_HU,
    SOFT_TISSUE_HU,
)

BODY_IN_AIR_HU = (PLAUSIBLE_HU[0], DENSE_BONE_HU)
"""What a body in air consists of, but for a small part."""

STRAY_SHARE = 0.01
"""More than this share lighter than fat is air or lung: where it is, no intercept was forgotten."""

NO_INTERCEPT = -100
"""An intercept above this leaves no room for air in unsigned values, and is none in signed ones."""
SCANNER_INTERCEPT = -900
"""An intercept below this is one that a scanner writes, -1000 or -1024 and beyond."""

EIGHT_BIT_TOP = (250, 255)
EIGHT_BIT_CODES = 192
"""Three quarters of the codes of a byte: an image scaled to 8 bits uses most of them."""

Values = NDArray[np.float64]
Counts = NDArray[np.int64]

AIR_BELOW_HU = -300
"""Air and lung lie below, and the edge of a body; fat, water and the noise of a map above."""
AIR_SHARE = 0.001
"""A scan shows at least so much of it, in a bowel or a windpipe if not around the body."""
ONE_VALUE_SHARE = 0.97
"""Air of a scan has noise, and an edge to the body; the background of a map has neither, but where it was resampled."""
BACKGROUND_SHARE = 0.25
"""At least so much of a map is its background, all of one value."""


@dataclass(frozen=True)
class Rescaling:
    """How stored values were rescaled to Hounsfield units, the same in every slice."""

    slope: float
    intercept: float
    signed: bool
    bits_stored: int

    @classmethod
    def of(cls, slices: Sequence[SliceHeader]) -> Self | None:
        """Return the rescaling of a series, None where its slices differ."""
        rescalings = {
            cls(header.rescale.slope, header.rescale.intercept, header.pixels.signed, header.pixels.bits_stored)
            for header in slices
        }
        return rescalings.pop() if len(rescalings) == 1 else None

    def to_stored(self, hu: Values) -> Values:
        """Return the stored values that were read as ``hu``."""
        return np.rint((hu - self.intercept) / self.slope)


@dataclass(frozen=True)
class Unwrap:
    """A repair of stored values: ``period`` less for those from ``first`` on.  Padding is moved with the pixels."""

    first: int
    period: int

    @property
    def trail(self) -> dict[str, Any]:
        """The provenance of the repair, as a store keeps it."""
        return {"step": "unwrap", "parameters": {"from": self.first, "subtract": self.period}}

    def values(self, stored: Stored) -> Stored:
        """Return stored values [y, x] as they were before they wrapped."""
        return np.where((stored >= self.first) & (stored < self.period), stored - self.period, stored)

    def header(self, header: SliceHeader) -> SliceHeader:
        """Return the slice's header with its padding moved too."""
        padding, limit = header.rescale.padding, header.rescale.padding_limit
        moved = replace(header.rescale, padding=self._moved(padding), padding_limit=self._moved(limit))
        return replace(header, rescale=moved)

    def _moved(self, value: int | None) -> int | None:
        return value if value is None else int(self.values(np.array(value)))


@dataclass(frozen=True)
class KnownError:
    """An error in words, and the values without it: None where it cannot have happened.

    It is believed if undoing it raises the score by ``least_gain`` and gives ``least_peaks``; ``unwrap`` is its repair,
    where there is one.
    """

    words: str
    undone: Callable[[Rescaling, Values, Counts], Values | None]
    least_gain: float
    least_peaks: float = 0
    unwrap: Unwrap | None = None

    def gain(self, rescaling: Rescaling, hu: Values, counts: Counts) -> float:
        """Return what undoing the error adds to the score, 0 where it is not believed."""
        undone = self.undone(rescaling, hu, counts)
        if undone is None or measure_peaks(undone, counts) < self.least_peaks:
            return 0.0
        gain = score_values(undone, counts) - score_values(hu, counts)
        return gain if gain >= self.least_gain else 0.0


def find_error(hu: Values, counts: Counts, rescaling: Rescaling) -> tuple[KnownError, str] | None:
    """Return the error that explains ``counts`` of values ``hu`` best, with the figures, None where none does."""
    gains = {error: error.gain(rescaling, hu, counts) for error in KNOWN_ERRORS}
    best, gain = max(gains.items(), key=lambda item: item[1])
    if not gain:
        return None
    as_read = score_values(hu, counts)
    return best, f"{best.words}: a score of {as_read:.2f} as read, and of {as_read + gain:.2f} without the error"


def score_values(hu: Values, counts: Counts) -> float:
    """Return how well values fit a body in air, 0 to 1.5: 1 where all lie in range, more with air and tissue."""
    return measure_share(hu, counts, *BODY_IN_AIR_HU) + measure_peaks(hu, counts)


def measure_peaks(hu: Values, counts: Counts) -> float:
    """Return the lesser of the shares of air and of soft tissue."""
    return min(measure_share(hu, counts, *AIR_OR_INFLATED_LUNG_HU), measure_share(hu, counts, *SOFT_TISSUE_HU))


def measure_share(hu: Values, counts: Counts, low_hu: float, high_hu: float) -> float:
    """Return the share of the voxels from ``low_hu`` to ``high_hu``."""
    return float(counts[(hu >= low_hu) & (hu <= high_hu)].sum() / max(1, int(counts.sum())))


def is_eight_bit(hu: Values, counts: Counts, rescaling: Rescaling) -> bool:
    """Report stored values that fill 0 to 255, as after a conversion to 8 bits, which cannot be undone."""
    stored = rescaling.to_stored(hu[counts > 0])
    fills = stored.size > 0 and stored.min() == 0 and EIGHT_BIT_TOP[0] <= stored.max() <= EIGHT_BIT_TOP[1]
    return bool(fills) and np.unique(stored).size >= EIGHT_BIT_CODES


SIGN = Unwrap(first=1 << 15, period=1 << 16)
TWELVE_BITS = Unwrap(first=(1 << 12) - 1200, period=1 << 12)
"""Negative values of 12 bits: down to -1200, for the noise of air; what is denser than 2896 HU counts as metal."""


def _sign(rescaling: Rescaling, hu: Values, _: Counts) -> Values | None:
    if rescaling.signed or rescaling.bits_stored < 16:
        return None
    return _unwrapped(rescaling, hu, SIGN)


def _wrapped(rescaling: Rescaling, hu: Values, _: Counts) -> Values | None:
    if (
        rescaling.signed
        or rescaling.intercept <= NO_INTERCEPT
        or rescaling.to_stored(hu).max(initial=0) >= TWELVE_BITS.period
    ):
        return None
    return _unwrapped(rescaling, hu, TWELVE_BITS)


def _unwrapped(rescaling: Rescaling, hu: Values, unwrap: Unwrap) -> Values:
    stored = rescaling.to_stored(hu)
    return hu - rescaling.slope * unwrap.period * ((stored >= unwrap.first) & (stored < unwrap.period))


def _forgotten_intercept(rescaling: Rescaling, hu: Values, counts: Counts) -> Values | None:
    if rescaling.intercept <= NO_INTERCEPT or measure_share(hu, counts, -np.inf, BODY_ABOVE_HU) > STRAY_SHARE:
        return None
    return hu - 1024


def _double_rescale(rescaling: Rescaling, hu: Values, _: Counts) -> Values | None:
    return hu - rescaling.intercept if rescaling.intercept < SCANNER_INTERCEPT else None


KNOWN_ERRORS = (
    KnownError("signed values are labelled unsigned", _sign, 0.02, unwrap=SIGN),
    KnownError("values wrapped around at 12 bits", _wrapped, 0.3, unwrap=TWELVE_BITS),
    KnownError("stored values are taken for HU, the intercept was forgotten", _forgotten_intercept, 0.6, 0.15),
    KnownError("values were rescaled twice", _double_rescale, 0.45, 0.15),
)
"""The first two are recognised by their bits; for the others a body must appear that was not there before."""


MOST = 0.5
DENSE_SHARE = 0.2
"""More than this share above dense bone is no body: as in images whose intercept was forgotten."""
STRAY_SHARE = 0.01


def check_hounsfield(first_bin_hu: int, counts: NDArray[np.int64], rescaling: Rescaling | None) -> str | None:
    """Say why a histogram of valid voxels in bins of 1 HU cannot be of a CT, None where it can.

    Known errors are tested only where all slices were rescaled in the same way.
    """
    if not counts.sum():
        return "no voxel was measured"
    if np.count_nonzero(counts) == 1:
        return "every measured voxel has the same value"
    hu = bin_centres_hu(first_bin_hu, counts)
    if rescaling and (named := _named(hu, counts, rescaling)):
        return named
    outside = 1 - measure_share(hu, counts, *PLAUSIBLE_HU)
    return (
        f"{outside:.0%} of the voxels lie outside {PLAUSIBLE_HU[0]} to {PLAUSIBLE_HU[1]} HU" if outside > MOST else None
    )


def _named(hu: Values, counts: NDArray[np.int64], rescaling: Rescaling) -> str | None:
    if is_eight_bit(hu, counts, rescaling):
        return "stored values fill 0 to 255: the image was converted to 8 bits"
    found = find_error(hu, counts, rescaling)
    return found[1] if found else None


def has_odd_range(first_bin_hu: int, counts: NDArray[np.int64]) -> bool:
    """Report values that are unusual, though they may be right: metal, a phantom, an odd intercept."""
    hu = bin_centres_hu(first_bin_hu, counts)
    outside = 1 - measure_share(hu, counts, *PLAUSIBLE_HU)
    return outside > STRAY_SHARE or measure_share(hu, counts, DENSE_BONE_HU, PLAUSIBLE_HU[1]) > DENSE_SHARE


def bin_centres_hu(first_bin_hu: int, counts: NDArray[np.int64]) -> Values:
    """Return the centres of bins of 1 HU."""
    return first_bin_hu + np.arange(counts.size, dtype=np.float64)


def check_map_values(slices: Sequence[SliceHeader], first_bin_hu: int, counts: Counts) -> str | None:
    """Say why the values of a series are those of a map, None where they are of a scan.

    ``counts`` is the histogram of valid voxels in bins of 1 HU.  Values are doubted only where a header gives cause.
    """
    if not counts.any():
        return None
    if any(map(may_be_map, slices)) and not has_air(slices[0], first_bin_hu, counts):
        return "ImageType or SeriesDescription names a map, and the values show no air as a scan does"
    if any(map(_is_derived_without_unit, slices)) and _lies_on_zero(first_bin_hu, counts):
        return "a derived image without a unit, with no value below 0 and a background of 0, as a map has"
    return None


def has_air(header: SliceHeader, first_bin_hu: int, counts: Counts) -> bool:
    """Report values of air; if nearly all are one value, they are the background of a map, but not of an original."""
    air = counts[: max(0, AIR_BELOW_HU - first_bin_hu)]
    if air.sum() < AIR_SHARE * counts.sum():
        return False
    return is_original(header) or bool(air.max() < ONE_VALUE_SHARE * air.sum())


def _is_derived_without_unit(header: SliceHeader) -> bool:
    return header.identity.image_type[:1] == ("DERIVED",) and header.rescale.unit in UNSPECIFIED


def _lies_on_zero(first_bin_hu: int, counts: Counts) -> bool:
    """Report values of which none is below 0, and many are 0."""
    least = int(np.argmax(counts > 0))
    return first_bin_hu + least == 0 and bool(counts[least] >= BACKGROUND_SHARE * counts.sum())
