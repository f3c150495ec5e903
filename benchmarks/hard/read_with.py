"""Runs inside a peer's own environment: reads one folder with one library, and leaves arrays with their affines.

python read_with.py LIBRARY default|best FOLDER OUT
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

Volumes = Iterator[tuple[Any, Any]]
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
BROKEN = (AttributeError, IndexError, KeyError, TypeError, UnboundLocalError, ZeroDivisionError)
"""No check raises these: the library came upon what its author had not thought of."""


def simpleitk(folder: Path, mode: str) -> Volumes:
    """Read every series as SimpleITK's own example does; at best, believe the key by which ITK says it is not even."""
    import SimpleITK as sitk  # noqa: N813  its customary name; only this peer has it

    for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        paths = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)
        image = sitk.ReadImage(paths if len(paths) > 1 else paths[0])  # one file may hold a whole volume
        key = "ITK_non_uniform_sampling_deviation"
        if mode == "best" and image.HasMetaDataKey(key):
            msg = f"{key} = {image.GetMetaData(key)}: sampling is not uniform"
            raise ValueError(msg)
        affine = np.eye(4)
        affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        affine[:3, 3] = image.GetOrigin()
        yield sitk.GetArrayFromImage(image).T, affine


def dicom2nifti(folder: Path, mode: str) -> Volumes:
    """Convert a series; at best with resampling on and the checks off that it can then do without."""
    import dicom2nifti as library
    import nibabel

    if mode == "best":
        library.settings.disable_validate_orthogonal()
        library.settings.disable_validate_slice_increment()
        library.settings.enable_resampling()
        library.settings.set_resample_spline_interpolation_order(1)
        library.settings.set_resample_padding(-1000)
    with TemporaryDirectory() as scratch:
        library.dicom_series_to_nifti(str(folder), str(Path(scratch) / "v.nii"), reorient_nifti=False)
        image = nibabel.load(Path(scratch) / "v.nii")
        array = image.get_fdata()
    for volume in np.moveaxis(array, 3, 0) if array.ndim == 4 else [array]:
        yield volume, RAS_TO_LPS @ image.affine


def highdicom(folder: Path, mode: str) -> Volumes:
    """Read a series as a volume; at best, without the inversion that is for display."""
    import highdicom as library
    from pydicom import dcmread

    show = {"apply_presentation_lut": mode == "default"}
    datasets = [dcmread(path) for path in sorted(folder.iterdir())]
    if "NumberOfFrames" in datasets[0]:
        volume = library.Image.from_dataset(datasets[0]).get_volume(**show)
    else:
        volume = library.get_volume_from_series(datasets, **show)
    yield volume.array, volume.affine


LIBRARIES: dict[str, Callable[[Path, str], Volumes]] = {
    "SimpleITK": simpleitk,
    "dicom2nifti": dicom2nifti,
    "highdicom": highdicom,
}


def main(library: str, mode: str, folder: str, out: str) -> None:
    """Read, and write what came of it."""
    logging.basicConfig(level=logging.WARNING)
    error = {}
    try:
        for k, (array, affine) in enumerate(LIBRARIES[library](Path(folder), mode)):
            np.savez(Path(out) / f"{k}.npz", array=array, affine=affine)
    except Exception as caught:  # noqa: BLE001  whatever a library raises is its answer
        error = {"text": f"error: {type(caught).__name__}: {caught}", "broken": isinstance(caught, BROKEN)}
    (Path(out) / "error.json").write_text(json.dumps(error), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
