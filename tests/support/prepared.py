"""Finished outputs of phantoms for tests of what reads them: odd stacks, and steps that move voxels."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import phantoms
import pytest
import zarr
from pydicom import Dataset
from running import InThisProcess, carry_out

from pipeline.dataset import Cohort, CohortVolume, open_cohort
from pipeline.output.tables import read_table

Moved = Callable[[str], dict[str, CohortVolume]]
"""Gives the volumes of all ``STACKS``, by name, as one of ``STEPS`` has moved them."""

REPAIRED = "geometry: {gap: interpolate, uneven_spacing: resample}\nstore: {dtype: float32}\nreport: {enabled: false}\n"
GAP_MM = tuple(2.5 * k for k in range(13) if k != 5)
UNEVEN_MM = tuple(2.5 * k - (1.0 if k > 7 else 0.0) for k in range(12))

STACKS: dict[str, dict[str, Any]] = {
    "regular": {},
    "feet first": {"row_axis": phantoms.Xyz(-1.0, 0.0, 0.0), "column_axis": phantoms.Xyz(0.0, 1.0, 0.0)},
    "coronal": {"row_axis": phantoms.Xyz(1.0, 0.0, 0.0), "column_axis": phantoms.Xyz(0.0, 0.0, -1.0)},
    "tilted": {"tilt_deg": 12.0},
    "gap": {"positions_mm": GAP_MM},
    "uneven": {"positions_mm": UNEVEN_MM},
}
"""Series as ``phantoms.write_series`` writes them, of whose slices repairs and turns have to make a grid."""

STEPS = {
    "nothing": "steps: []\n",
    "orient": "steps: [{orient: {to: LPS}}]\n",
    "straighten": "steps: [{orient: {to: LPS, oblique: resample}}]\n",
    "resample": "steps: [{orient: {to: LPS}}, {resample: {spacing_mm: [2, 1, 1]}}]\n",
    "body": "steps: [{crop_body: {margin_mm: 2}}]\n",
    "pad": "steps: [{orient: {to: LPS}}, {crop_or_pad: {shape: [40, 40, 40]}}]\n",
    "crop": "steps: [{resample: {factor: [1, 0.5, 0.5], method: cubic}}, {crop_or_pad: {shape: [14, 12, 20]}}]\n",
}
"""Configurations in which no value is clipped, so that an image can be told from its values."""

MARK = (4, 10, 21)
"""A pixel of the source: slice, row, column."""


def marked() -> np.ndarray:
    """Return a body in HU of which nothing is as bright as ``MARK`` and the pixels around it."""
    hu = phantoms.truth_volume(12, 32, 32)
    z, y, x = MARK
    hu[z, y - 1 : y + 2, x - 1 : x + 2] = 1000
    hu[MARK] = 3000
    return hu


def stacks(folder: Path, yaml: str) -> dict[str, CohortVolume]:
    """Prepare every one of the odd stacks, and return its volume by its name."""
    series = {name: wanted | {"hu": marked()} for name, wanted in STACKS.items()}
    cohort = prepared(folder, yaml + REPAIRED, **series)
    names = {row["series_key"]: row["PatientID"].removeprefix("P-") for row in read_table(cohort.output.index)}
    return {names[volume.key]: volume for volume in cohort.volumes()}


def prepared(folder: Path, yaml: str, **series: dict[str, Any]) -> Cohort:
    """Write phantoms under ``folder``, each by the arguments of its scan, and prepare them into ``folder/out``."""
    for name, wanted in series.items():
        phantoms.write_series(folder / "dicom" / name, **({"patient_id": f"P-{name}"} | wanted))
    return prepared_from(folder, folder / "dicom", yaml)


def prepared_from(folder: Path, source: Path, yaml: str, name: str = "out") -> Cohort:
    """Prepare what lies in ``source`` into a folder of this name under ``folder``, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: InThisProcess())
        carry_out(folder, source, yaml, name)
    return open_cohort(folder / name)


def labelled(folder: Path) -> Cohort:
    """Prepare series of two kernels and one that is refused, and put a label into each store."""
    cohort = prepared(
        folder,
        "steps: [{orient: {to: LPS}}, {clip: {low_hu: -1000, high_hu: 400}}, {normalise: {to: zero_one}}]\n"
        "store: {dtype: int16, chunks: [8, 8, 8]}\nreport: {enabled: false}\n",
        first={"change": _kernel("B70f")},
        second={"change": _kernel("B70f"), "seed": 1},
        third={"change": _kernel("B30f"), "seed": 2},
        refused={"n": 2},
    )
    for volume in cohort.volumes():
        put_label(volume, "lesion", lesion((12, 32, 32)))
    return cohort


def lesion(shape: tuple[int, ...]) -> np.ndarray:
    """Return two voxels in corners far apart, and a block."""
    label = np.zeros(shape, np.uint8)
    label[0, 0, 0] = label[-1, -1, -1] = 1
    label[3:5, 20:23, 6:8] = 2
    return label


def put_label(volume: CohortVolume, name: str, array: np.ndarray) -> None:
    """Put a label into a finished store."""
    labels = zarr.open_group(volume.output.root / volume.row["store"], mode="r+").require_group("labels")
    labels.create_array(name, data=array, chunks=(8, 8, 8))


def _kernel(name: str) -> phantoms.Change:
    def change(dataset: Dataset, _z: int) -> None:
        dataset.ConvolutionKernel = name

    return change


def only(cohort: Cohort) -> CohortVolume:
    """Return the volume of a cohort of one."""
    (key,) = cohort.keys
    return cohort.volume(key)


def ball(shape: tuple[int, ...], spacing_mm: tuple[float, ...], radius_mm: float) -> np.ndarray:
    """Return a ball in the middle of a grid."""
    sides = (((np.arange(n) - (n - 1) / 2) * mm) ** 2 for n, mm in zip(shape, spacing_mm, strict=True))
    return sum(np.meshgrid(*sides, indexing="ij")) <= radius_mm**2


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return how much two masks overlap."""
    return 2 * np.logical_and(a, b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="session")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Moved:
    """Give the volumes of all stacks, by name, as one of ``STEPS`` has moved them; each prepared once."""
    return cache(lambda name: stacks(tmp_path_factory.mktemp("moved"), STEPS[name]))


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Give two sharp series and a smooth one, as normalised values in int16, and one that was refused."""
    return labelled(tmp_path_factory.mktemp("packed"))
