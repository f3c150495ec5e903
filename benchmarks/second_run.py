"""Times `ctprep run` where nothing is new, and where one slice of one series is: seconds per file, and files opened.

The files are made on the spot: series of 200 slices of 16 x 16 voxels.  Beside each run stands the least that anything
could do, a walk over the folders that asks for each file's size and time.

    python benchmarks/second_run.py [--series 50]

The first run works every series, some ten a second: 1,000 series, 200,000 files, take two minutes or more.
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
from cohort.templated import SLICES, make_files
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from pipeline.config import load
from pipeline.record import SeriesRecord
from pipeline.run.run import run

PIXELS = 16
VARYING = {
    "SOPInstanceUID": b"1.2.826.0.1.3680043.8.498.7%08d",
    "ImagePositionPatient": b"-172.3\\-180.5\\%+08.2f",
    "InstanceNumber": b"1%05d",
}
"""What differs from slice to slice, in as many bytes everywhere."""

CONFIG = "steps: [{orient: {to: LPS}}]\nreport: {pictures: false}\n"


class Silent:
    """Hears a run, and says nothing."""

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Be told how much there is to do."""

    def finished(self, record: SeriesRecord, folder: str = "") -> None:
        """Be told of a series that was worked."""

    def reads(self, n_read: int, n_files: int) -> None:
        """Do nothing."""

    def publishes(self, what: str) -> None:
        """Do nothing."""

    def says(self, message: str) -> None:
        """Be told what a person should know."""


class Opened:
    """Counts the files under a folder that this process opens, once it looks."""

    def __init__(self, folder: Path) -> None:
        self.n, self._folder = 0, f"{folder}{os.sep}"
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(self._folder):
            self.n += 1


def main(arguments: list[str]) -> None:
    """Make the files, run over them three times, and print the table."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--series", type=int, default=50)
    n_series = parser.parse_args(arguments).series
    with TemporaryDirectory(prefix="second-run-") as folder:
        source, path = Path(folder, "in"), Path(folder, "config.yaml")
        make_files(source, n_series, _template, VARYING)
        path.write_text(CONFIG)
        config, opened, n_files = (
            load(path, inputs=[source], output=Path(folder, "out")),
            Opened(source),
            n_series * SLICES,
        )
        print(f"{n_series:,} series, {n_files:,} files")
        timed("a walk over the folders", n_files, lambda: walked(source), opened)
        timed("first run", n_files, lambda: run(config, Silent()), opened)
        timed("second run, nothing new", n_files, lambda: run(config, Silent()), opened)
        os.utime(next(source.rglob("*.dcm")))
        timed("third run, one slice is new", n_files, lambda: run(config, Silent()), opened)
        timed("fourth run, nothing new", n_files, lambda: run(config, Silent()), opened)


def timed(name: str, n_files: int, work: Callable[[], object], opened: Opened) -> None:
    """Run once and print the time, that of this process's own work, and how many input files it opened."""
    before, began, busy = opened.n, perf_counter(), process_time()
    work()
    seconds, busy = perf_counter() - began, process_time() - busy
    times = f"{seconds:8.2f} s, {busy:7.2f} s of this process,{1e6 * busy / n_files:8.1f} us a file"
    print(f"{name:<28}{times},{opened.n - before:9,} opened", flush=True)


def walked(folder: Path) -> int:
    """Ask for the size and time of every file."""
    return sum(os.lstat(entry.path).st_size for place in os.scandir(folder) for entry in os.scandir(place.path))


def _template(series: int) -> bytes:
    uid = f"1.2.826.0.1.3680043.8.498.9{series:05}"
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality, dataset.Manufacturer = CTImageStorage, "CT", "ACME"
    dataset.PatientID, dataset.PhotometricInterpretation = f"P{series:05}", "MONOCHROME2"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = uid + "1", uid + "2", uid + "3"
    dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.7, 0.7]
    dataset.SliceThickness, dataset.RescaleSlope, dataset.RescaleIntercept = "1.0", "1", "-1024"
    dataset.Rows = dataset.Columns = PIXELS
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    body = np.random.default_rng(series).normal(1000, 200, (PIXELS, PIXELS)).clip(0, 4000).astype("<u2")
    dataset.PixelData = body.tobytes()
    for keyword, pattern in VARYING.items():
        setattr(dataset, keyword, (pattern % 0).decode("ascii").split("\\"))
    with BytesIO() as stream:
        dataset.save_as(stream, enforce_file_format=True)
        return stream.getvalue()


if __name__ == "__main__":
    main(sys.argv[1:])
