"""Measures what a scan costs as a cohort grows: the driver's peak memory, the time, and the processor time a file.

The files are real: CT headers of 110 elements, every UID, time and position its own, and pixels that are not there.
Each row is a process of its own: a first scan, a second one, a run with nothing to do, and a plan.

    python benchmarks/scan_scale.py [--files 20000 200000] [--folder DIR]
"""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from cohort.measured import run_alone

SLICES = 200
"""Of each series."""
SHOWN = ("what", "files", "seconds", "driver's CPU us a file", "all CPU us a file", "driver's peak MiB")
UID = "1.2.826.0.1.3680043.8.498."


def make(folder: Path, n_files: int) -> None:
    """Write the files of as many series as are asked for; those that are there already stay."""
    template, places = build_template()
    for number in range(n_files // SLICES):
        series = folder / f"{number // 100:04}" / f"{number:06}"
        if not series.is_dir():
            series.mkdir(parents=True)
            for z in range(SLICES):
                (series / f"{z:04}.dcm").write_bytes(fill_in(template, places, number, z))


def fill_in(template: bytes, places: dict[str, int], number: int, z: int) -> bytes:
    """Return a file of the template whose identifiers, number and position are its own."""
    content = bytearray(template)
    values = {
        "patient": f"P{number:09}", "study": f"{UID}1{number:09}", "series": f"{UID}2{number:09}",
        "instance": f"{UID}3{number:09}{z:06}", "number": f"{z:06}", "position": f"{z * 2.5:012.3f}",
    }  # fmt: skip
    for name, value in values.items():
        for place in (places[name],) if name != "instance" else (places[name], places["meta instance"]):
            content[place : place + len(value)] = value.encode()
    return bytes(content)


def build_template() -> tuple[bytes, dict[str, int]]:
    """Return a CT file of 110 elements without pixels to speak of, and where in it each value stands."""
    from io import BytesIO

    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset

    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"{UID}3{0:09}{999999:06}"
    dataset.PatientID, dataset.StudyInstanceUID = f"P{999999999:09}", f"{UID}1{999999999:09}"
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = f"{UID}2{999999999:09}", f"{UID}4"
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber, dataset.StudyDate, dataset.PatientSex = "999999", "20200101", "F"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = ["-120", "-120", "99999999.999"], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness, dataset.KVP = [0.7, 0.7], 2.5, 120
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, 0, "HU"
    dataset.Manufacturer, dataset.ManufacturerModelName, dataset.ConvolutionKernel = "VENDOR", "MODEL", "B30f"
    for number in range(110 - len(dataset) - 1):
        dataset.add_new(0x00191001 + number, "LO", f"private value {number}")
    dataset.add_new(0x00190010, "LO", "BENCHMARK")
    dataset.PixelData = bytes(128)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    file = BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    content = file.getvalue()
    instance = dataset.SOPInstanceUID.encode()
    return content, {
        "patient": content.index(b"P999999999"),
        "study": content.index(dataset.StudyInstanceUID.encode()),
        "series": content.index(dataset.SeriesInstanceUID.encode()),
        "meta instance": content.index(instance),
        "instance": content.rindex(instance),
        "number": content.index(b"999999", content.index(b"\x20\x00\x13\x00")),
        "position": content.index(b"99999999.999"),
    }


def configuration(folder: Path) -> Path:
    """Write and return the configuration of a run that makes no store and no report: no series has enough slices."""
    path = folder / "config.yaml"
    path.write_text(f"select: {{min_slices: {SLICES + 1}}}\nreport: {{enabled: false}}\n")
    return path


def command(*words: str) -> Callable[[Path], None]:
    """Return what gives a command over the cohort of a folder."""

    def give(folder: Path) -> None:
        from pipeline.cli import main

        places = ["--input", str(folder / "in"), "--output", str(folder / "out")]
        code = main([words[0], str(configuration(folder)), *places, *words[1:]])
        if code not in {0, 3}:
            sys.exit(f"{words} ended with {code}")

    return give


PARTS = {
    "first scan": command("scan"),
    "second scan": command("scan"),
    "first run": command("run"),
    "run with nothing to do": command("run"),
    "plan": command("plan"),
}


def main(arguments: list[str]) -> None:
    """Measure each part for each size, and print one table."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[20_000])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--folder", type=Path, help="where the files lie, or are made to lie; else in a temporary one")
    asked = parser.parse_args(arguments)
    print("".join(f"| {name} " for name in SHOWN) + "|\n|---" + "|---:" * (len(SHOWN) - 1) + "|")
    for n_files in asked.files:
        with TemporaryDirectory(prefix="scan-scale-") as temporary:
            folder = (asked.folder or Path(temporary)) / f"{n_files}"
            make(folder / "in", n_files)
            for part in asked.parts:
                figures = run_alone(__file__, part, str(folder), str(n_files))
                print(f"| {part} | {n_files:,} " + "".join(f"| {value:,} " for value in figures) + "|", flush=True)


def measure(part: str, folder: Path, n_files: int) -> list[float]:
    """Return what one part costs; see ``SHOWN``."""
    began, busy = perf_counter(), process_time()
    PARTS[part](folder)
    seconds, busy = perf_counter() - began, process_time() - busy
    children = getrusage(RUSAGE_CHILDREN)
    every = busy + children.ru_utime + children.ru_stime
    peak_mib = getrusage(RUSAGE_SELF).ru_maxrss >> 10
    return [round(seconds, 1), round(busy * 1e6 / n_files, 1), round(every * 1e6 / n_files, 1), peak_mib]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))))
    else:
        main(sys.argv[1:])
