"""The same job as a competent user writes it with another tool: HU, 1 mm linear, clip to [-1000, 400], to Zarr.

    python benchmarks/cohort/peers.py PEER COHORT OUT [--processes 2]

COHORT holds one folder per series.  Each peer writes what it would write; none of them checks, hashes or records
anything.  A series that fails ends the program.
"""

import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

LOW_HU, HIGH_HU, MM = -1000.0, 400.0, 1.0


def write_zarr(out: Path, array: Any, dtype: str, level: int, chunk: int = 64) -> None:
    """Write an array with blosc's zstd."""
    import zarr
    from zarr.codecs import BloscCodec

    shuffle = "shuffle" if dtype.startswith("float") else "bitshuffle"
    stored = zarr.create_array(
        out.with_suffix(".zarr"),
        shape=array.shape,
        chunks=tuple(min(chunk, n) for n in array.shape),
        dtype=dtype,
        compressors=BloscCodec(cname="zstd", clevel=level, shuffle=shuffle),
    )
    stored[:] = array.astype(dtype, copy=False)


def normalised(array: Any) -> Any:
    """Clip, and bring to [0, 1]."""
    import numpy as np

    return (np.clip(array, LOW_HU, HIGH_HU) - LOW_HU) / (HIGH_HU - LOW_HU)


def resampled(image: Any) -> Any:
    """Resample a SimpleITK image to 1 mm, linear, in one thread."""
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    size = [round(n * mm / MM) for n, mm in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    resample = SimpleITK.ResampleImageFilter()
    resample.SetInterpolator(SimpleITK.sitkLinear)
    resample.SetOutputSpacing([MM] * 3)
    resample.SetSize(size)
    resample.SetOutputOrigin(image.GetOrigin())
    resample.SetOutputDirection(image.GetDirection())
    resample.SetDefaultPixelValue(-1024)
    resample.SetOutputPixelType(SimpleITK.sitkFloat32)
    return SimpleITK.GetArrayFromImage(resample.Execute(image))


def simpleitk(folder: Path, out: Path, *, dtype: str, level: int) -> None:
    """SimpleITK's series reader and resampler."""
    import numpy as np
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    array = resampled(reader.Execute())
    integers = dtype == "int16"
    write_zarr(out, np.rint(np.clip(array, LOW_HU, HIGH_HU)) if integers else normalised(array), dtype, level)


def scipy_zoom(folder: Path, out: Path) -> None:
    """The loop of many a notebook: pydicom, ndimage.zoom, np.save."""
    import numpy as np
    from pydicom import dcmread
    from scipy import ndimage

    slices = sorted((dcmread(path) for path in folder.iterdir()), key=lambda one: float(one.ImagePositionPatient[2]))
    step = abs(slices[1].ImagePositionPatient[2] - slices[0].ImagePositionPatient[2])
    stored = np.stack([one.pixel_array for one in slices]).astype(np.int16)
    hu = stored * np.int16(slices[0].RescaleSlope) + np.int16(slices[0].RescaleIntercept)
    old_mm = np.array([step, *map(float, slices[0].PixelSpacing)])
    zoom = np.round(hu.shape * old_mm / MM) / hu.shape
    np.save(out, normalised(ndimage.zoom(hu, zoom, order=1, mode="nearest").astype(np.float32)))


def torchio(folder: Path, out: Path) -> None:
    """TorchIO's reader and transforms."""
    import numpy as np
    import torch
    import torchio as tio

    torch.set_num_threads(1)
    image = tio.ScalarImage(folder)
    steps = [tio.Resample(MM), tio.Clamp(LOW_HU, HIGH_HU), tio.RescaleIntensity((0, 1), in_min_max=(LOW_HU, HIGH_HU))]
    write_zarr(out, np.ascontiguousarray(tio.Compose(steps)(image).numpy()[0].transpose(2, 1, 0)), "float16", 1)


def monai(folder: Path, out: Path) -> None:
    """MONAI's reader and transforms."""
    import numpy as np
    import torch
    from monai.transforms import Compose, EnsureChannelFirst, LoadImage, ScaleIntensityRange, Spacing

    torch.set_num_threads(1)
    steps = Compose(
        [
            LoadImage(reader="PydicomReader", image_only=True, dtype=np.float32),
            EnsureChannelFirst(),
            Spacing(pixdim=(MM, MM, MM), mode="bilinear"),
            ScaleIntensityRange(a_min=LOW_HU, a_max=HIGH_HU, b_min=0, b_max=1, clip=True),
        ]
    )
    write_zarr(out, np.ascontiguousarray(steps(str(folder))[0].numpy().transpose(2, 1, 0)), "float16", 1)


def dcm2niix(folder: Path, out: Path) -> None:
    """dcm2niix to NIfTI, then SimpleITK's resampler."""
    import SimpleITK

    out.mkdir()
    command = ["dcm2niix", "-z", "n", "-b", "n", "-m", "y", "-o", str(out), "-f", "v", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (image,) = [path for path in out.glob("v*.nii") if "_Eq" not in path.name and "_ROI" not in path.name]
    write_zarr(out, normalised(resampled(SimpleITK.ReadImage(str(image)))), "float16", 1)


def dicom2nifti(folder: Path, out: Path) -> None:
    """dicom2nifti, then SimpleITK's resampler."""
    import dicom2nifti as converter
    import SimpleITK

    image = out.with_suffix(".nii")
    converter.dicom_series_to_nifti(str(folder), str(image), reorient_nifti=True)
    write_zarr(out, normalised(resampled(SimpleITK.ReadImage(str(image)))), "float16", 1)


def med_imagetools(folder: Path, out: Path) -> None:
    """med-imagetools' reader and resampler, and its NIfTI output."""
    import SimpleITK
    from imgtools.io.readers import read_dicom_auto
    from imgtools.transforms import Resample, WindowIntensity

    image = WindowIntensity(window=HIGH_HU - LOW_HU, level=(LOW_HU + HIGH_HU) / 2)(
        Resample(spacing=MM, interpolation="linear", anti_alias=False)(read_dicom_auto(str(folder)))
    )
    SimpleITK.WriteImage(image, str(out.with_suffix(".nii.gz")))


def imgtools_autopipeline(cohort: Path, out: Path, n_processes: int) -> None:
    """med-imagetools' own command for a folder of DICOM files; it filters before it makes voxels larger."""
    program = Path(sys.executable).with_name("imgtools")
    window = ("--window-width", HIGH_HU - LOW_HU, "--window-level", (LOW_HU + HIGH_HU) / 2)
    place = ("--update-crawl", "--crawl-directory", out / "crawl", "--jobs", n_processes)
    job = ("--modalities", "CT", "--spacing", f"{MM},{MM},{MM}", *window, *place)
    subprocess.run([program, "-q", "autopipeline", cohort, out / "volumes", *map(str, job)], check=True)


OF_COHORTS: dict[str, Callable[[Path, Path, int], None]] = {"imgtools-autopipeline": imgtools_autopipeline}
"""Those that work a whole cohort by themselves."""

PEERS: dict[str, Callable[[Path, Path], None]] = {
    "sitk-int16-1": partial(simpleitk, dtype="int16", level=1),
    "sitk-float16-1": partial(simpleitk, dtype="float16", level=1),
    "sitk-float16-5": partial(simpleitk, dtype="float16", level=5),
    "scipy": scipy_zoom,
    "torchio": torchio,
    "monai": monai,
    "dcm2niix": dcm2niix,
    "dicom2nifti": dicom2nifti,
    "med-imagetools": med_imagetools,
}


def work(job: tuple[str, str, str]) -> None:
    """Work one series."""
    peer, folder, out = job
    PEERS[peer](Path(folder), Path(out))


def main(arguments: list[str]) -> None:
    """Work every series of a cohort in a pool of processes."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=[*PEERS, *OF_COHORTS])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True)
    if options.peer in OF_COHORTS:
        OF_COHORTS[options.peer](options.cohort, options.out, options.processes)
        return
    folders = sorted(path for path in options.cohort.iterdir() if path.is_dir())
    with get_context("spawn").Pool(options.processes) as pool:
        jobs = [(options.peer, str(folder), str(options.out / folder.name)) for folder in folders]
        pool.map(work, jobs, chunksize=1)
        pool.close()
        pool.join()


if __name__ == "__main__":
    main(sys.argv[1:])
