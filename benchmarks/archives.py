"""Times a run over zips, one a patient with two series each, against the folder that they unpack to; in turns.

    python benchmarks/archives.py [--patients 20] [--slices 24] [--rounds 3]

Prints the wall time of each kind of input, its ratio to the folder's, the most that lay in temporary files at a time,
and whether the stores and the manifests are the same.
"""

import os
import subprocess
import sys
import zipfile
from argparse import ArgumentParser
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import psutil
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from pipeline.output.tables import read_table

PIXELS = 512
KINDS = {"folder": None, "stored zips": zipfile.ZIP_STORED, "deflated zips": zipfile.ZIP_DEFLATED}
LOOK_SECONDS = 0.05
MEASURED = {"duration_s", "peak_memory_mb", "finished_at"}
CONFIG = "steps: [{orient: {to: LPS}}, {resample: {spacing_mm: [2, 1, 1]}}, {clip: {low_hu: -1000, high_hu: 400}}]\n"


def write_series(folder: Path, patient: str, seed: int, n_slices: int) -> None:
    """Write a head of bone and brain in noise, as slices of 512 x 512."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : PIXELS * 1j, -1 : 1 : PIXELS * 1j]
    series, study = (generate_uid(entropy_srcs=[patient, name]) for name in (folder.name, "study"))
    for k in range(n_slices):
        radius = np.hypot(x / 0.7, y / (0.8 + 0.002 * k))
        hu = np.select([radius < 0.85, radius < 0.95], [35, 900], -1000) + random.normal(0, 8, x.shape)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.Modality, dataset.PatientID = CTImageStorage, "CT", patient
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[patient, folder.name, str(k)])
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = (
            series,
            study,
            series[:60] + ".1",
        )
        dataset.InstanceNumber, dataset.ImagePositionPatient = k + 1, [-120, -120, 2.5 * k]
        dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.47, 0.47]
        dataset.SliceThickness, dataset.ImageType = 2.5, ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.Rows = dataset.Columns = PIXELS
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
        dataset.PixelData = (hu + 1024).clip(0, 4095).astype("<u2").tobytes()
        dataset.save_as(folder / f"IM{k:04d}.dcm", enforce_file_format=True)


def make_inputs(base: Path, n_patients: int, n_slices: int) -> None:
    """Write every patient as a folder and as zips."""
    for n in range(n_patients):
        patient = base / "folder" / f"CT{n}"
        for series in range(2):
            write_series(patient / f"series{series}", patient.name, 2 * n + series, n_slices)
        for kind, method in KINDS.items():
            if method is not None:
                (base / kind).mkdir(exist_ok=True)
                with zipfile.ZipFile(base / kind / f"{patient.name}.zip", "w", method) as archive:
                    for file in sorted(patient.rglob("*.dcm")):
                        archive.write(file, file.relative_to(patient))


def temporary_bytes(process: psutil.Process) -> int:
    """Return how much lies in files without a name that a process and its children have open."""
    found = {}
    for one in (process, *process.children(recursive=True)):
        for descriptor in Path(f"/proc/{one.pid}/fd").glob("*"):
            with suppress(OSError):
                name = str(descriptor.readlink())
                if name.endswith("(deleted)") and not name.startswith("/dev/"):
                    status = descriptor.stat()
                    found[status.st_ino] = status.st_size
    return sum(found.values())


def timed_run(source: Path, output: Path) -> tuple[float, float, int]:
    """Return the wall time and the CPU time of a run, and the most that lay in temporary files."""
    config = output.with_suffix(".yaml")
    config.write_text(CONFIG + "report: {enabled: false}\ncluster: {workers: 2}\n")
    command = [sys.executable, "-m", "pipeline", "run", config, "--input", source, "--output", output, "--quiet"]
    begun, most = perf_counter(), 0
    cpu_seconds: dict[int, float] = {}
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL) as running:
        while running.poll() is None:
            with suppress(psutil.Error):
                process = psutil.Process(running.pid)
                most = max(most, temporary_bytes(process))
                for one in (process, *process.children(recursive=True)):
                    cpu_seconds[one.pid] = sum(one.cpu_times()[:2])
            try:
                running.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                continue
    if running.returncode:
        sys.exit(f"the run over {source.name} ended with {running.returncode}")
    return perf_counter() - begun, sum(cpu_seconds.values()), most


def result_of(output: Path) -> str:
    """Return a hash of all stores, and of the manifest but for what no two runs have in common."""
    digest = sha256()
    for path in sorted((output / "volumes").rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(output)).encode() + path.read_bytes())
    rows = [{k: v for k, v in row.items() if k not in MEASURED} for row in read_table(output / "manifest.parquet")]
    return f"{digest.hexdigest()[:12]} {sha256(repr(sorted(map(repr, rows))).encode()).hexdigest()[:12]}"


def main() -> None:
    """Make the inputs, run over each in turns, and print the table."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--slices", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="archives-") as scratch:
        base = Path(scratch)
        (base / "key").write_text("ab" * 32)
        os.environ["CTPREP_KEY_FILE"] = str(base / "key")
        make_inputs(base, asked.patients, asked.slices)
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        cpu: dict[str, list[float]] = {kind: [] for kind in KINDS}
        most, results = dict.fromkeys(KINDS, 0), {}
        for n in range(asked.rounds):
            for kind in (*KINDS,)[n % len(KINDS) :] + (*KINDS,)[: n % len(KINDS)]:
                seconds, cpu_seconds, n_bytes = timed_run(base / kind, base / f"out-{n}-{kind}")
                times[kind].append(seconds)
                cpu[kind].append(cpu_seconds)
                most[kind], results[kind] = max(most[kind], n_bytes), result_of(base / f"out-{n}-{kind}")
                print(f"round {n + 1}: {kind:14} {seconds:6.1f} s, CPU {cpu_seconds:6.1f} s", flush=True)
        for kind in KINDS:
            ratio = median(one / other for one, other in zip(times[kind], times["folder"], strict=True))
            cpu_ratio = median(one / other for one, other in zip(cpu[kind], cpu["folder"], strict=True))
            size = sum(file.stat().st_size for file in (base / kind).rglob("*") if file.is_file()) / 2**20
            print(f"{kind:14} {size:6.0f} MiB, {median(times[kind]):6.1f} s, {ratio:.2f} of the folder's")
            print(f"{'':14} CPU {median(cpu[kind]):6.1f} s, {cpu_ratio:.2f} of the folder's")
            print(f"{'':14} {most[kind] / 2**20:.1f} MiB in temporary files, result {results[kind]}")


if __name__ == "__main__":
    main()
