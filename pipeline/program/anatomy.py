"""Where the body is, and the lungs in it: rules of thumb for a box around them, no segmentation to measure with."""

import numpy as np

from pipeline.program.samples import Samples
from pipeline.volume import Mask

TISSUE_HU = -300.0
"""What lies above is tissue: fat is at -100, a cushion or a table's foam at -900."""

AIR_HU = -400.0
"""What lies below is air or lung: healthy lung is at -850, the vessels in it are above."""

LEAST_LUNG_ML = 50.0
"""Less is an airway, a sinus or gas in the bowel; a newborn's lungs hold more."""

LEAST_SHARE = 0.2
"""Of the larger lung's size; a smaller piece of air is a full stomach rather."""


def body_of(samples: Samples) -> Mask:
    """Return the largest piece of tissue.

    Each axial slice is opened with a cross of three samples, so that what is thinner than about 5 mm is nothing: the
    shell of a table, tubes, blankets, noise.  What is left hangs together by faces, in 3D.
    """
    from scipy import ndimage  # noqa: PLC0415  half a second that only a search is worth

    cross = ndimage.generate_binary_structure(2, 1)[None]
    tissue = (samples.hu > TISSUE_HU) & samples.seen
    return _pieces(ndimage.binary_opening(tissue, cross))[0]


def lungs_of(samples: Samples) -> Mask:
    """Return the air that the body surrounds in its axial slices: the largest piece, and the second if it is no scrap.

    All False where the largest has less than 50 ml.  Airways that hang together with a lung count with it.
    """
    air = _surrounded(body_of(samples)) & (samples.hu < AIR_HU) & samples.seen
    first, second = _pieces(air)
    size = int(first.sum())
    if size * samples.sample_ml < LEAST_LUNG_ML:
        return np.zeros_like(first)
    return first | second if second.sum() >= LEAST_SHARE * size else first


def _surrounded(body: Mask) -> Mask:
    """Return what cannot be reached from a slice's border without crossing the body."""
    from scipy import ndimage  # noqa: PLC0415  as above

    in_slice = ndimage.generate_binary_structure(2, 1)[None].repeat(3, axis=0)
    in_slice[[0, 2]] = False
    numbers, n = ndimage.label(~body, in_slice)
    is_inside = np.ones(n + 1, np.bool_)
    is_inside[0] = False
    for border in (numbers[:, [0, -1]], numbers[:, :, [0, -1]]):
        is_inside[border] = False
    return np.asarray(is_inside[numbers])


def _pieces(mask: Mask) -> tuple[Mask, Mask]:
    """Return the largest and the second largest piece, all False where there is none."""
    from scipy import ndimage  # noqa: PLC0415  as above

    numbers, n = ndimage.label(mask)
    sizes = np.bincount(numbers.ravel(), minlength=n + 1)
    sizes[0] = 0
    largest = np.argsort(-sizes, kind="stable")[:2]
    first, second = (mask & (numbers == number) for number in np.resize(largest, 2))
    return first, second
