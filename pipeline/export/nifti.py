"""Volumes, masks and labels to NIfTI, and masks from it."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.orientations import io_orientation, ornt_transform
from numpy.typing import NDArray

from pipeline.dataset import CohortVolume
from pipeline.dataset.volume import MEASURED, affine_xyz, to_cxyz
from pipeline.errors import UsageError
from pipeline.output.durable import write_bytes

UNKNOWN, SCANNER = 0, 1
"""NIFTI_XFORM_UNKNOWN: there is no such transform; NIFTI_XFORM_SCANNER_ANAT: coordinates of the scanner."""

SAME_MM = 1e-2
"""A mask lies on a volume's grid if no entry of their affines differs by more: NIfTI keeps them in float32.  A grid is
sheared if a qform puts a voxel farther off."""

ValueType = Literal["int16", "float32"]


def write_nifti(
    volume: CohortVolume, folder: Path, dtype: ValueType | None = None, *, with_masks: bool = False
) -> list[Path]:
    """Write ``<series_key>.nii.gz``, and on request the mask and labels beside it; return the files.

    Values are HU where a way leads back to them.  Without ``dtype``, int16 where the store holds HU as integers, else
    float32.  [x, y, z], with channels [x, y, z, c]; the affine leads to RAS millimetres.  It is the sform; a qform
    holds no shear, so there is none (code 0) where the grid is sheared.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, image in _images(volume, dtype, with_masks=with_masks):
        path = folder / f"{volume.key}{name}.nii.gz"
        write_bytes(path, gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
        written.append(path)
    return written


def image_of(volume: CohortVolume, dtype: ValueType | None = None) -> Any:
    """Return a volume as a nibabel image, as ``write_nifti`` writes it."""
    has_hu = volume.units == "HU" or volume.is_invertible
    values = volume.hounsfield() if has_hu else volume.values()
    is_whole = np.issubdtype(values.dtype, np.integer)
    return _image(
        volume, _cast(values, dtype or ("int16" if is_whole else "float32")), "HU" if has_hu else volume.units
    )


def read_on_grid(path: Path, volume: CohortVolume) -> NDArray[Any]:
    """Return a mask [z, y, x] that lies on a volume's grid, from NIfTI in any orientation, or from ``.npy`` as it is.

    Raises UsageError where it cannot be read, lies on another grid, or holds more than whole numbers from 0 to 65535.
    """
    array = _read(path, volume)
    if array.shape != tuple(volume.geometry.shape):
        grid = f"[{', '.join(volume.axes)}] is {tuple(volume.geometry.shape)}"
        msg = f"{path.name} holds {array.shape}, and the volume's grid {grid}"
        raise UsageError(msg)
    labels = array.astype(np.uint16)
    if not np.array_equal(labels, array):
        msg = f"{path.name} is no mask: it must hold whole numbers from 0 to 65535"
        raise UsageError(msg)
    return labels


def _images(volume: CohortVolume, dtype: ValueType | None, *, with_masks: bool) -> Iterator[tuple[str, Any]]:
    """Yield the ends of the files' names, and what goes into them."""
    yield "", image_of(volume, dtype)
    if with_masks:
        yield f"_{MEASURED}", _image(volume, volume.measured().view(np.uint8), MEASURED)
        for name, array in volume.labels.items():
            yield f"_{name}", _image(volume, np.asarray(array[...]), name)


def _image(volume: CohortVolume, array: NDArray[Any], description: str) -> Any:
    """Return [z, y, x] or [c, z, y, x] as an image [x, y, z] or [x, y, z, c]."""
    channels = to_cxyz(array, volume.axes)
    affine = affine_xyz(volume.geometry, volume.axes)
    image = nibabel.Nifti1Image(channels[0] if array.ndim == 3 else np.moveaxis(channels, 0, -1), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description.encode()
    image.set_sform(affine, SCANNER)
    image.set_qform(affine, UNKNOWN if is_sheared(volume) else SCANNER)
    return image


def is_sheared(volume: CohortVolume) -> bool:
    """Report a grid whose axes are not at right angles, so that a qform would put a voxel elsewhere.

    A tilted series that was kept as it is has one (geometry.gantry_tilt: keep).
    """
    affine = affine_xyz(volume.geometry, volume.axes)
    header = nibabel.Nifti1Header()
    header.set_qform(affine, SCANNER)
    shape = np.array([volume.geometry.shape[volume.axes.index(name)] for name in "xyz"])
    return bool((np.abs(header.get_qform() - affine)[:3, :3] @ shape > SAME_MM).any())


def _cast(values: NDArray[Any], dtype: ValueType) -> NDArray[Any]:
    """Return values in a type; to integers rounded and saturated."""
    if dtype == "float32" or values.dtype == np.int16:
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values.astype(np.float32)), limits.min, limits.max).astype(dtype)


def _read(path: Path, volume: CohortVolume) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path)) if path.suffix == ".npy" else _on_grid(nibabel.load(path), path.name, volume)
    except (EOFError, OSError, ValueError, ImageFileError) as error:
        msg = f"{path.name} cannot be read as a mask ({type(error).__name__})"
        raise UsageError(msg) from error


def _on_grid(image: Any, name: str, volume: CohortVolume) -> NDArray[Any]:
    """Return an image's voxels on the array's axes, turned as the volume is."""
    affine = affine_xyz(volume.geometry, volume.axes)
    turned = image.as_reoriented(ornt_transform(io_orientation(image.affine), io_orientation(affine)))
    if turned.ndim != 3 or not np.allclose(turned.affine, affine, rtol=0, atol=SAME_MM):
        msg = f"{name} does not lie on the volume's grid: its place, spacing or direction is another"
        raise UsageError(msg)
    return np.asarray(turned.dataobj).transpose(["xyz".index(name) for name in volume.axes])
