"""``ctprep export``: volumes as NIfTI, and a mask as DICOM SEG over the series that it belongs to."""

from argparse import Action, ArgumentParser, Namespace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.arguments import add_output
from pipeline.errors import UsageError
from pipeline.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.dataset import Cohort

EXTRAS = {"nibabel": "nifti", "highdicom": "seg"}
"""Which extra brings a library."""


class _PathThenSeries(Action):
    """Takes a path and, as names may stand behind any option, the series named after it."""

    def __call__(self, _parser: ArgumentParser, options: Namespace, words: Any, _option: str | None = None) -> None:
        setattr(options, self.dest, Path(words[0]))
        options.series = [*options.series, *words[1:]]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser)
    parser.add_argument(
        "series", metavar="SERIES", nargs="*", help="series_key, PatientID, SeriesInstanceUID or source path"
    )
    for option, metavar, sentence in (
        (
            "--nifti",
            "DIR",
            "write SERIES_KEY.nii.gz there: the series named, or all; HU where a way leads back to them",
        ),
        ("--dicom-seg", "FILE", "write the --mask as DICOM SEG over the source's slices (one series)"),
        ("--mask", "MASKFILE", "a mask on the store's grid: .nii.gz, .nii or .npy"),
    ):
        parser.add_argument(option, metavar=(metavar, "SERIES"), nargs="+", action=_PathThenSeries, help=sentence)
    parser.add_argument("--with-masks", action="store_true", help="write mask and labels as NIfTI too")
    parser.add_argument("--dtype", choices=("int16", "float32"), help="of the NIfTI values; else int16 for stored HU")


def execute(options: Namespace) -> ExitCode:
    """Write, and say what."""
    if not (options.nifti or options.dicom_seg):
        msg = "nothing to write: give --nifti DIR, or --dicom-seg FILE with --mask MASKFILE"
        raise UsageError(msg)
    try:
        cohort = _cohort(options)
        if options.nifti:
            _write_nifti(cohort, options)
        if options.dicom_seg:
            _write_segmentation(cohort, options)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        msg = f"{error.name} is not installed: pip install 'ctprep[{EXTRAS[error.name]}]'"
        raise UsageError(msg) from error
    return ExitCode.OK


def _cohort(options: Namespace) -> "Cohort":
    """Return the series that are asked for, or all."""
    from pipeline.audit.show import find_series  # noqa: PLC0415
    from pipeline.dataset import open_cohort  # noqa: PLC0415  --help shall not wait for these

    cohort = open_cohort(options.output)
    if not options.series:
        return cohort
    keys = {found.record.series_key for name in options.series for found in find_series(cohort.output, name)}
    return cohort.where(series_key=keys)


def _write_nifti(cohort: "Cohort", options: Namespace) -> None:
    nifti = import_module("pipeline.export.nifti")
    n_sheared = 0
    for volume in cohort.volumes():
        for path in nifti.write_nifti(volume, options.nifti, options.dtype, with_masks=options.with_masks):
            print(path)
        n_sheared += nifti.is_sheared(volume)
    print(f"{len(cohort.keys)} series written" + _left_out(cohort))
    if n_sheared:
        print(f"{n_sheared} on a sheared grid: they have an sform and no qform (code 0), and ITK may refuse them")


def _left_out(cohort: "Cohort") -> str:
    n_left = len(cohort) - len(cohort.keys)
    return f"; {n_left} without a volume left out" if n_left else ""


def _write_segmentation(cohort: "Cohort", options: Namespace) -> None:
    if options.mask is None or not options.series or len(cohort.keys) != 1:
        msg = f"--dicom-seg needs a --mask and one series with a volume; that means {len(cohort.keys)} series"
        raise UsageError(msg)
    volume = cohort.volume(cohort.keys[0])
    mask = import_module("pipeline.export.nifti").read_on_grid(options.mask, volume)
    import_module("pipeline.export.segmentation").write_segmentation(volume, mask, options.dicom_seg)
    print(options.dicom_seg)
