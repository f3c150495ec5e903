import warnings
from pathlib import Path

import numpy as np
import prepared
import pytest

from pipeline.dataset import Cohort

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transforms = pytest.importorskip("monai.transforms", reason="needs the extra monai")


@pytest.mark.filterwarnings("ignore:NvImgCodec")
@pytest.mark.parametrize("stack", ["regular", "coronal", "tilted"])
def test_a_metatensor_is_what_monai_makes_of_the_nifti_export(
    stack: str, moved: prepared.Moved, tmp_path: Path
) -> None:
    from pipeline.dataset.monai import to_metatensor
    from pipeline.export.nifti import write_nifti

    volume = moved("resample")[stack]
    (path,) = write_nifti(volume, tmp_path)
    loaded = transforms.LoadImage(image_only=True, ensure_channel_first=True)(path)
    ours = to_metatensor(volume)
    np.testing.assert_array_equal(ours.numpy(), loaded.numpy())
    np.testing.assert_allclose(ours.affine.numpy(), loaded.affine.numpy(), atol=1e-3)


def test_a_label_and_the_mask_become_tensors_too(packed: Cohort) -> None:
    from pipeline.dataset.monai import to_metatensor

    volume = next(packed.volumes())
    lesion, mask = to_metatensor(volume, "lesion"), to_metatensor(volume, "mask")
    np.testing.assert_array_equal(lesion.numpy()[0].T, volume.label("lesion")[...])
    assert mask.numpy().all()
    np.testing.assert_array_equal(lesion.affine, mask.affine)


def test_a_transform_of_monai_keeps_the_place(packed: Cohort) -> None:
    from pipeline.dataset.monai import to_metatensor

    volume = next(packed.volumes())
    turned = transforms.Orientation(axcodes="RAS", labels=None)(to_metatensor(volume))
    i, j, k = (n - 1 - at for n, at in zip(turned.shape[1:3], (4, 5), strict=True)), 0, 3
    x, y = i
    np.testing.assert_allclose(
        turned.affine.numpy() @ [x, y, k, 1], to_metatensor(volume).affine.numpy() @ [4, 5, 3, 1]
    )
    assert float(turned[0, x, y, k]) == float(volume.values()[3, 5, 4])
    assert j == 0
