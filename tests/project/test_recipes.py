"""Every recipe, and the pages that begin with a command, run as they are written on a small cohort of their kind."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pages import ROOT, blocks, prepare, run_page
from phantoms import truth_volume, write_series
from pydicom import Dataset
from running import InThisProcess

from pipeline.dataset import open_cohort
from pipeline.geometry import LPS_TO_RAS, Zyx
from pipeline.output.layout import KEY_FILE_VARIABLE

pytestmark = pytest.mark.usefixtures("in_this_process")

RECIPES = ROOT / "docs" / "recipes"


def chests(data: Path) -> None:
    def lung_kernel(dataset: Dataset, _z: int) -> None:
        dataset.ConvolutionKernel = "LUNG"

    write_series(data / "chests/1/thick", patient_id="P-1", spacing=Zyx(5.0, 0.8, 0.7), n=8)
    write_series(data / "chests/1/thin", patient_id="P-1")
    write_series(data / "chests/1/sharp", patient_id="P-1", spacing=Zyx(1.0, 0.8, 0.7), n=30, change=lung_kernel)
    write_series(data / "chests/2", patient_id="P-2", seed=1)


def fibrosis(data: Path) -> None:
    def lose_position(dataset: Dataset, _z: int) -> None:
        del dataset.ImagePositionPatient

    write_series(data / "osic/1", patient_id="ID1", n=4)
    write_series(data / "osic/2", patient_id="ID2", n=4, change=lose_position)


def heads(data: Path) -> None:
    write_series(data / "heads/tilted", patient_id="HEAD-1", tilt_deg=12.0)
    uneven = [0, 2.5, 5, 7.5, 10, 12.5, 17.5, 22.5, 27.5, 32.5]
    write_series(data / "heads/uneven", patient_id="HEAD-2", n=10, positions_mm=uneven)
    hu = truth_volume(12, 32, 32)
    wrapped = np.where(hu < 0, hu + 4096, hu).astype(np.int16)
    write_series(data / "heads/wrapped", patient_id="HEAD-3", hu=wrapped, intercept=0)


def cq500(data: Path) -> None:
    for number in range(3):
        write_series(data / f"cq500/{number}", patient_id=f"CQ500-CT-{number}", seed=number, n=12 - number // 2)


def patients(data: Path) -> None:
    for number in range(1, 5):
        write_series(data / f"ct/{number}", patient_id=f"P-{number}", seed=number)


def scanners(data: Path) -> None:
    def sharper(dataset: Dataset, _z: int) -> None:
        dataset.ConvolutionKernel, dataset.KVP = "B70f", 140

    write_series(data / "ct/old-scanner", patient_id="P-1")
    write_series(data / "ct/new-scanner", patient_id="P-1", change=sharper, bits_stored=16)


def organs(data: Path) -> None:
    (data / "masks").mkdir(parents=True)
    for number in range(1, 3):
        series = write_series(data / f"ct/{number}", patient_id=f"P-{number}", seed=number)
        mask = np.zeros(series.geometry.shape, np.uint8)
        mask[2:6, 4:9, 5:11], mask[5:9, 12:20, 12:16] = 1, 2
        affine = LPS_TO_RAS @ series.affine_lps[:, [2, 1, 0, 3]]
        nibabel.Nifti1Image(mask.transpose(2, 1, 0), affine).to_filename(data / f"masks/P-{number}.nii.gz")


COHORTS: dict[str, Callable[[Path], None]] = {
    "change-a-step": patients,
    "cq500": cq500,
    "export": patients,
    "fibrosis": fibrosis,
    "heads": heads,
    "labels-and-splits": patients,
    "lung-nodules": chests,
    "nnunet": patients,
    "publish": patients,
    "slices": organs,
    "two-scanners": scanners,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a working directory that looks like the project's."""
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(KEY_FILE_VARIABLE, raising=False)
    monkeypatch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: InThisProcess())
    yield tmp_path
    assert KEY_FILE_VARIABLE not in os.environ


def test_every_recipe_is_run() -> None:
    assert {path.stem for path in RECIPES.glob("*.md")} - {"README"} == set(COHORTS)


@pytest.mark.parametrize("recipe", COHORTS)
def test_a_recipe_works_as_it_is_written(recipe: str, folder: Path) -> None:
    COHORTS[recipe](folder / "data")
    run_page(RECIPES / f"{recipe}.md", folder)
    outputs = [path.parent for path in (folder / "out").glob("*/manifest.parquet")]
    assert all(open_cohort(output).keys for output in outputs)


@pytest.mark.parametrize("recipe", COHORTS)
def test_a_recipe_is_one_page_and_begins_with_a_command(recipe: str) -> None:
    text = (RECIPES / f"{recipe}.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    assert text.startswith("# ")
    assert blocks(RECIPES / f"{recipe}.md")[0][0] == "sh"


def test_the_page_on_publishing_works_as_it_is_written(folder: Path) -> None:
    from pipeline.cli import main

    patients(folder / "data")
    run = ["run", "configs/default.yaml", "--input", str(folder / "data"), "--output", "out/phantom-run"]
    assert main([*run, "--set", "report.enabled=false"]) == 0
    run_page(ROOT / "docs/publishing.md", folder)
    assert not (folder / "out/published/private").exists()
    assert (folder / "out/published/croissant.json").exists()


@pytest.mark.slow
def test_the_quickstart_works_as_it_is_written_once_it_is_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        monkeypatch.delenv(name, raising=False)
    patients(folder / "data")
    run_page(ROOT / "docs/quickstart.md", folder, first=2)
    assert len(open_cohort("out/phantom-run").keys) >= 9
