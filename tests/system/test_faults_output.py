"""Whatever becomes of an output: it is found or said, nothing false stands in it, and a rerun makes it whole again."""

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import SERIAL, Begun, Cohort, Figures, assert_nothing_false, make_cohort, n_finished, random_numbers, slowly

from pipeline.audit.verify import MismatchKind, verify
from pipeline.errors import DamageError, OutputError
from pipeline.output.layout import OutputFolder
from pipeline.vocabulary import ExitCode

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("cohort"), 6)


@pytest.fixture
def output(cohort: Cohort, tmp_path: Path) -> OutputFolder:
    """Give an output that nothing is wrong with."""
    return OutputFolder(shutil.copytree(cohort.source.parent / "clean", tmp_path / "out"))


def stores_of(output: OutputFolder) -> list[Path]:
    return sorted(output.volumes.glob("*.zarr"))


def voxels_of(store: Path) -> Path:
    """Return the largest file of a store."""
    return max((path for path in store.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def flip(output: OutputFolder) -> None:
    chunk = voxels_of(stores_of(output)[0])
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)


def swap_chunks(output: OutputFolder) -> None:
    one, other = map(voxels_of, stores_of(output)[:2])
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def swap_stores(output: OutputFolder) -> None:
    one, other = stores_of(output)[:2]
    aside = one.rename(output.volumes / "aside")
    other.rename(one)
    aside.rename(other)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES: dict[str, tuple[Callable[[OutputFolder], object], list[MismatchKind]]] = {
    "a chunk flipped": (flip, [MismatchKind.CHANGED]),
    "a chunk deleted": (lambda output: voxels_of(stores_of(output)[0]).unlink(), [MismatchKind.CHANGED]),
    "a chunk truncated": (lambda output: truncate(voxels_of(stores_of(output)[0])), [MismatchKind.CHANGED]),
    "two chunks swapped": (swap_chunks, [MismatchKind.CHANGED] * 2),
    "two stores swapped": (swap_stores, [MismatchKind.SWAPPED] * 2),
    "a store removed": (lambda output: shutil.rmtree(stores_of(output)[0]), [MismatchKind.MISSING]),
    "a store added": (
        lambda output: shutil.copytree(stores_of(output)[0], output.store("f" * 20)),
        [MismatchKind.EXTRA],
    ),
}


@pytest.mark.parametrize(("damage", "kinds"), DAMAGES.values(), ids=DAMAGES)
def test_verify_finds_damage_and_what_it_names_is_made_again_once_removed(
    cohort: Cohort, output: OutputFolder, damage: Callable[[OutputFolder], object], kinds: list[MismatchKind]
) -> None:
    assert verify(output) == []
    damage(output)
    found = verify(output)
    assert [mismatch.kind for mismatch in found] == kinds
    for mismatch in found:
        shutil.rmtree(output.store(mismatch.series_key), ignore_errors=mismatch.kind is MismatchKind.MISSING)
    assert cohort.rerun(output.root).exit_code == ExitCode.REJECTED
    assert cohort.figures(output.root) == Figures()


TABLES = (
    "manifest.parquet", "manifest.csv", "tags.parquet", "findings.json", "config.yaml", "private/index.parquet",
    "slices.parquet", "histograms.parquet", "private/files.parquet",
)  # fmt: skip
"""What follows from the database."""


@pytest.mark.parametrize("harm", [Path.unlink, truncate], ids=["deleted", "truncated"])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_gone_or_cut_short_is_as_it_was_after_a_run(
    cohort: Cohort, output: OutputFolder, name: str, harm: Callable[[Path], object]
) -> None:
    before = (output.root / name).read_bytes()
    stores = {path: path.stat().st_mtime_ns for path in output.volumes.rglob("*")}
    harm(output.root / name)
    if name == "manifest.parquet":
        with pytest.raises(DamageError):
            verify(output)
    assert cohort.rerun(output.root).exit_code == ExitCode.REJECTED
    assert cohort.figures(output.root) == Figures()
    assert (output.root / name).read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in output.volumes.rglob("*")} == stores


def test_without_a_database_everything_is_made_again_with_the_same_bytes(cohort: Cohort, output: OutputFolder) -> None:
    output.state.unlink()
    output.manifest.unlink()
    assert cohort.rerun(output.root).exit_code == ExitCode.REJECTED
    assert cohort.figures(output.root) == Figures()


@pytest.mark.parametrize("n", [0, 1, 2, *(slowly(number) for number in random_numbers(40, 3, 10_000))])
def test_a_byte_of_the_database_that_is_another_is_said_or_makes_no_difference(
    cohort: Cohort, output: OutputFolder, n: int
) -> None:
    content = bytearray(output.state.read_bytes())
    content[random.Random(n).randrange(len(content))] ^= 0xFF  # noqa: S311  no secret
    output.state.write_bytes(content)
    output.manifest.unlink()  # so that the run has something to do
    try:
        code = cohort.rerun(output.root).exit_code
    except (DamageError, OutputError):
        output.state.unlink()
        code = cohort.rerun(output.root).exit_code
    assert code == ExitCode.REJECTED
    assert cohort.figures(output.root) == Figures()


def test_a_database_cut_short_is_damage_and_once_removed_everything_is_made_again(
    cohort: Cohort, output: OutputFolder
) -> None:
    truncate(output.state)
    with pytest.raises(DamageError):
        cohort.rerun(output.root)
    with pytest.raises(DamageError):
        verify(output)
    output.state.unlink()
    assert cohort.rerun(output.root).exit_code == ExitCode.REJECTED
    assert cohort.figures(output.root) == Figures()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of its own, of a page."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def grow(disk: Path, n_kib: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={n_kib}k", disk], check=True)


def assert_full_then_whole(cohort: Cohort, begun: Begun, after: Callable[[], object] = lambda: None) -> None:
    """Hear the run say that the output is full or shut; after that is mended, the next one makes it whole."""
    assert begun.ends() == ExitCode.OUTPUT
    assert_nothing_false(cohort, begun.output)
    after()
    assert cohort.rerun(begun.output.root).exit_code == ExitCode.REJECTED
    assert cohort.figures(begun.output.root) == Figures()


@pytest.mark.parametrize("n_kib", [28, 110, *(slowly(number) for number in random_numbers(10, 12, 240))])
def test_a_full_disk_is_said_and_costs_nothing_that_a_rerun_does_not_mend(
    cohort: Cohort, small_disk: Path, n_kib: int
) -> None:
    grow(small_disk, n_kib)
    assert_full_then_whole(cohort, cohort.begin(small_disk / "out"), lambda: grow(small_disk, 16_384))


@pytest.mark.parametrize("n_bytes", [3_000, *(slowly(number) for number in random_numbers(10, 100, 40_000))])
def test_a_file_that_may_not_grow_is_as_a_full_disk(cohort: Cohort, tmp_path: Path, n_bytes: int) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))

    assert_full_then_whole(cohort, cohort.begin(tmp_path / "out", preexec_fn=limit))


def test_what_cannot_be_said_is_a_full_disk_too_and_no_traceback(cohort: Cohort, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(SERIAL)
    words = [sys.executable, "-m", "pipeline", "run", config, "--input", cohort.source, "--output", tmp_path / "out"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*map(str, words)], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ExitCode.OUTPUT
    assert len(done.stderr.splitlines()) == 1
    assert cohort.rerun(tmp_path / "out").exit_code == ExitCode.REJECTED
    assert cohort.figures(tmp_path / "out") == Figures()


def without_privileges() -> tuple[str, ...]:
    """Return the words that make a program one that permissions hold for, also where root starts it."""
    if os.geteuid():
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv: root may write anywhere")
    return "setpriv", "--inh-caps=-all", "--bounding-set=-all"


@pytest.mark.parametrize("n", [0, 3])
def test_an_output_that_turns_read_only_is_said_and_costs_nothing(cohort: Cohort, tmp_path: Path, n: int) -> None:
    begun = cohort.begin(tmp_path / "out", before=without_privileges())
    begun.until(lambda output: output.lock.exists() and n_finished(output) >= n)
    folders = [begun.output.root, begun.output.volumes, begun.output.private]
    for folder in folders:
        folder.chmod(0o500)

    def allow() -> None:
        for folder in folders:
            folder.chmod(0o700)

    assert_full_then_whole(cohort, begun, allow)
