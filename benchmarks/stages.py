"""Where the time of a series goes, stage by stage in one thread, and how far each is from its own limit.

Each line adds a stage to those before: read (``pread`` of the pixels), source (codes to HU, padding, hashes,
features), program (to planes of int16), store (encoded, forced to disk, hashed).  The limits: a copy in memory of what
is read, the weighted sums alone on planes at hand, the codec alone on chunks at hand.

    python benchmarks/stages.py [FOLDER] [--rounds 3]

FOLDER holds one series; without it one of 300 slices is made.
"""

import os
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ["BLOSC_NTHREADS"] = "1"

import numpy as np
from cohort.made import make_cohort
from cohort.measured import best
from numcodecs import blosc

from pipeline.cluster.dispatcher import open_cluster
from pipeline.config import load
from pipeline.dicom.pixels.hounsfield import SliceSource
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.stack import Stack, build_stack
from pipeline.plan.recipe import policy_of, scan_inputs
from pipeline.prepare.series import describe_content, warm
from pipeline.prepare.source import stream_slices
from pipeline.privacy import PseudonymKey
from pipeline.program.execute import PreparedVolume, execute
from pipeline.program.program import Program
from pipeline.scan.headers import Reading
from pipeline.store.layout import StoreOptions
from pipeline.store.write import create_store
from pipeline.volume import Plane, VolumeSpec, gather_volume

JOB = """
steps:
  - resample: {spacing_mm: [1, 1, 1], antialias: false}
  - clip: {low_hu: -1000, high_hu: 400}
"""


def main(arguments: list[str]) -> None:
    """Print a line a stage."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    blosc.set_nthreads(1)
    with TemporaryDirectory(prefix="stages-") as scratch:
        config_file = Path(scratch, "job.yaml")
        config_file.write_text(JOB)
        if options.folder is None:
            make_cohort(Path(scratch, "cohort"), n_patients=1)
        source = options.folder or Path(scratch, "cohort")
        config = load(config_file, inputs=[source], output=Path(scratch, "out"))
        with open_cluster(config.cluster, config.limits) as dispatcher:
            (scanned,) = scan_inputs(config, PseudonymKey(), Reading(dispatcher)).series
        stack, policy = build_stack(scanned.series.images), policy_of(config)
        warm()
        program = Program.compile(config.steps, VolumeSpec(stack.geometry()))
        stages: dict[str, Callable[[], object]] = {
            "read": lambda: read(stack),
            "source": lambda: sourced(SliceSource(stack, policy), len(stack.slices)),
            "program": lambda: consumed(begun(program, stack, policy)),
            "store": lambda: stored(begun(program, stack, policy), Path(scratch, "store")),
        }
        show(stages, limits(stack, program, SliceSource(stack, policy)), len(stack.slices), options.rounds)


def begun(program: Program, stack: Stack, policy: Policy) -> PreparedVolume:
    """Begin the program on the slices of a stack."""
    return execute(program, stream_slices(SliceSource(stack, policy)))


def read(stack: Stack) -> None:
    """Read what holds the pixels, of every file."""
    for header in stack.slices:
        descriptor = os.open(header.file.path, os.O_RDONLY)
        os.pread(descriptor, header.file.size, header.pixels.offset)
        os.close(descriptor)


def sourced(source: SliceSource, n_slices: int) -> None:
    """Read every slice, and keep none."""
    for k in range(n_slices):
        source.plane(k)


def consumed(prepared: PreparedVolume) -> None:
    """Take every plane once."""
    for z in range(prepared.spec.geometry.shape.z):
        prepared.plane(z)


def stored(prepared: PreparedVolume, folder: Path) -> None:
    """Write a store, and remove it."""
    content = describe_content(prepared)
    with create_store(folder, StoreOptions()) as store:
        store.write(content)
        store.finish(content, {})
    shutil.rmtree(folder)


def limits(stack: Stack, program: Program, source: SliceSource) -> dict[str, Callable[[], object]]:
    """Return what each stage cannot be faster than."""
    volume = gather_volume(stream_slices(source), program.source)
    raw = np.zeros(sum(header.pixels.frame_bytes for header in stack.slices), np.uint8)
    whole = execute(program, lambda z: Plane(volume.voxels[None, z])).array
    chunks = [np.ascontiguousarray(part) for part in chunked(whole)]
    return {
        "a copy of the pixels in memory": raw.copy,
        "the program, slices in HU at hand": lambda: consumed(
            execute(program, lambda z: Plane(volume.voxels[None, z]))
        ),
        "the codec, chunks at hand": lambda: [compressed(chunk) for chunk in chunks],
    }


def chunked(array: np.ndarray, side: int = 64) -> list[np.ndarray]:
    """Return the cubes that an array is cut into."""
    starts = [range(0, n, side) for n in array.shape]
    return [array[z : z + side, y : y + side, x : x + side] for z in starts[0] for y in starts[1] for x in starts[2]]


def compressed(chunk: np.ndarray) -> bytes:
    """Compress as a store does."""
    return blosc.compress(chunk, cname=b"zstd", clevel=1, shuffle=blosc.BITSHUFFLE, blocksize=chunk.nbytes)


def show(
    stages: dict[str, Callable[[], object]], bounds: dict[str, Callable[[], object]], n_slices: int, rounds: int
) -> None:
    """Print what each stage adds, and the limits; the least of all rounds."""
    before, whole = 0.0, best(stages["store"], rounds)
    for name, work in stages.items():
        seconds = best(work, rounds)
        added = max(seconds - before, 0)
        print(f"{name:<36}{added:8.3f} s  {added / n_slices * 1e3:6.2f} ms per slice  {added / whole:6.0%}")
        before = seconds
    for name, work in bounds.items():
        seconds = best(work, rounds)
        print(f"limit: {name:<36}{seconds:8.3f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
