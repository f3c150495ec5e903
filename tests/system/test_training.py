"""What the pages say of training, run as they say it, on the phantom cohort."""

import re
from importlib.util import find_spec
from pathlib import Path

import make_phantom_cohort
import pytest
from pages import ROOT, blocks, run_line
from prepared import prepared_from

NO_REPORT = "\nreport: {enabled: false}\n"
STEP = re.compile(r"^step \d+: ([\d.]+)$", re.MULTILINE)
EXTRAS = {"torch", "monai", "torchio", "xarray", "nibabel"}


@pytest.fixture(scope="module")
def prepared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder in which the first commands of the quickstart were run."""
    folder = tmp_path_factory.mktemp("fresh")
    make_phantom_cohort.make(folder / "out/phantom", make_phantom_cohort.Cohort())
    default = (ROOT / "configs/default.yaml").read_text(encoding="utf-8")
    prepared_from(folder / "out", folder / "out/phantom/dicom", default + NO_REPORT, name="phantom-run")
    return folder


@pytest.fixture
def folder(prepared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make it the working directory."""
    monkeypatch.chdir(prepared_folder)
    return prepared_folder


def need(text: str) -> None:
    """Skip, visibly, where a library that a block imports is not installed."""
    missing = [name for name in EXTRAS if re.search(rf"import {name}\b|\.{name} import", text) and not find_spec(name)]
    if missing:
        pytest.skip(f"needs the extra {', '.join(missing)}")


@pytest.mark.usefixtures("folder")
def test_the_quickstart_trains_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    text = next(text for _, text in blocks(ROOT / "docs/quickstart.md") if "Patches" in text)
    need(text)
    exec(compile(text, "quickstart.md", "exec"), {})  # noqa: S102  what the page says, and no more
    losses = [float(loss) for loss in STEP.findall(capsys.readouterr().out)]
    assert len(losses) == 5
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_the_page_on_training_works_as_it_is_written(folder: Path) -> None:
    """MONAI and TorchIO take many seconds to import."""
    page = blocks(ROOT / "docs/training.md")
    need("\n".join(text for _, text in page))
    names: dict[str, object] = {}
    for language, text in page:
        if language == "python":
            exec(compile(text, "training.md", "exec"), names)  # noqa: S102  as above
    run_line(next(text for language, text in page if language == "sh"))
    assert len(list((folder / "out/nifti").iterdir())) == 9
    assert names["prediction"].shape == names["annotation"].shape
    assert names["prediction"].sum() > 0.9 * names["annotation"].sum()
