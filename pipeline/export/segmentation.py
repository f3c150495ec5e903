"""A mask on a store's grid, back on the slices that the store was made of, as DICOM SEG."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pipeline.dataset import CohortVolume
from pipeline.dicom.masks.write import SourceImage, build_segmentation
from pipeline.errors import UsageError
from pipeline.output.durable import write_bytes
from pipeline.output.tables import read_rows


def write_segmentation(volume: CohortVolume, mask: NDArray[Any], file: Path) -> None:
    """Write a mask [z, y, x] as a DICOM SEG over the source's slices, each value above 0 a segment.

    The file says whose images they are, as the slices do: it may not lie in the part of an output that can be shared.
    Raises UsageError for such a place, where the source cannot be found, or nothing of the mask is left on it.
    """
    _require_private(volume, file)
    write_bytes(file, build_segmentation(_sources(volume), volume.restore(mask)), private=True)


def _sources(volume: CohortVolume) -> list[SourceImage]:
    """Return the slices' files in the order of the stack."""
    if not volume.output.files.exists():
        msg = "private/files.parquet is not there: it knows where the source's slices are"
        raise UsageError(msg)
    rows = read_rows(volume.output.files, "series_key", volume.key)
    used = sorted((row for row in rows if row["z_index"] is not None), key=lambda row: row["z_index"])
    missing = sum(not Path(row["path"]).is_file() for row in used)
    if missing:
        msg = f"{missing} of the source's {len(used)} slices are not where they were"
        raise UsageError(msg)
    return [SourceImage(row["path"], row["frame"]) for row in used]


def _require_private(volume: CohortVolume, file: Path) -> None:
    root, place = volume.output.root.resolve(), file.resolve()
    if place.is_relative_to(root) and not place.is_relative_to(root / volume.output.private.name):
        msg = "a DICOM SEG names the patient: write it outside the output folder, or under its private/"
        raise UsageError(msg)
