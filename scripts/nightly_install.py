"""Lets a configuration run every night: by a systemd user timer or, where there is none, by a line in the crontab.

    python scripts/nightly_install.py install CONFIG [--at HH:MM]
    python scripts/nightly_install.py remove [CONFIG]

Paths in the configuration that are relative are so to the folder in which this is called.  Without CONFIG, ``remove``
takes away every night that was put in place.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

from pipeline.config import load
from pipeline.errors import CtprepError
from pipeline.run.session import check_config

HERE = Path(__file__).resolve().parent
PREFIX = "ctprep-nightly-"
HANDED_ON = ("CTPREP_KEY_FILE", "CTPREP_CACHE")
"""Variables that a night needs as they are now: with another key every series would be a new one."""


@dataclass(frozen=True)
class Night:
    """A configuration, the folder that its paths start from, and the time of day."""

    config: Path
    folder: Path
    at: str = "02:30"

    @property
    def name(self) -> str:
        """What timer, service and crontab line are called: the same for the same file."""
        readable = re.sub(r"[^A-Za-z0-9]+", "-", self.config.stem).strip("-")
        digest = blake2b(os.fsencode(self.config), digest_size=3).hexdigest()
        return f"{PREFIX}{readable}-{digest}"

    @property
    def command(self) -> list[str]:
        """The words that run it."""
        given = [f"{name}={os.environ[name]}" for name in HANDED_ON if name in os.environ]
        return ["/usr/bin/env", *given, "/bin/sh", str(HERE / "nightly.sh"), str(self.config)]


class Calendar(Protocol):
    """What starts programs at a time of day."""

    def put(self, night: Night) -> str:
        """Put a night in place of the one of its name, if any, and return where it stands."""

    def remove(self, name: str) -> list[str]:
        """Remove the nights whose names begin so, and return their names."""


class Systemd:
    """Timers of the user's own systemd."""

    def __init__(self) -> None:
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        self._units = Path(home, "systemd", "user")

    @staticmethod
    def is_here() -> bool:
        """Tell whether the user's own systemd answers."""
        return bool(shutil.which("systemctl")) and _run("systemctl", "--user", "show-environment").returncode == 0

    def put(self, night: Night) -> str:
        """Write service and timer, and start the timer."""
        self._units.mkdir(parents=True, exist_ok=True)
        values = {
            "@AT@": night.at,
            "@FOLDER@": str(night.folder).replace("%", "%%"),
            "@COMMAND@": " ".join(map(_unit_word, night.command)),
        }
        for kind in ("service", "timer"):
            text = (HERE / f"nightly.{kind}").read_text(encoding="utf-8")
            for mark, value in values.items():
                text = text.replace(mark, value)
            (self._units / f"{night.name}.{kind}").write_text(text, encoding="utf-8")
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", f"{night.name}.timer")
        return f"systemd timer {night.name}.timer (`loginctl enable-linger` lets it run while you are logged out)"

    def remove(self, name: str) -> list[str]:
        """Stop timers, and remove them with their services."""
        names = [path.stem for path in sorted(self._units.glob(f"{name}*.timer"))]
        for one in names:
            _systemctl("disable", "--now", f"{one}.timer")
            for kind in ("service", "timer"):
                (self._units / f"{one}.{kind}").unlink(missing_ok=True)
        if names:
            _systemctl("daemon-reload")
        return names


class Crontab:
    """Lines of the user's crontab, each with its night's name as a comment at its end."""

    @staticmethod
    def is_here() -> bool:
        """Tell whether there is a crontab."""
        return bool(shutil.which("crontab"))

    def put(self, night: Night) -> str:
        """Add a line, all others kept as they are."""
        hour, minute = night.at.split(":")
        command = f"cd {shlex.quote(str(night.folder))} && {shlex.join(night.command)}".replace("%", r"\%")
        line = f"{int(minute)} {int(hour)} * * * {command} # {night.name}"
        self._write([*(kept for kept in self._lines() if not kept.endswith(f"# {night.name}")), line])
        return f"crontab line {night.name}"

    def remove(self, name: str) -> list[str]:
        """Leave lines out, all others kept as they are."""
        lines = self._lines()
        ours = [line for line in lines if line.rpartition("# ")[2].startswith(name)]
        if ours:
            self._write([line for line in lines if line not in ours])
        return [line.rpartition("# ")[2] for line in ours]

    @staticmethod
    def _lines() -> list[str]:
        listed = _run("crontab", "-l")  # ends with 1 where there is none yet
        return listed.stdout.splitlines() if listed.returncode == 0 else []

    @staticmethod
    def _write(lines: list[str]) -> None:
        _checked(_run("crontab", "-", given="".join(f"{line}\n" for line in lines)))


def calendar() -> Calendar:
    """Return systemd where it answers, else the crontab."""
    for kind in (Systemd, Crontab):
        if kind.is_here():
            return kind()
    sys.exit("nightly: neither systemd for users nor crontab is here; let something else call scripts/nightly.sh")


def _unit_word(word: str) -> str:
    """Return one word of a command as a unit file has it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _systemctl(*words: str) -> None:
    _checked(_run("systemctl", "--user", *words))


def _checked(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        sys.exit(f"nightly: {shlex.join(done.args)} ended with {done.returncode}: {done.stderr.strip()}")


def _run(*words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, input=given, capture_output=True, text=True, check=False)  # noqa: S603 - our own words


def _time_of_day(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        msg = f"{text!r} is no time of day such as 02:30"
        raise ValueError(msg)
    return text


def install(config: Path, at: str) -> None:
    """Check a configuration and let it run every night."""
    night = Night(config.resolve(), Path.cwd(), at)
    try:
        check_config(load(config))
    except CtprepError as error:
        sys.exit(f"nightly: {error}")
    place = calendar().put(night)
    print(f"{config} runs every night at {at}: {place}")
    print(f"what tonight would do: scripts/nightly.sh --dry-run {shlex.quote(str(config))}")


def remove(config: Path | None) -> None:
    """Take a night away, or all of them."""
    removed = calendar().remove(PREFIX if config is None else Night(config.resolve(), Path.cwd()).name)
    print("\n".join(f"removed {name}" for name in removed) or "no night was in place")


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    put = commands.add_parser("install")
    put.add_argument("config", type=Path)
    put.add_argument("--at", type=_time_of_day, default="02:30")
    commands.add_parser("remove").add_argument("config", nargs="?", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "install":
        install(options.config, options.at)
    else:
        remove(options.config)


if __name__ == "__main__":
    main(sys.argv[1:])
