import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from phantoms import write_series

from pipeline.cli import COMMANDS, main, schema
from pipeline.vocabulary import ExitCode

HEAVY = ("dask", "distributed", "numba", "numpy", "pyarrow", "pydantic", "pydicom", "scipy", "zarr")
WORKING = (
    "asyncio",
    "dask",
    "distributed",
    "jinja2",
    "numba",
    "pyarrow",
    "pydicom",
    "rich",
    "scipy",
    "sqlite3",
    "zarr",
)
"""What does a run's work; reading a configuration needs none of it."""


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; from pipeline.cli import main\n"
        "try: main(['--help'])\n"
        f"except SystemExit: print([name for name in {HEAVY} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert all(command in ended.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", ["run", "scan", "plan", "fit"])
def test_a_mistake_in_a_configuration_is_reported_before_heavy_imports(tmp_path: Path, command: str) -> None:
    words = [command, "default", "--input", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out")]
    program = (
        "import sys; from pipeline.cli import main\n"
        f"assert main({words}) == 2\n"
        f"print([name for name in {WORKING} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert "is not a folder that exists" in ended.stderr


def test_the_program_is_the_same_as_a_module() -> None:
    ended = subprocess.run([sys.executable, "-m", "pipeline", "--help"], capture_output=True, text=True, check=True)
    assert "usage: ctprep" in ended.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"ctprep {command}" in capsys.readouterr().out


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["frobnicate"])
    assert ended.value.code == ExitCode.USAGE
    assert "frobnicate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [("KeyboardInterrupt()", 130), ("ZeroDivisionError()", 1), ("OutputError('full')", 7)]
)
def test_no_traceback_reaches_a_person(error: str, code: int, tmp_path: Path) -> None:
    program = (
        "import sys, pipeline.config\n"
        "from pipeline.cli import main; from pipeline.errors import OutputError\n"
        f"def failing(*_, **__): raise {error}\n"
        "pipeline.config.load = failing\n"
        "sys.exit(main(['run', 'x.yaml']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == code
    assert ended.stdout.splitlines()[-1] == f"exit code {code}"
    assert "Traceback" not in ended.stdout + ended.stderr


def test_sigterm_ends_a_run_with_143_and_keeps_what_was_finished(tmp_path: Path) -> None:
    for number in range(30):
        write_series(tmp_path / "in" / str(number), patient_id=str(number), seed=number)
    config = tmp_path / "config.yaml"
    config.write_text("cluster: {kind: serial}\n")
    words = ["run", config, "--input", tmp_path / "in", "--output", tmp_path / "out"]
    command = [sys.executable, "-m", "pipeline", *map(str, words)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as run:
        assert run.stdout is not None
        lines = [next(run.stdout), next(run.stdout)]
        run.terminate()
        lines += run.stdout.readlines()
    assert run.returncode == ExitCode.TERMINATED
    assert lines[-1] == "exit code 143\n"
    manifest = (tmp_path / "out/manifest.csv").read_text().splitlines()
    assert len(manifest) == 31
    assert 1 <= sum(",ok," in line for line in manifest) < 30


NOISY = """
import logging, sys, threading, warnings
from pipeline.cli import main
from pipeline.cli import schema

class Broken:
    def __del__(self):
        raise ValueError

def make_noise(options):
    logging.getLogger("distributed").addHandler(logging.StreamHandler())
    for name in ("asyncio", "distributed.core", "some.library"):
        logging.getLogger(name).critical("Traceback")
    warnings.warn("something is deprecated")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    Broken()
    return 0

schema.execute = make_noise
sys.argv[1:] = ["schema"]
code = main()
logging.getLogger("asyncio").error("while the interpreter ends")
sys.exit(code)
"""


def test_nothing_that_a_library_logs_or_warns_of_reaches_the_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", NOISY], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (PermissionError(13, "Permission denied", "out/private/state.sqlite"), 2, "run it as the owner"),
        (PermissionError(13, "Permission denied", "in/jane/1.dcm"), 2, "(permission denied)"),
        (KeyError("jane"), 1, "internal error (KeyError at test_cli.py:"),
    ],
)
def test_an_error_is_one_message_without_a_persons_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, message: str
) -> None:
    def fail(_options: Namespace) -> ExitCode:
        raise error

    monkeypatch.setattr(schema, "execute", fail)
    assert main(["schema"]) == code
    said = capsys.readouterr().err
    assert message in said
    assert "jane" not in said
