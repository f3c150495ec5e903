"""Single slices on disk for the tests of how pixels are read, in any form that a CT may come in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from dicom_bytes import found_file
from phantom_pixels import GDCM_SYNTAX
from phantoms import write_series
from pydicom.dataset import Dataset

from pipeline.dicom.headers.read import read_headers
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.hounsfield import SliceSource, SourceFacts
from pipeline.limits import Limits
from pipeline.volume import Mask, Voxels

LIMITS = Limits()
COMPRESSED = tuple(GDCM_SYNTAX)


def headers_of(*paths: Path) -> list[SliceHeader]:
    """Return the header of every slice or frame in files."""
    return [header for path in paths for header in read_headers(found_file(path), LIMITS, frozenset())]


def read_all(source: SliceSource) -> tuple[Voxels, Mask, SourceFacts]:
    """Return the voxels of every slice, where they were measured, and what they told."""
    planes = [source.plane(k) for k in range(source.geometry.shape.z)]
    measured = [np.ones(each.hu.shape, bool) if each.valid is None else each.valid for each in planes]
    return np.array([each.hu for each in planes]), np.array(measured), source.facts()


def one_slice(
    folder: Path, change: Callable[[Dataset], Any] = lambda _: None, **wanted: Any
) -> tuple[SliceHeader, Any]:
    """Write one slice, changed after its pixels were, and return its header and the stored values as written."""
    series = write_series(folder, n=1, change=lambda dataset, _: change(dataset), **wanted)
    (header,) = headers_of(series.paths[0])
    return header, (series.truth[0].astype(int) - int(wanted.get("intercept", -1024)))
