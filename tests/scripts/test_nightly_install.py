"""Nights put in place and taken away, with a systemctl and a crontab that only keep what they are given."""

import os
import subprocess
import sys
from pathlib import Path

import nightly_install
import pytest

ROOT = Path(__file__).parents[2]
SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$HOME/systemctl.log"
[ "$2" != show-environment ] || [ -e "$HOME/systemd" ]
"""
CRONTAB = """#!/bin/sh
if [ "$1" = -l ]; then cat "$HOME/crontab"; else cat >"$HOME/crontab"; fi
"""
CTPREP = """#!/bin/sh
echo "$*"
exit "${FAKE_CODE:-0}"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a home with fake programs, and an input to name."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("crontab", CRONTAB), ("ctprep", CTPREP)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tmp_path / "in").mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", *nightly_install.HANDED_ON):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(home: Path, name: str = "my 100% lung.yaml") -> Path:
    (home / name).write_text("input: {roots: [in]}\noutput: {folder: out}\n")
    return home / name


def lines(home: Path) -> list[str]:
    return (home / "crontab").read_text().splitlines()


def test_without_systemd_a_line_is_added_and_all_others_stay(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "crontab").write_text("0 1 * * * other\n")
    nightly_install.main(["install", str(config(home)), "--at", "04:05"])
    other, line = lines(home)
    assert other == "0 1 * * * other"
    assert line.startswith(f"5 4 * * * cd {home} && /usr/bin/env /bin/sh ")
    assert r"'" + str(home) + r"/my 100\% lung.yaml' # ctprep-nightly-my-100-lung-" in line
    assert "--dry-run" in capsys.readouterr().out


def test_a_line_runs_what_it_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTPREP_KEY_FILE", "/a key")
    nightly_install.main(["install", str(config(home))])
    command = lines(home)[0].split(" ", 5)[5].replace(r"\%", "%")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "CTPREP": str(home / "bin/ctprep")}
    subprocess.run(["/bin/sh", "-c", command], env=environment, check=True)
    (log,) = home.glob(".local/state/ctprep/my 100% lung/*.log")
    assert log.read_text() == f"run {home}/my 100% lung.yaml --log-json\n"
    assert "'CTPREP_KEY_FILE=/a key'" in command


def test_installed_twice_is_there_once_at_the_later_time(home: Path) -> None:
    for at in ("02:30", "03:00"):
        nightly_install.main(["install", str(config(home)), "--at", at])
    assert [line[:6] for line in lines(home)] == ["0 3 * "]


def test_a_night_is_removed_by_its_configuration_and_all_without(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "crontab").write_text("0 1 * * * other # ctprep\n")
    for name in ("a.yaml", "b.yaml", "c.yaml"):
        nightly_install.main(["install", str(config(home, name))])
    nightly_install.main(["remove", "a.yaml"])
    assert len(lines(home)) == 3
    nightly_install.main(["remove"])
    assert lines(home) == ["0 1 * * * other # ctprep"]
    nightly_install.main(["remove"])
    assert capsys.readouterr().out.splitlines()[-1] == "no night was in place"


def test_with_systemd_a_timer_is_started_and_stopped_again(home: Path) -> None:
    (home / "systemd").touch()
    nightly_install.main(["install", str(config(home))])
    service, timer = sorted((home / ".config/systemd/user").iterdir())
    assert f'"{home}/my 100%% lung.yaml"\n' in service.read_text()
    assert "OnCalendar=*-*-* 02:30:00\nPersistent=true\nRandomizedDelaySec=" in timer.read_text()
    assert "@" not in service.read_text() + timer.read_text()
    nightly_install.main(["remove"])
    assert list((home / ".config/systemd/user").iterdir()) == []
    asked = (home / "systemctl.log").read_text().splitlines()
    assert f"--user enable --now {timer.name}" in asked
    assert f"--user disable --now {timer.name}" in asked
    assert not (home / "crontab").exists()


def test_a_configuration_that_cannot_run_is_not_installed(home: Path) -> None:
    (home / "bad.yaml").write_text("inputs: {}\n")
    with pytest.raises(SystemExit, match=r"bad\.yaml:1:1"):
        nightly_install.main(["install", "bad.yaml"])
    with pytest.raises(SystemExit):
        nightly_install.main(["install", str(config(home)), "--at", "25:00"])
    assert not (home / "crontab").exists()


def test_where_there_is_no_calendar_it_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "bin/crontab").unlink()
    (home / "bin/systemctl").unlink()
    monkeypatch.setenv("PATH", str(home / "bin"))
    with pytest.raises(SystemExit, match="neither systemd"):
        nightly_install.main(["install", str(config(home))])


def nightly(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts/nightly.sh"), *words]
    given = os.environ | {"CTPREP": str(home / "bin/ctprep")} | environment
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 3, 6])
def test_a_night_that_is_complete_or_another_s_is_quiet(home: Path, code: int) -> None:
    done = nightly(home, "c.yaml", FAKE_CODE=str(code))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("code", [1, 2, 4, 5, 7, 9, 143])
def test_a_bad_night_ends_with_its_code_and_the_end_of_its_log(home: Path, code: int) -> None:
    done = nightly(home, "c.yaml", FAKE_CODE=str(code))
    assert done.returncode == code
    assert f"ended with {code}" in done.stderr
    assert "run c.yaml --log-json" in done.stderr


def test_of_the_logs_the_last_ones_stay(home: Path) -> None:
    logs = home / ".local/state/ctprep/c"
    logs.mkdir(parents=True)
    for day in range(1, 6):
        (logs / f"2020-01-0{day}T000000Z.log").touch()
    nightly(home, "c.yaml", CTPREP_LOGS="3")
    kept = sorted(path.name for path in logs.iterdir())
    assert len(kept) == 3
    assert kept[:2] == ["2020-01-04T000000Z.log", "2020-01-05T000000Z.log"]
    assert {path.stat().st_mode & 0o777 for path in logs.glob("2*Z.log") if path.name == kept[2]} == {0o600}


def test_a_night_writes_with_the_users_own_umask(home: Path) -> None:
    (home / "bin/ctprep").write_text("#!/bin/sh\numask\ntouch made\nexit 1\n")
    subprocess.run(
        ["sh", "-c", f"umask 027; CTPREP=bin/ctprep {ROOT}/scripts/nightly.sh c.yaml"], check=False, cwd=home
    )
    assert (home / "made").stat().st_mode & 0o777 == 0o640
    (log,) = (home / ".local/state/ctprep/c").iterdir()
    assert log.read_text() == "0027\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700


def test_a_dry_run_asks_for_the_plan_and_keeps_no_log(home: Path) -> None:
    assert nightly(home, "--dry-run", "c.yaml").stdout == "plan c.yaml\n"
    assert not (home / ".local").exists()


@pytest.mark.parametrize("words", [(), ("a", "b"), ("--dry-run",)])
def test_words_that_are_not_understood_are_told(home: Path, words: tuple[str, ...]) -> None:
    assert nightly(home, *words).returncode == 2


def test_the_program_runs_by_itself(home: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/nightly_install.py"), "remove"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=home)
    assert done.stdout == "no night was in place\n", done.stderr
