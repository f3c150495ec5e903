"""Volumes for TorchIO: a subject with its image, its mask and its labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torchio

from pipeline.dataset.volume import MEASURED, CohortVolume, affine_xyz, to_cxyz


def to_subject(volume: CohortVolume, labels: Sequence[str] = (), columns: Sequence[str] = ()) -> torchio.Subject:
    """Return a subject: ``image`` in float32, ``mask``, each of ``labels``, ``key``, and ``columns`` of the manifest.

    Tensors are [c, x, y, z] with the affine to RAS millimetres, as TorchIO reads them from the NIfTI export.
    """
    affine = affine_xyz(volume.geometry, volume.axes)
    images: dict[str, Any] = {
        "image": torchio.ScalarImage(tensor=_tensor(volume, np.asarray(volume.values(), np.float32)), affine=affine),
        MEASURED: torchio.LabelMap(tensor=_tensor(volume, volume.measured().view(np.uint8)), affine=affine),
    }
    for name in labels:
        images[name] = torchio.LabelMap(tensor=_tensor(volume, np.asarray(volume.label(name)[...])), affine=affine)
    return torchio.Subject(images, key=volume.key, **{name: volume.row[name] for name in columns})


def _tensor(volume: CohortVolume, array: Any) -> torch.Tensor:
    return torch.from_numpy(to_cxyz(array, volume.axes))
