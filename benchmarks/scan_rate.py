"""Compares the rate of `ctprep scan` with plain pydicom loops on 30,000 header-only files, and a second scan with both.

The files are made on the spot: 150 series of 200 slices, some 110 elements each, sequences and private ones included.
A plain loop does what a notebook does: ``dcmread(stop_before_pixels=True)`` and a count of every element's values.

    python benchmarks/scan_rate.py [--series 150]
"""

import os
import sys
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import perf_counter

from cohort.templated import make_files
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from pipeline.config import load
from pipeline.dicom.headers.batch import Terms
from pipeline.limits import Limits
from pipeline.privacy import ALLOWED_ELEMENTS
from pipeline.run.scan import scan_only
from pipeline.scan.headers import BATCH_FILES, read_job
from pipeline.sources.folders import InputOptions, find_files

Counts = dict[str, Counter[str]]

VARYING = {
    "SOPInstanceUID": b"1.2.826.0.1.3680043.8.498.7%08d",
    "ImagePositionPatient": b"-172.3\\-180.5\\%+08.2f",
    "SliceLocation": b"%+08.2f",
    "InstanceNumber": b"1%05d",
    "ContentTime": b"12%04d",
    "XRayTubeCurrent": b"2%05d",
}
"""What differs from slice to slice, in as many bytes everywhere."""

TEXTS = {
    "SpecificCharacterSet": "ISO_IR 100", "StudyDate": "20150101", "SeriesDate": "20150101",
    "AcquisitionDate": "20150101", "ContentDate": "20150101", "StudyTime": "101010", "SeriesTime": "101112",
    "AcquisitionTime": "101212", "AccessionNumber": "", "Modality": "CT", "Manufacturer": "SIEMENS",
    "InstitutionName": "A hospital", "StationName": "CT0001", "StudyDescription": "Thorax",
    "SeriesDescription": "Thorax 1.0 B70f", "ManufacturerModelName": "Sensation 16", "PatientName": "Anonymous",
    "PatientBirthDate": "", "PatientSex": "F", "PatientAge": "061Y", "BodyPartExamined": "CHEST",
    "DeviceSerialNumber": "12345", "SoftwareVersions": "VA44A", "ProtocolName": "Thorax", "ScanOptions": "SPI",
    "PatientPosition": "HFS", "ConvolutionKernel": "B70f", "FilterType": "0", "RotationDirection": "CW",
    "ContrastBolusAgent": "", "StudyID": "1", "PositionReferenceIndicator": "", "PatientIdentityRemoved": "YES",
    "PhotometricInterpretation": "MONOCHROME2", "RescaleType": "HU", "LossyImageCompression": "00",
    "AcquisitionType": "SPIRAL", "ExposureModulationType": "NONE", "BurnedInAnnotation": "NO",
}  # fmt: skip
DECIMALS = {
    "SliceThickness": "1.0", "KVP": "120", "DataCollectionDiameter": "500", "ReconstructionDiameter": "344",
    "DistanceSourceToDetector": "1040", "DistanceSourceToPatient": "570", "GantryDetectorTilt": "0",
    "TableHeight": "164", "ExposureTime": "500", "Exposure": "98", "GeneratorPower": "27", "FocalSpots": "1.2",
    "RescaleIntercept": "-1024", "RescaleSlope": "1", "SeriesNumber": "2", "AcquisitionNumber": "1",
    "PatientWeight": "70",
}  # fmt: skip
SHORTS = {
    "SamplesPerPixel": 1, "Rows": 512, "Columns": 512, "BitsAllocated": 16, "BitsStored": 12, "HighBit": 11,
    "PixelRepresentation": 0, "SmallestImagePixelValue": 0, "LargestImagePixelValue": 4000,
}  # fmt: skip


def main(arguments: list[str]) -> None:
    """Make the files, run everything over them, and print the rates."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=150)
    n_series = parser.parse_args(arguments).series
    with TemporaryDirectory(prefix="scan-rate-") as folder:
        source, config = Path(folder, "in"), Path(folder, "config.yaml")
        make_files(source, n_series, _template, VARYING)
        config.write_text("steps: []\n")
        paths = sorted(str(path) for path in source.rglob("*.dcm"))
        print(f"{len(paths):,} files, each of {Path(paths[0]).stat().st_size:,} bytes")
        wanted = load(config, inputs=[source], output=Path(folder, "out"))
        run = partial(timed, n_files=len(paths))
        plain = run("pydicom, one process", lambda: counted(paths))
        run("pydicom, two processes", lambda: counted_in_pool(paths), plain=plain)
        run("ctprep's headers alone", lambda: read_alone(source), plain=plain)
        first = run("ctprep scan, first", lambda: scan_only(wanted), plain=plain)
        second = run("ctprep scan, second", lambda: scan_only(wanted), plain=plain)
        print(f"second against first: {first / second:.1f} times")
        kinds = (("this process", RUSAGE_SELF), ("its largest child", RUSAGE_CHILDREN))
        print("; ".join(f"peak memory of {name} {getrusage(kind).ru_maxrss >> 10} MiB" for name, kind in kinds))


def timed(name: str, work: Callable[[], object], *, n_files: int, plain: float | None = None) -> float:
    """Run once and print the time, beside the plain loop's, and the processors' time, which other work blurs less."""
    began, before = perf_counter(), sum(os.times()[:4])
    work()
    seconds, busy = perf_counter() - began, sum(os.times()[:4]) - before
    beside = f"{plain / seconds:8.1f} times the plain loop" if plain else ""
    a_file = f"{1000 * busy / n_files:7.3f} ms per file"
    print(f"{name:<24}{seconds:8.2f} s, {busy:8.2f} s of processors, {a_file}{beside}", flush=True)
    return seconds


def counted(paths: list[str]) -> Counts:
    """Count every element's values as notebooks do."""
    counts: Counts = defaultdict(Counter)
    for path in paths:
        for element in dcmread(path, stop_before_pixels=True):
            counts[element.keyword][str(element.value)] += 1
    return counts


def counted_in_pool(paths: list[str]) -> Counts:
    """Count in two processes, and add up."""
    counts: Counts = defaultdict(Counter)
    with get_context("spawn").Pool(2) as pool:
        for part in pool.imap_unordered(counted, [paths[start : start + 500] for start in range(0, len(paths), 500)]):
            for keyword, values in part.items():
                counts[keyword] += values
    return counts


def read_alone(folder: Path) -> None:
    """Read every header as one of the processes of a scan does, and hand on nothing."""
    files = list(find_files(InputOptions((str(folder),))))
    for start in range(0, len(files), BATCH_FILES):
        read_job((tuple(files[start : start + BATCH_FILES]), Terms(Limits(), ALLOWED_ELEMENTS)))


def _template(series: int) -> bytes:
    uid = f"1.2.826.0.1.3680043.8.498.9{series:05}"
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    for keyword, value in (TEXTS | DECIMALS | SHORTS).items():
        setattr(dataset, keyword, value)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]
    dataset.PatientID = f"P{series:05}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = uid + "1", uid + "2", uid + "3"
    dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.671875, 0.671875]
    dataset.WindowCenter, dataset.WindowWidth = [50, -600], [350, 1200]
    dataset.ReferencedImageSequence = [_reference(n) for n in range(3)]
    private = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    for number in range(24):
        private.add_new(0x10 + number, "LO", f"private value {number}")
    for keyword, pattern in VARYING.items():
        setattr(dataset, keyword, (pattern % 0).decode("ascii").split("\\"))
    with BytesIO() as stream:
        dataset.save_as(stream, enforce_file_format=True)
        return stream.getvalue()


def _reference(number: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = CTImageStorage
    item.ReferencedSOPInstanceUID = f"1.2.3.{number}"
    return item


if __name__ == "__main__":
    main(sys.argv[1:])
