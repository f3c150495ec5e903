"""Volumes for MONAI: MetaTensors with their affine."""

from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from pipeline.dataset.volume import MEASURED, CohortVolume, affine_xyz, to_cxyz


def to_metatensor(volume: CohortVolume, name: str | None = None) -> MetaTensor:
    """Return a volume, one of its labels or its ``mask`` as [c, x, y, z] with the affine to RAS millimetres.

    Values are float32, labels keep their type.  It is what MONAI's LoadImage makes of the NIfTI export.
    """
    tensor = torch.from_numpy(to_cxyz(_array(volume, name), volume.axes))
    meta = {"series_key": volume.key, "original_channel_dim": 0}
    return MetaTensor(tensor, affine=torch.from_numpy(affine_xyz(volume.geometry, volume.axes)), meta=meta)


def _array(volume: CohortVolume, name: str | None) -> Any:
    if name is None:
        return np.asarray(volume.values(), np.float32)
    return volume.measured().view(np.uint8) if name == MEASURED else np.asarray(volume.label(name)[...])
