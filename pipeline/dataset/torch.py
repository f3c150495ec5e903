"""Volumes and patches as map-style datasets for PyTorch: seeded, and safe with workers, however they are started."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from pipeline.dataset.cohort import Cohort
from pipeline.dataset.sampling import Drawing, PatchSampler, SliceSampler, SliceStacks
from pipeline.dataset.volume import CohortVolume

Sample = dict[str, Any]
Transform = Callable[[Sample], Any]


class Volumes(Dataset[Any]):  # type: ignore[misc]  # torch may be absent where types are checked
    """Whole volumes: ``image`` float32 [c, z, y, x], each of ``labels`` [1, z, y, x], and ``key``.

    ``labels`` may name ``mask``, which is 1 where a voxel is valid.  ``columns`` of the manifest come along under
    their names; ``transform`` is applied last.
    """

    def __init__(
        self,
        cohort: Cohort,
        *,
        labels: Sequence[str] = (),
        columns: Sequence[str] = (),
        transform: Transform | None = None,
    ) -> None:
        self.cohort = cohort
        self.labels, self.columns, self.transform = tuple(labels), tuple(columns), transform

    def __len__(self) -> int:
        return len(self.cohort.keys)

    def __getitem__(self, index: int) -> Any:
        volume = self.cohort.volume(self.cohort.keys[index])
        return self._sample(volume, (0, 0, 0), volume.geometry.shape)

    def _sample(self, volume: CohortVolume, start: Sequence[int], shape: Sequence[int]) -> Any:
        image = np.asarray(volume.patch(start, shape), np.float32)
        sample: Sample = {
            "key": volume.key,
            "start": torch.tensor(start),
            "image": torch.from_numpy(image.reshape(-1, *image.shape[-3:])),
        }
        sample |= {name: _tensor(volume.label_patch(name, start, shape)) for name in self.labels}
        sample |= {name: volume.row[name] for name in self.columns}
        return sample if self.transform is None else self.transform(sample)


class Patches(Volumes):
    """Random patches, as ``Volumes`` gives them; ``start`` [z, y, x] is a patch's first voxel.

    Keywords are those of :class:`pipeline.dataset.sampling.Drawing`.  The same seed, epoch and index give the same
    patch; call ``set_epoch`` before each epoch to see others: workers that stay alive hear of it too.
    """

    def __init__(
        self,
        cohort: Cohort,
        shape: tuple[int, int, int],
        *,
        labels: Sequence[str] = (),
        columns: Sequence[str] = (),
        transform: Transform | None = None,
        **drawing: Any,
    ) -> None:
        super().__init__(cohort, labels=labels, columns=columns, transform=transform)
        self.sampler = PatchSampler(cohort, Drawing(shape=shape, **drawing))
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def __len__(self) -> int:
        return len(self.sampler)

    def __getitem__(self, index: int) -> Any:
        volume, start = self.sampler.draw(int(self._epoch), index)
        return self._sample(volume, start, self.sampler.drawing.shape)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next."""
        self._epoch.fill_(epoch)


class Slices(Volumes):
    """Stacks of slices: ``image`` float32 [c * n, row, column], each of ``labels`` [n, row, column], and ``key``.

    Keywords are those of :class:`pipeline.dataset.sampling.SliceStacks`; ``places`` says where the slices lie along the
    axis; a label whose regions are layers keeps them in front.  ``slice_columns`` of slices.parquet, joined labels of
    slices among them, are those of the source's slice nearest to the middle one of a stack.
    """

    def __init__(
        self,
        cohort: Cohort,
        *,
        labels: Sequence[str] = (),
        columns: Sequence[str] = (),
        slice_columns: Sequence[str] = (),
        transform: Transform | None = None,
        **stacks: Any,
    ) -> None:
        super().__init__(cohort, labels=labels, columns=columns, transform=transform)
        self.sampler, self.slice_columns = SliceSampler(cohort, SliceStacks(**stacks)), tuple(slice_columns)

    def __len__(self) -> int:
        return len(self.sampler)

    def __getitem__(self, index: int) -> Any:
        volume, places = self.sampler.places(index)
        image = np.asarray(self.sampler.read(volume, places), np.float32)
        sample: Sample = {
            "key": volume.key,
            "places": torch.tensor(places),
            "image": torch.from_numpy(np.ascontiguousarray(image).reshape(-1, *image.shape[-2:])),
        }
        for name in self.labels:
            label = np.ascontiguousarray(self.sampler.read(volume, places, name))
            sample[name] = torch.from_numpy(label if len(label) > 1 else label[0])
        sample |= {name: volume.row[name] for name in self.columns}
        if self.slice_columns:
            row = self.sampler.source_row(volume, places[len(places) // 2])
            sample |= {name: row[name] for name in self.slice_columns}
        return sample if self.transform is None else self.transform(sample)


def _tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    """Return an array [z, y, x] as [1, z, y, x], its own copy."""
    return torch.from_numpy(np.array(array)[None])
