"""The programs that are compared, each run as its users run it, in a process of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pyarrow.parquet
import zarr

from hard.judge import Outcome, Result

TIMEOUT_SECONDS = 120
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
STEPS = "steps:\n  - orient: {to: LPS}\n"
REPAIRS = """
geometry: {gantry_tilt: correct, gap: interpolate, uneven_spacing: resample, duplicate_position: split,
           missing_position: slice_location}
hounsfield: {wrapped: repair}
"""
READ_WITH = Path(__file__).with_name("read_with.py")

Run = Callable[[Path, Path], Outcome]


@dataclass(frozen=True)
class Peer:
    """A program in one mode; ``run`` takes a folder of DICOM files and an empty one to work in."""

    name: str
    mode: str
    version: str
    run: Run


def peers(python: str) -> list[Peer]:
    """Return the programs that are there; ``python`` is the interpreter of an environment that holds the libraries."""
    found = []
    for library, modes, interpreter in (
        ("SimpleITK", ("default", "best"), sys.executable),
        ("dicom2nifti", ("default", "best"), python),
        ("highdicom", ("default", "best"), python),
    ):
        if version := installed(interpreter, library):
            found += [Peer(library, mode, version, library_run(interpreter, library, mode)) for mode in modes]
    if version := dcm2niix_version():
        found += [Peer("dcm2niix", mode, version, dcm2niix_run(mode)) for mode in ("default", "best")]
    if version := installed(python, "med-imagetools"):
        found.append(Peer("med-imagetools", "default", version, imagetools_run(python)))
    own = installed(sys.executable, "ctprep")
    return [*(Peer("ctprep", mode, own, ctprep_run(mode)) for mode in ("default", "best")), *found]


def installed(python: str, distribution: str) -> str:
    """Return a distribution's version in an environment, empty where it is not there."""
    code = f"from importlib.metadata import version; print(version({distribution!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def dcm2niix_version() -> str:
    """Return the version of the program on the path, empty where there is none."""
    if not shutil.which("dcm2niix"):
        return ""
    said = subprocess.run(["dcm2niix", "--version"], capture_output=True, text=True, check=False).stdout
    return said.split()[-1]


def outcome_of(command: Sequence[str], results: Callable[[], Sequence[Result]]) -> Outcome:
    """Run a command, and collect what it left and said; a signal or a time-out is a crash."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return Outcome(said="error: no end", crashed=True)
    return Outcome(tuple(results()), done.stdout + done.stderr, crashed=done.returncode < 0)


def library_run(python: str, library: str, mode: str) -> Run:
    """Return what reads a folder with a library; what it raises counts as said, unless no check raised it."""

    def run(folder: Path, work: Path) -> Outcome:
        command = [python, str(READ_WITH), library, mode, str(folder), str(work)]
        outcome = outcome_of(command, lambda: [from_npz(path) for path in sorted(work.glob("*.npz"))])
        if not (work / "error.json").exists():
            return Outcome(said=outcome.said, crashed=True)
        error = json.loads((work / "error.json").read_text(encoding="utf-8"))
        results = () if error else outcome.results
        return Outcome(results, outcome.said + error.get("text", ""), crashed=error.get("broken", False))

    return run


def from_npz(path: Path) -> Result:
    """Return what ``read_with`` wrote."""
    with np.load(path) as held:
        return Result(held["array"], held["affine"])


def dcm2niix_run(mode: str) -> Run:
    """Return what runs dcm2niix; at best, its _Tilt and _Eq files are taken where it writes them."""

    def results(work: Path) -> list[Result]:
        paths = sorted(work.glob("*.nii"))
        mended = [path for path in paths if is_mended(path)]
        plain = [path for path in paths if not is_mended(path)]
        return from_nifti(mended if mended and mode == "best" else plain or paths)

    def run(folder: Path, work: Path) -> Outcome:
        command = ["dcm2niix", "-b", "n", "-z", "n", "-f", "v", "-o", str(work), str(folder)]
        return outcome_of(command, lambda: results(work))

    return run


def is_mended(path: Path) -> bool:
    """Report a file that dcm2niix writes beside the plain one, its tilt or its spacing mended."""
    return any(word in path.stem for word in ("_Tilt", "_Eq"))


def from_nifti(paths: Iterable[Path]) -> list[Result]:
    """Return the volumes of NIfTI images in LPS; one with a fourth axis holds several."""
    results = []
    for image in map(nibabel.Nifti1Image.from_filename, paths):
        array = image.get_fdata()
        volumes = np.moveaxis(array, 3, 0) if array.ndim == 4 else [array]
        results += [Result(volume, RAS_TO_LPS @ image.affine) for volume in volumes]
    return results


def imagetools_run(python: str) -> Run:
    """Return what runs med-imagetools' pipeline, which has one mode."""
    program = str(Path(python).with_name("imgtools"))

    def run(folder: Path, work: Path) -> Outcome:
        out, crawl = work / "out", work / "crawl"
        command = [program, "autopipeline", str(folder), str(out), "-m", "CT", "--crawl-directory", str(crawl)]
        return outcome_of([*command, "--jobs", "1"], lambda: from_nifti(sorted(out.rglob("*.nii.gz"))))

    return run


def ctprep_run(mode: str) -> Run:
    """Return what runs ctprep; at best, with every repair that is to be asked for."""

    def run(folder: Path, work: Path) -> Outcome:
        config, out = work / "config.yaml", work / "out"
        config.write_text(STEPS + (REPAIRS if mode == "best" else ""), encoding="utf-8")
        command = [sys.executable, "-m", "pipeline", "run", str(config), "--input", str(folder), "--output", str(out)]
        done = outcome_of([*command, "--cluster", "serial", "--no-progress"], tuple)
        manifest = out / "manifest.parquet"
        if not manifest.exists():
            return Outcome(said=done.said, crashed=True)
        records = pyarrow.parquet.read_table(manifest).to_pylist()
        said = [f"warning: {word}" for record in records for word in record["warnings"] or ()]
        said += [f"error: {record['reason']}" for record in records if record["reason"]]
        stores = [out / record["store"] for record in records if record["store"]]
        broke_down = any(record["status"] == "failed" for record in records)
        return Outcome(tuple(map(from_store, stores)), "\n".join(said), crashed=broke_down)

    return run


def from_store(path: Path) -> Result:
    """Return a store's volume."""
    group = zarr.open_group(path, mode="r")
    return Result(np.asarray(group["0"]), np.array(group.attrs["ctprep"]["affine_lps"]))
