"""How many random patches of 64 x 64 x 64 a second reach a training loop: ctprep, MONAI and TorchIO, side by side.

All load the same nine phantoms, each of as many voxels as a chest at 1 mm (32 million): ctprep from its stores, the
peers from the NIfTI export of these, as their users do.  Each is measured in a process of its own, over a first epoch,
which pays for what is cached, and over two more.  ``crops`` is how many patches of a volume are an epoch: the peers
take them from a volume in memory, one after the other; ctprep draws every patch from any volume.  ``held`` is the most
memory of one process.

    python benchmarks/training.py [--workers 0 2] [--crops 1 8]
"""

import gc
import json
import subprocess
import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory, mkdtemp
from time import perf_counter
from typing import Any

from pipeline.dataset import open_cohort

ROOT = Path(__file__).parents[1]
SIDE, BATCH, LATER_EPOCHS = 64, 4, 2
STEPS = """steps:
  - orient: {to: LPS}
  - resample: {spacing_mm: [0.5, 0.5, 0.5]}
  - clip: {low_hu: -1000, high_hu: 400}
  - normalise: {to: zero_one}
report: {enabled: false}
"""

Loader = Callable[[int], Iterable[Any]]
"""Gives the batches of an epoch, each [n, c, 64, 64, 64]."""


def of_ctprep(folder: Path, options: Namespace) -> Loader:
    """Read patches from stores."""
    from torch.utils.data import DataLoader

    from pipeline.dataset.torch import Patches

    patches = Patches(open_cohort(folder / "out"), (SIDE, SIDE, SIDE), per_volume=options.crop)
    loader = DataLoader(patches, batch_size=BATCH, shuffle=True, **workers(options))

    def epoch(number: int) -> Iterable[Any]:
        patches.set_epoch(number)
        return (batch["image"] for batch in loader)

    return epoch


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
        sampler=torchio.UniformSampler(SIDE),
        num_workers=options.worker,
    )
    loader = torchio.SubjectsLoader(queue, batch_size=BATCH, num_workers=0)
    return lambda _: (batch["image"]["data"] for batch in loader)


READERS = {
    "ctprep": of_ctprep,
    "MONAI CacheDataset": of_cache_dataset,
    "MONAI PersistentDataset": of_persistent_dataset,
    "TorchIO Queue": of_queue,
}
NEEDS = {
    "ctprep": "torch",
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
            transforms.RandSpatialCropSamplesd("image", SIDE, options.crop, random_size=False),
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
    started = perf_counter()
    later = sum(len(batch) for number in range(1, 1 + LATER_EPOCHS) for batch in loader(number))
    later_s = perf_counter() - started
    del loader  # which ends its workers, and so lets their memory be counted
    gc.collect()
    held_mb = max(getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN)) / 1024
    return {"first_s": first_s, "rate": later / later_s, "held_mb": held_mb, "patches": first + later}


def prepare(folder: Path) -> None:
    """Make the volumes, as stores and as NIfTI."""
    phantom, out = folder / "phantom", folder / "out"
    run(sys.executable, ROOT / "scripts/make_phantom_cohort.py", phantom)
    ctprep = (sys.executable, "-m", "pipeline")
    (folder / "fine.yaml").write_text(STEPS)
    run(*ctprep, "run", folder / "fine.yaml", "--input", phantom / "dicom", "--output", out, "--quiet")
    run(*ctprep, "export", out, "--nifti", folder / "nifti")


def run(*words: object) -> None:
    """Run a program; 3 is a run with rejected series."""
    if subprocess.run([*map(str, words)], check=False, stdout=subprocess.DEVNULL).returncode not in {0, 3}:
        sys.exit(f"failed: {words}")


def compare(folder: Path, options: Namespace) -> None:
    """Measure every reader that is installed, and print the table."""
    prepare(folder)
    print(f"{'':24} {'crops':>5} {'workers':>7} {'first epoch':>12} {'patches a second':>17} {'held':>9}")
    for name in READERS:
        if find_spec(NEEDS[name]) is None:
            print(f"{name:24} {NEEDS[name]} is not installed")
            continue
        for crop, worker in product(options.crops, options.workers):
            told = told_by(name, crop, worker, folder)
            figures = f"{told['first_s']:10.1f} s {told['rate']:17.0f} {told['held_mb']:6.0f} MB"
            print(f"{name:24} {crop:5} {worker:7} {figures}", flush=True)


def told_by(name: str, crop: int, worker: int, folder: Path) -> dict[str, float]:
    """Measure one reader in a process of its own."""
    words = ["--one", name, "--worker", str(worker), "--crop", str(crop), "--folder", str(folder)]
    done = subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    """Compare, or measure one reader for the comparison."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--crops", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--one", choices=READERS, help="(used by itself)")
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
