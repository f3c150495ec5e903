"""One stack of the phantom: where its voxels lie, and the files that a scanner would have written."""

from pathlib import Path
from typing import Any

import numpy as np
from phantoms import Scan, write_series
from pydicom import Dataset

from hard.phantom import Array, Part, hu_at, part_of
from pipeline.geometry import Xyz, Zyx

N, SIDE = 20, 48
SPACING = Zyx(2.5, 1.2, 1.0)
CENTRE = Xyz(0.0, 0.0, 0.0)
PIXEL_FIELDS = ("signed", "bits_stored", "slope", "intercept", "transfer_syntax", "series_uid")
"""What of a scan does not move it."""
BODY_FIELDS = ("contrast", "has_metal")
"""What the body holds beside its tissue."""


def points_of(**wanted: Any) -> Array:
    """Return where the voxels [z, y, x, 3] of a scan lie in LPS mm; keywords are the fields of ``Scan``."""
    scan = Scan(hu=np.zeros((N, SIDE, SIDE), np.int16), **wanted)
    geometry, positions = scan.geometry(), scan.positions_mm or np.arange(N) * scan.spacing.z
    steps = np.array(positions) / geometry.spacing_mm.z
    index = np.stack(np.meshgrid(steps, np.arange(SIDE), np.arange(SIDE), indexing="ij"), axis=-1)
    return index @ geometry.affine_lps[:3, :3].T + geometry.affine_lps[:3, 3]


def placed(*, shift_mm: float = 0.0, **wanted: Any) -> dict[str, Any]:
    """Return the keywords of a scan whose middle lies at the phantom's centre, or ``shift_mm`` above it."""
    basic = {"spacing": SPACING, "origin": CENTRE, "name": "I{:04d}.dcm".format, **wanted}
    x, y, z = (float(mm) for mm in -points_of(**basic).mean((0, 1, 2)))
    return basic | {"origin": Xyz(x, y, z + shift_mm)}


def write(folder: Path, *, hu: Array | None = None, **wanted: Any) -> tuple[Part, list[Path]]:
    """Write a stack of the phantom, and return its truth and its files, lowest first."""
    body = {key: wanted.pop(key) for key in set(wanted) & set(BODY_FIELDS)}
    judged = {key: wanted.pop(key) for key in set(wanted) & {"between"}}
    pixels = {key: wanted.pop(key) for key in set(wanted) & set(PIXEL_FIELDS)}
    fields = placed(**wanted)
    truth = {key: value for key, value in fields.items() if key not in {"change", "name"}}
    points = points_of(**truth)
    voxels = hu_at(points, **body) if hu is None else hu
    then = fields.pop("change", None)

    def change(dataset: Dataset, z: int) -> None:
        dataset.Manufacturer = "SIEMENS"  # programs that tell makers apart know this one
        if then:
            then(dataset, z)

    hu_stored = np.rint(voxels).astype(np.int16)
    series = write_series(folder, hu=hu_stored, change=change, **fields, **pixels)
    return part_of(points, **body, **judged), list(series.paths)
