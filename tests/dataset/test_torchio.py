import warnings
from pathlib import Path

import numpy as np
import prepared
import pytest

from pipeline.dataset import Cohort

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    torchio = pytest.importorskip("torchio", reason="needs the extra torchio")


@pytest.mark.parametrize("stack", ["regular", "coronal"])
def test_a_subjects_image_is_what_torchio_reads_from_the_nifti_export(
    stack: str, moved: prepared.Moved, tmp_path: Path
) -> None:
    from pipeline.dataset.torchio import to_subject
    from pipeline.export.nifti import write_nifti

    volume = moved("resample")[stack]
    (path,) = write_nifti(volume, tmp_path)
    read, ours = torchio.ScalarImage(path), to_subject(volume).image
    np.testing.assert_array_equal(ours.data.numpy(), read.data.numpy())
    np.testing.assert_allclose(ours.affine, read.affine, atol=1e-3)


def test_a_subject_has_its_mask_labels_and_columns(packed: Cohort) -> None:
    from pipeline.dataset.torchio import to_subject

    volume = next(packed.volumes())
    subject = to_subject(volume, labels=["lesion"], columns=["kernel_class"])
    assert isinstance(subject.lesion, torchio.LabelMap)
    np.testing.assert_array_equal(subject.lesion.numpy()[0].T, volume.label("lesion")[...])
    assert subject.mask.numpy().all()
    assert (subject.key, subject.kernel_class) == (volume.key, volume.row["kernel_class"])
