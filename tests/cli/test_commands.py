"""Each command as a user starts it: a process, and the code that it ends with."""

import json
import shutil
from pathlib import Path

import pytest
from phantoms import write_series
from running import ctprep

from pipeline import __version__
from pipeline.cli import COMMANDS
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import read_records

CONFIG = """
steps: [{orient: {to: LPS}}]
cluster: {kind: serial}
report: {enabled: false}
manifest: {split: {train: 1.0}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an input, a configuration, a table and a finished output."""
    folder = tmp_path_factory.mktemp("commands")
    for number in range(2):
        write_series(folder / "in" / f"p{number}", patient_id=f"p{number}", seed=number)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "labels.csv").write_text("PatientID,grade\np0,1\np1,2\n")
    ended = ctprep("run", "config.yaml", "--input", "in", "--output", "out", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return folder


def words_of_each_command(folder: Path) -> dict[str, list[str]]:
    """Return for each command words with which it ends well."""
    key = read_records(OutputFolder(folder / "out"))[0].series_key
    asked = ["config.yaml", "--input", "in", "--output", "out"]
    files = sorted(map(str, (folder / "in/p0").iterdir()))[:2]
    return {
        "run": asked,
        "scan": asked,
        "plan": [*asked, "--explain", "--deep"],
        "fit": asked,
        "status": ["out"],
        "show": ["out", key],
        "export": ["out", key, "--nifti", "nifti"],
        "report": ["out"],
        "verify": ["out"],
        "retry": ["out"],
        "diff": [*files, "--html", "page.html"],
        "label": ["out", "labels.csv"],
        "gc": ["out", "--delete"],
        "card": ["out"],
        "schema": [],
    }


def test_every_command_ends_with_0_and_prints_no_traceback(folder: Path) -> None:
    commands = words_of_each_command(folder)
    assert commands.keys() == COMMANDS.keys()
    for command, words in commands.items():
        ended = ctprep(command, *words, cwd=folder)
        assert (command, ended.returncode, ended.stderr) == (command, 0, "")
        assert ended.stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "config.yaml", "--input", "nowhere", "--output", "new"], 2, "nowhere is not a folder that exists"),
        (["run", "config.yaml", "--input", "empty", "--output", "new"], 5, "holds no CT"),
        (["run", "config.yaml", "--input", "in", "--output", "x" * 300], 7, "File name too long"),
        (["run", "config.yaml", "--input", "in", "--output", "config.yaml"], 7, "cannot be prepared"),
        (["run", "no.yaml", "--input", "in", "--output", "new"], 2, "cannot be read"),
        (["show", "out", "nobody"], 2, "no series of this output has that name"),
        (["status", "in"], 2, "no output"),
        (["gc", "in"], 2, "no output"),
        (["verify", "in"], 2, "no output"),
        (["frobnicate"], 2, "invalid choice"),
    ],
)
def test_a_command_that_cannot_be_carried_out_says_why(folder: Path, words: list[str], code: int, message: str) -> None:
    (folder / "empty").mkdir(exist_ok=True)
    ended = ctprep(*words, cwd=folder)
    assert ended.returncode == code, ended.stderr
    assert message in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    shutil.rmtree(folder / "new", ignore_errors=True)


def test_on_finish_hears_of_a_run_without_its_input(folder: Path) -> None:
    words = ["--input", "nowhere", "--output", "out", "--set", "on_finish=dd of=heard.json status=none"]
    assert ctprep("run", "config.yaml", *words, cwd=folder).returncode == 2
    heard = json.loads((folder / "heard.json").read_text())
    assert heard == {"exit_code": 2, "message": "input.roots: nowhere is not a folder that exists"}


def test_the_version_is_reported(folder: Path) -> None:
    ended = ctprep("--version", cwd=folder)
    assert (ended.returncode, ended.stdout) == (0, f"ctprep {__version__}\n")
