"""The project's frame: the lock, the Makefile, and what the documents promise."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from pipeline.vocabulary import ExitCode

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
DEV_LOCK = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
LOCKS = pytest.mark.parametrize("lock", [LOCK, DEV_LOCK], ids=["run", "dev"])
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = sorted(path for pattern in ("*.md", "docs/*.md") for path in ROOT.glob(pattern))

PINNED = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[^\s;]+)(?: ; [\w<>=!.'() ]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")
SAYS_WITH_WHAT_AND_HOW_IT_ENDS = """#!/bin/sh
for word in "$@"; do printf '[%s] ' "$word"; done
echo
echo "exit code ${FAKE_CODE:-0}"
exit "${FAKE_CODE:-0}"
"""
MAKES_THE_TRUTH_AND_SAYS_SO = """#!/bin/sh
mkdir -p "$2/truth" && touch "$2/truth/truth.json" && echo "ran $1"
"""


def run_requirements() -> list[Requirement]:
    """Return what is needed to install the project, and by any run that a configuration may ask for."""
    extras = PROJECT["project"]["optional-dependencies"]
    texts = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["setup"]]
    return [Requirement(text) for text in (*texts, *extras["s3"], *extras["hpc"], *extras["nifti"])]


def dev_requirements() -> list[Requirement]:
    groups = PROJECT["dependency-groups"]
    own = [text for text in (*groups["dev"], *groups["bench"]) if isinstance(text, str)]
    return [*run_requirements(), *map(Requirement, own)]


def pins(lock: str) -> dict[str, set[Version]]:
    """Return the versions of each package in a lock: a package may have one for each Python."""
    found: dict[str, set[Version]] = {}
    for line in lock.splitlines():
        if pin := PINNED.fullmatch(line):
            found.setdefault(pin["name"], set()).add(Version(pin["version"]))
    return found


def holds(lock: str, requirement: Requirement) -> bool:
    versions = pins(lock).get(requirement.name.lower(), set())
    return bool(versions) and all(requirement.specifier.contains(version, prereleases=True) for version in versions)


def targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony
    return set(phony[1].split())


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make apart from a make that may be running these tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "GNUMAKE"))}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=own | environment, capture_output=True, text=True, check=False)


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """Give an environment that looks ready, whose ctprep and python only say what they were asked."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    for name, text in (("ctprep", SAYS_WITH_WHAT_AND_HOW_IT_ENDS), ("python", MAKES_THE_TRUTH_AND_SAYS_SO)):
        (folder / "bin" / name).write_text(text, encoding="utf-8")
        (folder / "bin" / name).chmod(0o755)
    for name in (".ready", ".ready-dev"):
        (folder / name).touch()
    return folder


@LOCKS
def test_every_line_of_a_lock_is_a_pinned_version_or_its_hash(lock: str) -> None:
    odd = [line for line in lock.splitlines() if not (PINNED.fullmatch(line) or HASH.fullmatch(line))]
    assert odd == []


@LOCKS
def test_every_pinned_version_has_a_hash(lock: str) -> None:
    lines = lock.splitlines()
    followers = [after for line, after in zip(lines, [*lines[1:], ""], strict=True) if PINNED.fullmatch(line)]
    assert followers
    assert all(HASH.fullmatch(line) for line in followers)


@pytest.mark.parametrize("mark", ["://", "/", "@", "index", "find-links", "file:"])
@LOCKS
def test_a_lock_names_no_url_no_host_and_no_path(lock: str, mark: str) -> None:
    assert mark not in lock


@pytest.mark.parametrize("requirement", run_requirements(), ids=str)
def test_the_lock_of_a_run_holds_every_dependency_within_its_bounds(requirement: Requirement) -> None:
    assert holds(LOCK, requirement)


@pytest.mark.parametrize("requirement", dev_requirements(), ids=str)
def test_the_lock_of_the_tests_holds_every_dependency_within_its_bounds(requirement: Requirement) -> None:
    assert holds(DEV_LOCK, requirement)


def test_the_lock_of_a_run_is_a_part_of_that_of_the_tests() -> None:
    assert pins(LOCK).items() <= pins(DEV_LOCK).items()


def test_the_lock_of_a_run_holds_nothing_that_only_tests_need() -> None:
    assert pins(LOCK).keys().isdisjoint({"mypy", "pytest", "ruff", "moto", "flask", "highdicom", "bokeh", "pandas"})


def test_an_environment_keeps_what_its_user_installed() -> None:
    script = (ROOT / "scripts/make_venv.sh").read_text(encoding="utf-8")
    assert not re.search(r"pip (sync|uninstall)|--exact", script)


@LOCKS
def test_a_decoder_under_the_gpl_is_not_locked(lock: str) -> None:
    assert "pylibjpeg-libjpeg" not in pins(lock)


def test_make_alone_prints_a_sentence_for_each_target() -> None:
    printed = dict(re.findall(r"^  make (\S+) +(\S.*\.(?: \S.*)?)$", make().stdout, re.MULTILINE))
    assert targets() == {name for name in printed if name != "preprocess"} | {"preprocess"}


@pytest.mark.parametrize("code", [0, 3])
def test_preprocess_succeeds_when_the_run_is_complete(venv: Path, code: int) -> None:
    result = make("preprocess", "INPUT=in", "OUTPUT=out", f"VENV={venv}", FAKE_CODE=str(code))
    assert result.returncode == 0
    assert result.stdout.splitlines()[-1] == f"exit code {code}"


@pytest.mark.parametrize("code", sorted(set(ExitCode) - {ExitCode.OK, ExitCode.REJECTED}))
def test_preprocess_fails_on_every_other_code(venv: Path, code: int) -> None:
    result = make("preprocess", "INPUT=in", "OUTPUT=out", f"VENV={venv}", FAKE_CODE=str(int(code)))
    assert result.returncode != 0
    assert result.stdout.splitlines()[-1] == f"exit code {code}"
    assert f"Error {int(code)}" in result.stderr


def test_preprocess_hands_folders_on_as_they_are_written(venv: Path) -> None:
    result = make("preprocess", "INPUT=my scans", "OUTPUT=it's", "CLUSTER=serial", f"VENV={venv}")
    words = "[run] [configs/default.yaml] [--input] [my scans] [--output] [it's] [--cluster] [serial] "
    assert result.stdout.splitlines()[0] == words


def test_preprocess_without_input_makes_the_phantom_cohort_once(venv: Path, tmp_path: Path) -> None:
    phantom = tmp_path / "phantom"
    first, second = (make("preprocess", f"PHANTOM={phantom}", f"VENV={venv}").stdout for _ in range(2))
    run = f"[run] [configs/default.yaml] [--input] [{phantom}/dicom] [--output] [out/phantom-run] \nexit code 0\n"
    assert first == "ran scripts/make_phantom_cohort.py\n" + run
    assert second == run


@pytest.mark.parametrize("text", ["input: {roots: [x]}\n", "input:\n  roots:\n    - x\n"])
def test_preprocess_takes_the_input_that_the_configuration_names(venv: Path, tmp_path: Path, text: str) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(text, encoding="utf-8")
    result = make("preprocess", f"CONFIG={config}", f"VENV={venv}")
    assert result.stdout.splitlines()[0] == f"[run] [{config}] "


@pytest.mark.parametrize(
    ("target", "asked"),
    [("nightly-install", "install --at '04:00' \"$CONFIG\""), ("nightly-remove", 'remove "$CONFIG"')],
)
def test_a_night_is_of_the_configuration_that_is_named(venv: Path, target: str, asked: str) -> None:
    named = make("--just-print", target, "CONFIG=my.yaml", "AT=04:00", f"VENV={venv}").stdout
    assert named == f"{venv}/bin/python scripts/nightly_install.py {asked}\n"
    by_default = make("--just-print", target, "AT=04:00", f"VENV={venv}").stdout
    assert by_default.split() == named.replace('"$CONFIG"', "").split()


def test_report_writes_that_of_the_output_that_is_named(venv: Path) -> None:
    assert make("report", "OUTPUT=my run", f"VENV={venv}").stdout.splitlines()[0] == "[report] [my run] "


def test_setup_does_nothing_when_the_environment_is_newer_than_the_lock(venv: Path) -> None:
    assert make("--question", "setup", f"VENV={venv}").returncode == 0


def test_tests_need_more_than_a_run(venv: Path) -> None:
    (venv / ".ready-dev").unlink()
    assert make("--question", "setup", f"VENV={venv}").returncode == 0
    added = make("--just-print", "test", f"VENV={venv}").stdout.splitlines()
    assert added[0] == f"sh scripts/make_venv.sh '{venv}' requirements-dev.lock"


def test_setup_works_again_when_the_lock_is_newer(venv: Path) -> None:
    os.utime(venv / ".ready", (0, 0))
    assert make("--question", "setup", f"VENV={venv}").returncode == 1


def test_setup_says_when_there_is_no_python_to_use(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    shell = shutil.which("sh") or "/bin/sh"
    command = [shell, "scripts/make_venv.sh", str(tmp_path / "venv"), "requirements.lock"]
    result = subprocess.run(command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "No Python 3.11 or newer" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_the_first_screen_of_the_readme_holds_the_two_commands() -> None:
    screen = README.splitlines()[:24]
    assert {"make preprocess", "make test"} <= {line.split("#")[0].strip() for line in screen}


def test_the_readme_lists_every_exit_code() -> None:
    listed = {
        int(code) for row in re.findall(r"^\| ([\d, /]+) \|", README, re.MULTILINE) for code in re.findall(r"\d+", row)
    }
    assert listed == set(ExitCode)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_targets_that_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) <= targets()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_links_to_files_that_exist(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []
