"""Each command as a user starts it: a process, and the code that it ends with."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Commands, commands
from phantoms import write_series
from running import ctprep

from pipeline import __version__
from pipeline.cli import COMMANDS
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.manifest import read_records

README = Path(__file__).parents[2] / "README.md"
CONFIG = """
steps: [{orient: {to: LPS}}]
cluster: {kind: serial}
report: {enabled: false}
manifest: {split: {train: 1.0}}
"""
ASKED = ["config.yaml", "--input", "in", "--output", "out"]
ELSEWHERE = ["--cluster", "127.0.0.1:1"]
"""Workers that are never asked: those of this machine would begin to import what a series needs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an input, a configuration and a table."""
    folder = tmp_path_factory.mktemp("commands")
    for number in range(2):
        write_series(folder / "in" / f"p{number}", patient_id=f"p{number}", seed=number)
    write_series(folder / "short", n=2)
    (folder / "empty").mkdir()
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "labels.csv").write_text("PatientID,grade\np0,1\np1,2\n")
    return folder


@pytest.fixture(scope="module")
def call(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Give what calls commands in the folder, in which one run has finished."""
    with commands(folder, tmp_path_factory.mktemp("logs")) as called:
        ended = called("run", *ASKED)
        assert (ended.returncode, ended.stderr) == (0, "")
        yield called


def words_of_each_command(folder: Path) -> dict[str, list[str]]:
    """Return for each command words with which it ends well."""
    key = read_records(OutputFolder(folder / "out"))[0].series_key
    files = sorted(map(str, (folder / "in/p0").iterdir()))[:2]
    return {
        "run": ASKED,
        "scan": ASKED,
        "plan": [*ASKED, "--explain"],
        "fit": ASKED,
        "status": ["out"],
        "show": ["out", key, "--png", "planes.png"],
        "export": ["out", key, "--nifti", "nifti"],
        "report": ["out", "--figures", "figures"],
        "verify": ["out"],
        "retry": ["out", "--reason", "TIMEOUT"],
        "diff": [*files, "--html", "page.html"],
        "label": ["out", "labels.csv"],
        "gc": ["out", "--delete"],
        "card": ["out"],
        "schema": [],
    }


def test_every_command_ends_with_0_and_prints_no_traceback(call: Commands, folder: Path) -> None:
    words = words_of_each_command(folder)
    assert words.keys() == COMMANDS.keys()
    for command in words:
        ended = call(command, *words[command])
        assert (command, ended.returncode, ended.stderr) == (command, 0, "")
        assert ended.stdout


@pytest.mark.usefixtures("call")
def test_every_line_of_the_readmes_table_is_a_command_that_is_called_here(folder: Path) -> None:
    lines = re.findall(r"^\| `ctprep (\w+)(.*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    words = words_of_each_command(folder)
    assert sorted(command for command, _ in lines) == sorted(words)
    for command, line in lines:
        assert set(re.findall(r"--[a-z-]+", line)) <= set(words[command])
        places = re.findall(r" ([A-Z]+)(?= |`)", line.split("[")[0].split("` |")[0] + "`")
        assert len([word for word in words[command] if not word.startswith("-")]) >= len(places)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["run", "config.yaml", "--input", "nowhere", "--output", "new", *ELSEWHERE],
            2,
            "nowhere is not a folder that exists",
        ),
        (["run", "config.yaml", "--input", "short", "--output", "new"], 3, "TOO_FEW_SLICES"),
        (["run", "config.yaml", "--input", "empty", "--output", "new", *ELSEWHERE], 5, "holds no CT"),
        (["run", "config.yaml", "--input", "in", "--output", "x" * 300, *ELSEWHERE], 7, "File name too long"),
        (["run", "config.yaml", "--input", "in", "--output", "config.yaml", *ELSEWHERE], 7, "cannot be prepared"),
        (["run", "no.yaml", "--input", "in", "--output", "new"], 2, "cannot be read"),
        (["show", "out", "nobody"], 2, "no series of this output has that name"),
        (["status", "in"], 2, "no output"),
        (["gc", "in"], 2, "no output"),
        (["verify", "in"], 2, "no output"),
        (["frobnicate"], 2, "invalid choice"),
    ],
)
def test_a_command_that_cannot_be_carried_out_says_why(
    call: Commands, folder: Path, words: list[str], code: int, message: str
) -> None:
    ended = call(*words)
    assert ended.returncode == code, ended.stderr
    assert message in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    shutil.rmtree(folder / "new", ignore_errors=True)


@pytest.mark.parametrize("words", [["run", *ASKED, *ELSEWHERE], ["gc", "out"], ["verify", "out"], ["retry", "out"]])
def test_an_output_that_another_run_uses_is_left_alone(call: Commands, folder: Path, words: list[str]) -> None:
    with run_lock(OutputFolder(folder / "out")):
        assert call(*words).returncode == 6


def test_damage_ends_verify_with_8(call: Commands, folder: Path) -> None:
    output = OutputFolder(folder / "out")
    store = output.store(read_records(output)[0].series_key)
    store.rename(folder / "elsewhere")
    ended = call("verify", "out")
    (folder / "elsewhere").rename(store)
    assert ended.returncode == 8
    assert ended.stdout.startswith(f"missing {store.stem}")


@pytest.mark.usefixtures("call")
def test_a_folder_named_as_a_module_where_a_run_is_started_harms_nothing(folder: Path) -> None:
    for name in ("dl", "numpy", "zarr"):
        (folder / name).mkdir()
    ended = ctprep("run", "config.yaml", "--input", "in", "--output", "beside", cwd=folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    contents = [
        {record.content_hash for record in read_records(OutputFolder(folder / name))} for name in ("out", "beside")
    ]
    assert contents[0] == contents[1]
    assert len(contents[0] - {None}) == 2


def test_the_version_is_reported(folder: Path) -> None:
    ended = ctprep("--version", cwd=folder)
    assert (ended.returncode, ended.stdout) == (0, f"ctprep {__version__}\n")
