import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.dataset import Cohort

torch = pytest.importorskip("torch", reason="needs the extra torch")

READ_THEN_LOAD = """
import multiprocessing, sys, warnings
warnings.simplefilter("ignore")
import torch
from torch.utils.data import DataLoader
from pipeline.dataset import open_cohort
from pipeline.dataset.torch import Patches

if __name__ == "__main__":
    cohort = open_cohort(sys.argv[1])
    patches = Patches(cohort, (8, 8, 8), per_volume=4, foreground="lesion", labels=["lesion"])
    expected = []
    for epoch in range(2):
        patches.set_epoch(epoch)
        expected.append([float(patches[i]["image"].sum()) for i in range(len(patches))])
    assert expected[0] != expected[1]
    for n_workers in map(int, sys.argv[3:]):
        how = {"multiprocessing_context": sys.argv[2], "persistent_workers": True} if n_workers else {}
        loader = DataLoader(patches, batch_size=None, num_workers=n_workers, **how)
        for epoch in range(2):
            patches.set_epoch(epoch)
            assert [float(patch["image"].sum()) for patch in loader] == expected[epoch], (n_workers, epoch)
    print("the same")
"""


@pytest.mark.parametrize(
    ("method", "workers"),
    [
        ("fork", (0, 1, 2, 3, 4)),
        ("forkserver", (1,)),
        ("spawn", (1,)),
        pytest.param("forkserver", (0, 2, 3, 4), marks=pytest.mark.slow),  # each worker imports torch
        pytest.param("spawn", (0, 2, 3, 4), marks=pytest.mark.slow),
    ],
)
def test_workers_give_the_same_patches_after_the_parent_has_read(
    method: str, workers: tuple[int, ...], packed: Cohort, tmp_path: Path
) -> None:
    script = tmp_path / "load.py"
    script.write_text(READ_THEN_LOAD)
    command = [sys.executable, str(script), str(packed.output.root), method, *map(str, workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, cwd=Path.cwd())
    assert (done.returncode, done.stdout) == (0, "the same\n"), done.stderr


def test_a_patch_is_a_part_of_the_volume_with_its_labels_and_columns(packed: Cohort) -> None:
    from pipeline.dataset.torch import Patches

    patches = Patches(packed, (6, 8, 7), per_volume=2, labels=["lesion", "mask"], columns=["kernel_class"])
    sample = patches[4]
    volume = packed.volume(sample["key"])
    z, y, x = sample["start"].tolist()
    part = (slice(z, z + 6), slice(y, y + 8), slice(x, x + 7))
    assert {name: tuple(sample[name].shape) for name in ("image", "mask", "lesion")} == dict.fromkeys(
        ("image", "mask", "lesion"), (1, 6, 8, 7)
    )
    np.testing.assert_array_equal(sample["image"][0].numpy(), volume.values()[part])
    np.testing.assert_array_equal(sample["lesion"][0].numpy(), volume.label("lesion")[part])
    assert sample["mask"].all()
    assert (sample["image"].dtype, sample["mask"].dtype) == (torch.float32, torch.uint8)
    assert sample["kernel_class"] == volume.row["kernel_class"]
    assert len(patches) == 6


def test_volumes_come_whole(packed: Cohort) -> None:
    from pipeline.dataset.torch import Volumes

    volumes = Volumes(packed, transform=lambda sample: sample["image"])
    assert [tuple(image.shape) for image in volumes] == [(1, 12, 32, 32)] * 3
    np.testing.assert_array_equal(volumes[1][0].numpy(), packed.volume(packed.keys[1]).values())


def test_a_dataset_that_has_read_can_be_pickled(packed: Cohort) -> None:
    from pipeline.dataset.torch import Patches

    patches = Patches(packed, (4, 4, 4), per_volume=3, foreground="lesion", foreground_share=1)
    patches.set_epoch(5)
    expected = patches[7]["image"]
    assert torch.equal(pickle.loads(pickle.dumps(patches))[7]["image"], expected)  # noqa: S301  its own


def test_a_dataset_is_one_of_torchs_own(packed: Cohort) -> None:
    from pipeline.dataset.torch import Patches

    assert isinstance(Patches(packed, (4, 4, 4)), torch.utils.data.Dataset)


def test_the_room_itself_needs_no_torch() -> None:
    code = "import sys, pipeline.dataset; print({'torch', 'monai', 'torchio', 'xarray', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"
