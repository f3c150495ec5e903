"""The body and the lungs in a volume, found in samples of about two millimetres."""

from dataclasses import dataclass
from math import ceil, prod
from typing import Self

import numpy as np

from pipeline.features.tissue import BODY_ABOVE_HU, LUNG_OR_AIR_BELOW_HU
from pipeline.geometry import Geometry, Zyx
from pipeline.volume import Mask, Volume, Voxels

SAMPLE_MM = 2.0
"""The largest distance between samples, unless voxels are larger."""

SAMPLE_BYTES = 4 + 8 + 4
"""Bytes a sample: component numbers, the same while they are counted, and masks."""

Box = tuple[Zyx[int], Zyx[int]]
"""Start and shape, in voxels."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Every k-th voxel along each axis; the arrays have the axis between foot and head in front.

    ``seen`` is True where a value may be used: valid, or interpolated between valid ones.
    """

    hu: Voxels
    seen: Mask
    geometry: Geometry

    @classmethod
    def of(cls, volume: Volume) -> Self:
        """Return the samples of a volume's first channel, as views."""
        every = tuple(slice(None, None, k) for k in strides(volume.geometry))
        seen = volume.valid if volume.usable is None else volume.usable
        axial = _axial(volume.geometry)
        return cls(
            np.moveaxis(volume.by_channel[0][every], axial, 0),
            np.moveaxis(seen[every], axial, 0),
            volume.geometry,
        )

    @property
    def sample_ml(self) -> float:
        """The volume of a sample, in millilitres."""
        return prod(k * mm for k, mm in zip(strides(self.geometry), self.geometry.spacing_mm, strict=True)) / 1000

    def box_around(self, found: Mask, margin_mm: float) -> Box | None:
        """Return the box of voxels around what was found, with a margin as far as the volume goes; None if nothing was.

        The box extends to the neighbouring samples, so that voxels between samples are never cut off.
        """
        if not found.any():
            return None
        upright = np.moveaxis(found, 0, _axial(self.geometry))
        sides = zip(range(3), self.geometry.shape, strides(self.geometry), self.geometry.spacing_mm, strict=True)
        starts, stops = zip(
            *(_side(upright, axis, n, k, ceil(margin_mm / mm)) for axis, n, k, mm in sides), strict=True
        )
        return Zyx(*starts), Zyx(*(stop - start for start, stop in zip(starts, stops, strict=True)))


def strides(geometry: Geometry) -> Zyx[int]:
    """Return the number of voxels from sample to sample."""
    return Zyx(*(max(1, int(SAMPLE_MM / mm)) for mm in geometry.spacing_mm))


def search_bytes(geometry: Geometry) -> int:
    """Return the bytes that a search needs beside the volume."""
    return SAMPLE_BYTES * prod(ceil(n / k) for n, k in zip(geometry.shape, strides(geometry), strict=True))


def _axial(geometry: Geometry) -> int:
    """Return the array's axis that runs between foot and head."""
    return geometry.nearest_patient_axes.index(2)


def _side(found: Mask, axis: int, n: int, k: int, margin: int) -> tuple[int, int]:
    """Return the first voxel of a box along an axis of n voxels, and the one after its last; k is the stride."""
    hits = np.flatnonzero(found.any(axis=tuple(other for other in range(3) if other != axis)))
    first, last = int(hits[0]) * k, int(hits[-1]) * k
    return max(0, first - (k - 1) - margin), min(n, last + k + margin)


LEAST_LUNG_ML = 50.0
"""Less is an airway, a sinus or gas in the bowel; the lungs of a newborn hold more."""

LEAST_SHARE = 0.2
"""Of the size of the larger lung; a smaller piece of air is rather a full stomach."""


def find_body(samples: Samples) -> Mask:
    """Return the largest piece of tissue.

    Each axial slice is opened with a cross of three samples, which removes objects thinner than about 5 mm: the shell
    of a table, tubes, blankets, noise.  Pieces are connected by faces, in 3D.
    """
    from scipy import ndimage  # noqa: PLC0415  takes half a second, needed for a search only

    cross = ndimage.generate_binary_structure(2, 1)[None]
    tissue = (samples.hu > BODY_ABOVE_HU) & samples.seen
    return _find_largest_pieces(ndimage.binary_opening(tissue, cross))[0]


def find_lungs(samples: Samples) -> Mask:
    """Return the air surrounded by the body in axial slices: the largest piece, and the second if it is large enough.

    All False where the largest has less than 50 ml.  Airways connected to a lung count with it.
    """
    air = _find_surrounded(find_body(samples)) & (samples.hu < LUNG_OR_AIR_BELOW_HU) & samples.seen
    first, second = _find_largest_pieces(air)
    size = int(first.sum())
    if size * samples.sample_ml < LEAST_LUNG_ML:
        return np.zeros_like(first)
    return first | second if second.sum() >= LEAST_SHARE * size else first


def find_inside(samples: Samples, margin_mm: float) -> Mask | None:
    """Return the voxels of the body, of what it surrounds, and within a margin of both; None where there is no body.

    Each voxel is as the sample nearest to it, in the order of the volume's axes.
    """
    from scipy import ndimage  # noqa: PLC0415  as above

    body = find_body(samples)
    if not body.any():
        return None
    axial, every = _axial(samples.geometry), strides(samples.geometry)
    inside = np.moveaxis(body | _find_surrounded(body), 0, axial)
    step_mm = [k * mm for k, mm in zip(every, samples.geometry.spacing_mm, strict=True)]
    if margin_mm:
        inside = ndimage.distance_transform_edt(~inside, step_mm) <= margin_mm
    for axis, (n, k) in enumerate(zip(samples.geometry.shape, every, strict=True)):
        nearest = np.minimum((np.arange(n) + k // 2) // k, inside.shape[axis] - 1)
        inside = inside.take(nearest, axis)
    return np.asarray(inside, np.bool_)


def _find_surrounded(body: Mask) -> Mask:
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


def _find_largest_pieces(mask: Mask) -> tuple[Mask, Mask]:
    """Return the largest and the second largest piece, all False where there is none."""
    from scipy import ndimage  # noqa: PLC0415  as above

    numbers, n = ndimage.label(mask)
    sizes = np.bincount(numbers.ravel(), minlength=n + 1)
    sizes[0] = 0
    largest = np.argsort(-sizes, kind="stable")[:2]
    first, second = (mask & (numbers == number) for number in np.resize(largest, 2))
    return first, second
