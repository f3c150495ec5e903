import subprocess
import sys
from pathlib import Path


def test_ctprep_is_another_name_of_the_same_modules() -> None:
    program = "import ctprep.dataset.cohort as one, pipeline.dataset.cohort as two; import ctprep\n"
    program += "assert one is two and one.__spec__.name == 'pipeline.dataset.cohort'; print(ctprep.__version__)\n"
    program += "from ctprep.dataset import open_cohort\nassert open_cohort is two.open_cohort"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout


def test_another_package_called_pipeline_is_named(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline/__init__.py").write_text("__version__ = '9'\n")
    done = subprocess.run(
        [sys.executable, "-c", "import ctprep"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert f"another package called pipeline stands before that of ctprep: {tmp_path}/pipeline" in done.stderr
