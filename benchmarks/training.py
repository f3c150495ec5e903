"""How many random patches a second reach a training loop, from ctprep's stores and from what others read.

All read the same volumes at the same places, each patch from another volume: ctprep from its stores, zarr-python from
the same, ``.npy`` files mapped into memory, and blosc2 as nnU-Net writes it (float32, LZ4HC, its chunks and blocks) or
with the same int16.  MONAI and TorchIO take ``crops`` patches of a volume in memory, one after the other.  Each is
measured in a process of its own, in turns, over a first epoch, which pays for what is cached, and over two more.
``CPU`` is that of all processes, ``held`` the most memory of one, ``disk`` what is read.

    python benchmarks/training.py [OUTPUT] [--sides 64 128] [--workers 0 2] [--crops 8] [--only NAME ...]

OUTPUT is that of a run; without it nine phantoms of as many voxels as a chest at 1 mm (32 million) are made.
"""

import gc
import json
import subprocess
import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from itertools import product
from math import ceil, floor, log2
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory, mkdtemp
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset import CohortVolume, open_cohort
from pipeline.dataset.sampling import Drawing, PatchSampler

ROOT = Path(__file__).parents[1]
BATCH, LATER_EPOCHS = 4, 2
STEPS = """steps:
  - orient: {to: LPS}
  - resample: {spacing_mm: [0.5, 0.5, 0.5]}
  - clip: {low_hu: -1000, high_hu: 400}
  - normalise: {to: zero_one}
report: {enabled: false}
"""

Loader = Callable[[int], Iterable[Any]]
"""Gives the batches of an epoch, each [n, c, z, y, x]."""

Window = tuple[slice, ...]
ReadPart = Callable[[CohortVolume, Window], NDArray[Any]]


def of_ctprep(folder: Path, options: Namespace) -> Loader:
    """Read patches from stores."""
    from torch.utils.data import DataLoader

    from pipeline.dataset.torch import Patches

    patches = Patches(open_cohort(output(folder)), (options.side,) * 3, per_volume=options.crop)
    loader = DataLoader(patches, batch_size=BATCH, shuffle=True, **workers(options))

    def epoch(number: int) -> Iterable[Any]:
        patches.set_epoch(number)
        return (batch["image"] for batch in loader)

    return epoch


def of_reader(read: ReadPart) -> Callable[[Path, Namespace], Loader]:
    """Return what reads the same patches by a function, and makes them float32 tensors."""

    def of(folder: Path, options: Namespace) -> Loader:
        import torch
        from torch.utils.data import DataLoader, Dataset

        drawing = Drawing(shape=(options.side,) * 3, per_volume=options.crop)
        sampler, number = PatchSampler(open_cohort(output(folder)), drawing), torch.zeros(1, dtype=torch.int64)
        number.share_memory_()

        class Read(Dataset[Any]):  # type: ignore[misc]
            def __len__(self) -> int:
                return len(sampler)

            def __getitem__(self, index: int) -> Any:
                volume, start = sampler.draw(int(number), index)
                part = read(volume, tuple(slice(at, at + options.side) for at in start))
                return torch.from_numpy(np.asarray(part, np.float32)[None])

        loader = DataLoader(Read(), batch_size=BATCH, shuffle=True, **workers(options))

        def epoch(which: int) -> Iterable[Any]:
            number.fill_(which)
            return loader

        return epoch

    return of


def read_zarr(volume: CohortVolume, window: Window) -> NDArray[Any]:
    """Read by zarr-python."""
    return np.asarray(volume.array[window])


def read_npy(volume: CohortVolume, window: Window) -> NDArray[Any]:
    """Read a file of plain numbers, as mapped into memory."""
    return np.asarray(np.load(copies(volume) / f"{volume.key}.npy", mmap_mode="r")[window])


def read_blosc2(kind: str) -> ReadPart:
    """Return what reads blosc2's files, mapped into memory."""

    def read(volume: CohortVolume, window: Window) -> NDArray[Any]:
        import blosc2

        path = str(copies(volume) / f"{volume.key}.{kind}.b2nd")
        array = blosc2.open(path, mode="r", mmap_mode="r", dparams={"nthreads": 1})
        return np.asarray(array[(slice(0, 1), *window)][0])

    return read


def output(folder: Path) -> Path:
    """Return where the run's output lies, or a link to it."""
    return folder / "out"


def copies(volume: CohortVolume) -> Path:
    """Return where the peers' files lie."""
    return volume.output.root.parent / "copies"


def write_copies(folder: Path) -> None:
    """Write every volume as the peers have it: int16 as .npy, and as blosc2 of float32 and of int16."""
    (folder / "copies").mkdir()
    for volume in open_cohort(output(folder)).volumes():
        stored = np.ascontiguousarray(volume.array[...])
        np.save(folder / "copies" / f"{volume.key}.npy", stored)
        if find_spec("blosc2"):
            for kind in ("float32", "int16"):
                write_blosc2(stored.astype(kind)[None], str(folder / "copies" / f"{volume.key}.{kind}.b2nd"))


def write_blosc2(array: NDArray[Any], path: str) -> None:
    """Write a volume [c, z, y, x] as nnU-Net does: blocks that fit a core's L1 cache, chunks that fit its L3 cache."""
    import blosc2

    chunks, blocks = nnunet_chunks(array.shape, (64, 64, 64), array.itemsize)
    packing = {"codec": blosc2.Codec.LZ4HC, "clevel": 5, "nthreads": 1}
    blosc2.asarray(array, urlpath=path, chunks=chunks, blocks=blocks, cparams=packing, mode="w")


def nnunet_chunks(shape: Sequence[int], patch: Sequence[int], itemsize: int) -> tuple[list[int], list[int]]:
    """Return chunks and blocks [c, z, y, x] after nnU-Net 2's ``comp_blosc2_params``."""
    block = [min(n, 2 ** ceil(log2(side))) for n, side in zip(shape[1:], patch, strict=True)]
    while np.prod(block) * itemsize > 0.8 * 32768:
        axis = int(np.argmax([n / side for n, side in zip(block, patch, strict=True)]))
        block[axis] = 2 ** floor(log2(block[axis] - 1))
    chunk = list(block)
    while np.prod(chunk) * itemsize < 0.8 * 1441792 and chunk != list(shape[1:]):
        growing = [axis for axis in range(3) if chunk[axis] < shape[axis + 1]]
        axis = min(growing, key=lambda axis: chunk[axis] / block[axis])
        before = chunk[axis]
        chunk[axis] = min(before + block[axis], shape[axis + 1])
        if np.mean([n / side for n, side in zip(chunk, patch, strict=True)]) > 1.5:
            chunk[axis] = before
            break
    return [1, *chunk], [1, *block]


def of_cache_dataset(folder: Path, options: Namespace) -> Loader:
    """Keep every volume in memory."""
    from monai.data import CacheDataset

    return monai_loader(CacheDataset(files(folder), monai_transforms(options), progress=False), options)


def of_persistent_dataset(folder: Path, options: Namespace) -> Loader:
    """Keep every volume as a tensor on disk, and load it whole for its crops."""
    from monai.data import PersistentDataset

    return monai_loader(PersistentDataset(files(folder), monai_transforms(options), mkdtemp(dir=folder)), options)


def of_queue(folder: Path, options: Namespace) -> Loader:
    """Load volumes whole, and keep their patches in a queue."""
    import torchio

    subjects = [torchio.Subject(image=torchio.ScalarImage(row["image"])) for row in files(folder)]
    queue = torchio.Queue(
        torchio.SubjectsDataset(subjects),
        max_length=len(subjects) * options.crop,
        samples_per_volume=options.crop,
        sampler=torchio.UniformSampler(options.side),
        num_workers=options.worker,
    )
    loader = torchio.SubjectsLoader(queue, batch_size=BATCH, num_workers=0)
    return lambda _: (batch["image"]["data"] for batch in loader)


READERS = {
    "ctprep": of_ctprep,
    "zarr-python": of_reader(read_zarr),
    ".npy maps, int16": of_reader(read_npy),
    "blosc2, float32": of_reader(read_blosc2("float32")),
    "blosc2, int16": of_reader(read_blosc2("int16")),
    "MONAI CacheDataset": of_cache_dataset,
    "MONAI PersistentDataset": of_persistent_dataset,
    "TorchIO Queue": of_queue,
}
NEEDS = {
    "blosc2, float32": "blosc2",
    "blosc2, int16": "blosc2",
    "MONAI CacheDataset": "monai",
    "MONAI PersistentDataset": "monai",
    "TorchIO Queue": "torchio",
}


def monai_transforms(options: Namespace) -> Any:
    """Load and make float32, which is cached; then crop at random."""
    from monai import transforms

    return transforms.Compose(
        [
            transforms.LoadImaged("image", image_only=True, ensure_channel_first=True),
            transforms.RandSpatialCropSamplesd("image", options.side, options.crop, random_size=False),
        ]
    )


def monai_loader(dataset: Any, options: Namespace) -> Loader:
    """Give the crops of one volume after the other, in batches of the same size."""
    from monai.data import DataLoader

    loader = DataLoader(dataset, batch_size=1, shuffle=True, **workers(options))
    return lambda _: (part for batch in loader for part in batch["image"].split(BATCH))


def files(folder: Path) -> list[dict[str, str]]:
    """Return the exported volumes as MONAI wants them."""
    return [{"image": str(path)} for path in sorted((folder / "nifti").iterdir())]


def workers(options: Namespace) -> dict[str, Any]:
    """Return what makes a DataLoader keep its workers."""
    return {"num_workers": options.worker, "persistent_workers": options.worker > 0}


def measure(options: Namespace) -> dict[str, float]:
    """Run through the epochs of one reader."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    started = perf_counter()
    loader = READERS[options.one](options.folder, options)
    first = sum(len(batch) for batch in loader(0))
    first_s = perf_counter() - started
    started, before = perf_counter(), used_s(RUSAGE_SELF)
    later = sum(len(batch) for number in range(1, 1 + LATER_EPOCHS) for batch in loader(number))
    later_s, own_s = perf_counter() - started, used_s(RUSAGE_SELF) - before
    del loader  # which ends its workers, and so lets their time and memory be counted
    gc.collect()
    workers_s = used_s(RUSAGE_CHILDREN) * later / (first + later)
    held_mb = max(getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN)) / 1024
    cpu_ms = 1e3 * (own_s + workers_s) / later
    return {"first_s": first_s, "rate": later / later_s, "cpu_ms": cpu_ms, "held_mb": held_mb}


def used_s(who: int) -> float:
    """Return the processors' time of this process, or of its children that have ended."""
    used = getrusage(who)
    return used.ru_utime + used.ru_stime


def prepare(folder: Path) -> None:
    """Make the volumes, as stores."""
    phantom = folder / "phantom"
    run(sys.executable, ROOT / "scripts/make_phantom_cohort.py", phantom)
    (folder / "fine.yaml").write_text(STEPS)
    arguments = ("--input", phantom / "dicom", "--output", output(folder), "--quiet")
    run(sys.executable, "-m", "pipeline", "run", folder / "fine.yaml", *arguments)


def run(*words: object) -> None:
    """Run a program; 3 is a run with rejected series."""
    if subprocess.run([*map(str, words)], check=False, stdout=subprocess.DEVNULL).returncode not in {0, 3}:
        sys.exit(f"failed: {words}")


def compare(folder: Path, options: Namespace) -> None:
    """Measure every reader that is installed, in turns, and print the table."""
    if options.output:
        output(folder).symlink_to(options.output.absolute())
    else:
        prepare(folder)
    writing = get_context("spawn").Process(target=write_copies, args=(folder,))  # its memory is no reader's
    writing.start()
    writing.join()
    if find_spec("monai") or find_spec("torchio"):
        run(sys.executable, "-m", "pipeline", "export", output(folder), "--nifti", folder / "nifti")
    for pattern in ("out/volumes", "copies/*.npy", "copies/*.float32.b2nd", "copies/*.int16.b2nd"):
        files = (path for top in folder.glob(pattern) for path in (top, *top.rglob("*")) if path.is_file())
        print(f"{pattern:24} {sum(path.stat().st_size for path in files) / 1e6:8.1f} MB on the disk")
    print(
        f"{'':24} {'side':>4} {'crops':>5} {'workers':>7} {'first epoch':>12} {'patches/s':>10} {'CPU':>9} {'held':>9}"
    )
    named = [name for name in READERS if not options.only or name in options.only]
    for side, crop, worker, name in product(options.sides, options.crops, options.workers, named):
        if find_spec(NEEDS.get(name, "torch")) is None:
            print(f"{name:24} {NEEDS[name]} is not installed")
            continue
        found = measure_alone(name, side, crop, worker, folder)
        figures = (
            f"{found['first_s']:10.1f} s {found['rate']:10.0f} {found['cpu_ms']:6.1f} ms {found['held_mb']:6.0f} MB"
        )
        print(f"{name:24} {side:4} {crop:5} {worker:7} {figures}", flush=True)


def measure_alone(name: str, side: int, crop: int, worker: int, folder: Path) -> dict[str, float]:
    """Measure one reader in a process of its own."""
    numbers = ["--side", str(side), "--worker", str(worker), "--crop", str(crop)]
    words = ["--one", name, *numbers, "--folder", str(folder)]
    done = subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Compare, or measure one reader for the comparison."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--crops", type=int, nargs="+", default=[8])
    parser.add_argument("--only", nargs="+", choices=READERS)
    parser.add_argument("--one", choices=READERS, help="(used by itself)")
    parser.add_argument("--side", type=int, default=64, help="(used by itself)")
    parser.add_argument("--worker", type=int, default=0, help="(used by itself)")
    parser.add_argument("--crop", type=int, default=1, help="(used by itself)")
    parser.add_argument("--folder", type=Path, help="(used by itself)")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options)))
        return
    with TemporaryDirectory() as folder:
        compare(Path(folder), options)


if __name__ == "__main__":
    main()
