"""What is built from the project: a wheel that runs without a clone, a source archive, an image, a conda package."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pipeline import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder with a wheel and a source archive of the project."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_package_schema_and_configurations(built: Path) -> None:
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    files = [path for path in (ROOT / "configs").rglob("*") if path.is_file()]
    configs = {f"pipeline/{path.relative_to(ROOT)}" for path in files}
    expected = {
        "pipeline/configs/ctprep.schema.json",
        "pipeline/configs/lung.yaml",
        "pipeline/configs/models/merlin.yaml",
    }
    assert expected <= configs <= names
    assert "pipeline/ct_image_elements.tsv" in names
    assert {name.partition("/")[0] for name in names} == {"pipeline", "ctprep", f"ctprep-{__version__}.dist-info"}


def test_a_wheel_runs_a_configuration_by_name_without_a_clone(built: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(next(built.glob("*.whl")), tmp_path / "site", "zip")
    code = "import sys; sys.path.insert(0, 'site'); from pipeline.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-P", "-c", code, "run", "models/merlin", "--input", "nowhere", "--output", "out"]
    ended = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (2, "ctprep: input.roots: nowhere is not a folder that exists\n")


def test_the_source_archive_holds_no_stray_files(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    kept = {"pipeline", "ctprep", "configs", "docs"}
    alone = {name for name in names if name.partition("/")[0] not in kept}
    assert alone == {"CHANGELOG.md", "CITATION.cff", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True).stdout
    tracked = set(listed.splitlines())
    assert not tracked or names - {"PKG-INFO"} <= tracked


def test_the_conda_recipe_needs_what_the_package_needs() -> None:
    recipe = (ROOT / "conda/meta.yaml").read_text(encoding="utf-8")
    listed = re.findall(r"^    - ([a-z0-9-]+) (>=\S+)$", recipe.partition("  run:\n")[2], re.MULTILINE)
    needed = {(found.name.lower(), str(found.specifier)) for found in map(Requirement, PROJECT["dependencies"])}
    assert set(listed) == needed | {("python", PROJECT["requires-python"])}


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_image_is_installed_from_the_lock_and_names_no_registry() -> None:
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    (base,) = (line for line in lines if line.startswith("FROM "))
    assert "/" not in base
    assert any("--require-hashes --requirement requirements.lock" in line for line in lines)
