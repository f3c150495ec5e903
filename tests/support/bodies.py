"""Bodies known by a formula, scanned by scanners with odd habits, and measured again in a store."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from math import cos, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
import slices
from numpy.typing import NDArray
from phantoms import Scan, write_series
from pydicom import Dataset
from running import carry_out, store_of

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.record import SeriesRecord
from pipeline.store.read import StoredVolume, open_store

Points = NDArray[np.float64]

AIR_HU, TISSUE_HU = -1000, 40
EDGE_MM = 1.0
"""Bodies fade into air over this, as they do behind a scanner's point spread."""
BALL_MM, ROD_MM = 13.0, 3.0
N, SPACING = 44, Zyx(1.5, 0.6, 0.75)
SIZE = {"n": N, "rows": 80, "columns": 64, "spacing": SPACING}
MIDDLE = np.array([3.0, -8.0, 20.0])


def ball(points: Points) -> Points:
    """Return how much of a ball in the middle lies at each place."""
    return faded(BALL_MM - np.linalg.norm(points - MIDDLE, axis=-1))


def rod(points: Points, way: Points) -> Points:
    """Return how much of a straight rod through the middle lies at each place."""
    off = points - MIDDLE
    return faded(ROD_MM - np.linalg.norm(off - (off @ way)[..., None] * way, axis=-1))


def faded(depth_mm: Points) -> Points:
    return np.clip(depth_mm / EDGE_MM + 0.5, 0, 1)


def scanned(folder: Path, body: Callable[[Points], Points], **wanted: Any) -> None:
    """Write the series that a scanner with these habits makes of a body, the middle of the stack in its middle."""
    wanted = SIZE | wanted
    blank = np.zeros((wanted["n"], wanted["rows"], wanted["columns"]), np.int16)
    positions = np.array(wanted.get("positions_mm") or np.arange(wanted["n"]) * wanted["spacing"].z)
    affine = Scan(**wanted | {"hu": blank, "origin": Xyz(0.0, 0.0, 0.0)}).geometry().affine_lps[:3, :3]
    index = np.stack(np.indices(blank.shape), axis=-1).astype(float)
    index[..., 0] = positions[:, None, None] / wanted["spacing"].z
    reach = affine @ [positions[-1] / wanted["spacing"].z, wanted["rows"] - 1, wanted["columns"] - 1]
    origin = MIDDLE - reach / 2
    hu = np.rint(AIR_HU + (TISSUE_HU - AIR_HU) * body(index @ affine.T + origin)).astype(np.int16)
    write_series(folder, **wanted | {"hu": hu, "origin": slices.xyz(origin)})


@dataclass(frozen=True, eq=False)
class Repaired:
    """A record, its store, and how much of the body is found at each place of the store's grid."""

    record: SeriesRecord
    store: StoredVolume
    amount: Points

    @property
    def geometry(self) -> Geometry:
        return self.store.geometry

    @property
    def points(self) -> Points:
        index = np.stack(np.indices(self.amount.shape), axis=-1).astype(float)
        return index @ self.geometry.affine_lps[:3, :3].T + np.array(self.geometry.origin_mm)

    @property
    def mask(self) -> NDArray[np.bool_]:
        return np.ones(self.amount.shape, bool) if self.store.mask is None else self.store.mask[:].astype(bool)

    def in_voxels(self, offset_mm: Points) -> Points:
        """Return offsets in voxels along the grid's axes."""
        return np.abs(offset_mm @ np.array(self.geometry.axes).T / np.array(self.geometry.spacing_mm))


def repaired(tmp_path: Path, policy: str, steps: str = "") -> Repaired:
    outcome = carry_out(tmp_path, tmp_path / "in", f"{steps}geometry: {{{policy}}}\nstore: {{dtype: float32}}\n")
    (record,) = outcome.records
    assert record.status == "ok", (record.reason, record.detail)
    store = open_store(store_of(outcome.output, record))
    return Repaired(record, store, np.clip((store.array[:] - AIR_HU) / (TISSUE_HU - AIR_HU), 0, 1))


def assert_is_the_ball(found: Repaired) -> None:
    """Check the centre to a tenth of a voxel and each axis to one per cent."""
    weights = found.amount.ravel() / found.amount.sum()
    points = found.points.reshape(-1, 3)
    centre = weights @ points
    assert found.in_voxels(centre - MIDDLE).max() < 0.1
    spread = (points - centre).T * weights @ (points - centre)
    radius = np.linspace(0, BALL_MM + EDGE_MM, 2001)
    amount = faded(BALL_MM - radius)
    truth = np.sqrt((amount * radius**4).sum() / (amount * radius**2).sum() / 3)
    np.testing.assert_allclose(np.sqrt(np.linalg.eigvalsh(spread)), truth, rtol=0.01)


def assert_is_the_rod(found: Repaired, way: Points, *, rim: int = 0) -> None:
    """Check that the rod's middle lies on its line in every plane, to a tenth of a voxel within the plane."""
    planes = slice(rim, len(found.amount) - rim)
    for amount, points in zip(found.amount[planes], found.points[planes], strict=True):
        assert amount.sum() > 10
        centre = np.tensordot(amount, points) / amount.sum()
        off = centre - MIDDLE
        normal = np.array(found.geometry.axes.z)
        on_line = way * (off @ normal) / (way @ normal)
        assert found.in_voxels(off - on_line).max() < 0.1


def untold(dataset: Dataset, _z: int) -> None:
    """Leave out what the header would say of the tilt."""
    del dataset.GantryDetectorTilt


def rotated(degrees: float) -> dict[str, Xyz]:
    """Return slices turned in their plane."""
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return {"row_axis": Xyz(c, s, 0.0), "column_axis": Xyz(-s, c, 0.0)}


def growing(n: int) -> tuple[float, ...]:
    """Return places between which the step grows from 1 to 2 mm."""
    return tuple(accumulate((1.0 + k / n for k in range(n - 1)), initial=0.0))


def in_blocks(n: int) -> tuple[float, ...]:
    """Return places 1 mm apart, then 1.5 mm."""
    return tuple(accumulate([1.0] * (n // 2) + [1.5] * (n - 1 - n // 2), initial=0.0))
