"""The commands of a page, run as a reader would run them: in order, in one folder, each to a good end."""

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from textwrap import dedent
from unittest.mock import patch

from pipeline.cli import main
from pipeline.vocabulary import ExitCode

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^ *```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
PROGRAM = ".venv/bin/ctprep"
SETTING = re.compile(r"[A-Z_]+=")
"""Begins a word that sets a variable for the command after it."""
NO_PICTURES = ("--set", "report.pictures=false")
"""Pictures take a second a series, and have tests of their own."""
GOOD_ENDS = {ExitCode.OK, ExitCode.REJECTED}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the languages and texts of a page's fenced blocks."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [(block["language"], dedent(block["text"])) for block in found]


def prepare(folder: Path) -> None:
    """Make a folder look like the project's own: programs, configurations and scripts are where pages say."""
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix, name))
    for name in (
        "Makefile",
        "configs",
        "pipeline",
        "pyproject.toml",
        "requirements.lock",
        "requirements-dev.lock",
        "scripts",
    ):
        (folder / name).symlink_to(ROOT / name)
    for name in (".ready", ".ready-dev"):
        (folder / ".venv" / name).touch()


def run_page(page: Path, folder: Path, first: int = 0) -> None:
    """Run the blocks of shell and Python, from the ``first`` on, in a prepared folder, which is the working directory.

    ``/data`` lies within the folder.
    """
    names: dict[str, object] = {}
    for language, text in blocks(page)[first:]:
        here = text.replace("/data/", f"{folder}/data/")
        if language == "sh":
            for line in here.replace("\\\n", " ").splitlines():
                run_line(line)
        if language == "python" and ("import torch" not in here or find_spec("torch")):
            exec(compile(here, page.name, "exec"), names)  # noqa: S102  what the page says, and no more


def run_line(line: str) -> None:
    """Run one command: the program itself in this process, anything else in a shell."""
    words = shlex.split(line, comments=True)
    settings = dict(word.split("=", 1) for word in takewhile(SETTING.match, words))
    words = words[len(settings) :]
    if words and words[0] == PROGRAM:
        with patch.dict(os.environ, settings):
            code = main([*words[1:], *(NO_PICTURES if words[1] == "run" else ())])
        assert code in GOOD_ENDS, f"{line}: exit code {code}"
    elif words:
        ended = subprocess.run(["sh", "-c", line], check=False, capture_output=True, text=True)
        assert ended.returncode in GOOD_ENDS, f"{line}\n{ended.stdout}{ended.stderr}"
