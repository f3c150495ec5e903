"""The closed vocabulary of results and reasons: machine codes beside human words."""

from enum import IntEnum, StrEnum
from typing import Self


class Status(StrEnum):
    """The result of a series."""

    OK = "ok"
    REJECTED = "rejected"
    FAILED = "failed"
    EXCLUDED = "excluded"


class FileStatus(StrEnum):
    """The result of a file: part of a stored volume, skipped, or refused with its series."""

    USED = "used"
    SKIPPED = "skipped"
    REJECTED = "rejected"


class Verdict(StrEnum):
    """How regular the positions of a series' slices are."""

    REGULAR = "regular"
    TILTED = "tilted"
    UNEVEN = "uneven"
    GAP = "gap"
    DUPLICATE = "duplicate"
    SINGLE = "single"
    NONE = "none"


class ExitCode(IntEnum):
    """How a program ends."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    REJECTED = 3
    FAILED = 4
    NO_INPUT = 5
    LOCKED = 6
    OUTPUT = 7
    DAMAGED = 8
    CLUSTER = 9
    INTERRUPTED = 130
    TERMINATED = 143


class Stage(StrEnum):
    """What a reason is about, in the order in which a series is checked."""

    ACCESS = "access"
    """Whether the system lets a file be read, and it is not being written."""
    FILE = "file"
    """The structure of a file: where it breaks, an element may lie in the part that was not read."""
    OBJECT = "object"
    """The kind of object that a file holds."""
    IMAGE = "image"
    """The header and the pixel data of each image, and whether the images belong to one volume."""
    GEOMETRY = "geometry"
    """The positions of the slices in their stack."""
    VALUES = "values"
    """The Hounsfield units of the whole volume."""
    SELECTION = "selection"
    """The rules of the configuration."""
    RUN = "run"
    """The run itself; nothing is wrong with the series."""


class Reason(StrEnum):
    """Why a series has no store.  The first check that fails, in this order, names the reason.

    Each member carries its ``stage``, the ``status`` it gives, its ``meaning``, and ``advice``: what a person can do
    about it.
    """

    stage: Stage
    status: Status
    meaning: str
    advice: str

    def __new__(cls, code: str, stage: Stage, status: Status, meaning: str, advice: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.stage, member.status = stage, status
        member.meaning, member.advice = meaning, advice
        return member

    @property
    def order(self) -> int:
        """Rank in the vocabulary: of two reasons that hold, the lower one is named."""
        return list(type(self)).index(self)

    UNREADABLE = (
        "UNREADABLE", Stage.ACCESS, Status.REJECTED,
        "The system refuses to read a file (permission, input/output error, dangling link, not a regular file).",
        "Check the permissions and the disk, then run again.",
    )
    UNSTABLE = (
        "UNSTABLE", Stage.ACCESS, Status.REJECTED,
        "A file changed while it was being read, or is younger than input.settle_seconds.",
        "Let the copy finish, then run again.",
    )
    NOT_DICOM = (
        "NOT_DICOM", Stage.FILE, Status.EXCLUDED,
        "There is no DICOM in the file.",
        "Nothing, if the file does not belong to a scan.",
    )
    CORRUPT = (
        "CORRUPT", Stage.FILE, Status.REJECTED,
        "The structure of a file cannot be parsed to its end.",
        "Export or copy the series again.",
    )
    LIMIT = (
        "LIMIT", Stage.FILE, Status.REJECTED,
        "A declared or real size, depth, inflation or planned output is over a limit.",
        "If the data is genuine, raise the limit named in the detail.",
    )
    TRANSFER_SYNTAX = (
        "TRANSFER_SYNTAX", Stage.OBJECT, Status.REJECTED,
        "The transfer syntax is missing or unknown, or has no decoder.",
        "Export the series again, uncompressed or in a lossless syntax.",
    )
    NOT_CT = (
        "NOT_CT", Stage.OBJECT, Status.EXCLUDED,
        "The object is not a CT image: another SOP class or modality, or a dose or information screen.",
        "Nothing; only CT images are prepared.",
    )
    LOCALIZER = (
        "LOCALIZER", Stage.OBJECT, Status.EXCLUDED,
        "The series holds localizers (scouts, topograms) only.",
        "Nothing; localizers are no volumes.",
    )
    MULTIFRAME = (
        "MULTIFRAME", Stage.IMAGE, Status.REJECTED,
        "A classic CT image has several frames, or a multi-frame object has no usable functional groups.",
        "Export the series as single-frame or as Enhanced CT.",
    )
    IDENTITY_CONFLICT = (
        "IDENTITY_CONFLICT", Stage.IMAGE, Status.REJECTED,
        "One series UID is used by two patients or two studies.",
        "Find out which files belong together, and export them again.",
    )
    TAG_MISSING = (
        "TAG_MISSING", Stage.IMAGE, Status.REJECTED,
        "A required element is absent or empty.",
        "Export the series again; the detail names the element.",
    )
    TAG_INVALID = (
        "TAG_INVALID", Stage.IMAGE, Status.REJECTED,
        "A required element has an unusable value.",
        "Export the series again; the detail names the element.",
    )
    PIXEL_FORMAT = (
        "PIXEL_FORMAT", Stage.IMAGE, Status.REJECTED,
        "The pixels are colour, palette, 8 bit or floating point, or need more bits than BitsStored says.",
        "Export the original images, not screen captures.",
    )
    PIXELS_MISSING = (
        "PIXELS_MISSING", Stage.IMAGE, Status.REJECTED,
        "A slice has no pixel data.",
        "Export the series again, with pixels.",
    )
    PIXELS_LENGTH = (
        "PIXELS_LENGTH", Stage.IMAGE, Status.REJECTED,
        "The pixel data is too short, or too long by more than padding.",
        "Copy the series again; a transfer was probably cut.",
    )
    PIXEL_DECODE = (
        "PIXEL_DECODE", Stage.IMAGE, Status.REJECTED,
        "The decoder refuses the compressed pixels.",
        "Copy or export the series again.",
    )
    RESCALE_NOT_HU = (
        "RESCALE_NOT_HU", Stage.IMAGE, Status.REJECTED,
        "The values are not Hounsfield units: another RescaleType, a modality LUT, or a map stored as a CT image.",
        "Nothing, if the detail is right; else export the series again with RescaleType HU.",
    )
    POSITION_MISSING = (
        "POSITION_MISSING", Stage.IMAGE, Status.REJECTED,
        "A slice has no ImagePositionPatient, and no fallback is allowed or usable.",
        "Allow geometry.missing_position if the order of the slices can be trusted.",
    )
    ORIENTATION_INVALID = (
        "ORIENTATION_INVALID", Stage.IMAGE, Status.REJECTED,
        "ImageOrientationPatient is not two unit vectors at right angles.",
        "Export the series again.",
    )
    MIXED_GEOMETRY = (
        "MIXED_GEOMETRY", Stage.IMAGE, Status.REJECTED,
        "Size, spacing, orientation, frame of reference or reconstruction differ, or acquisitions alternate along it.",
        "Separate the parts, and export each as a series of its own.",
    )
    TOO_FEW_SLICES = (
        "TOO_FEW_SLICES", Stage.GEOMETRY, Status.REJECTED,
        "There are fewer slices than select.min_slices.",
        "Lower select.min_slices if such a thin stack is wanted.",
    )
    DUPLICATE_POSITION = (
        "DUPLICATE_POSITION", Stage.GEOMETRY, Status.REJECTED,
        "Several slices with different pixels lie at one position.",
        "Set geometry.duplicate_position: split for phases or repeated acquisitions.",
    )
    SLICE_GAP = (
        "SLICE_GAP", Stage.GEOMETRY, Status.REJECTED,
        "Slices are missing from an otherwise evenly spaced stack.",
        "Find the missing files, or set geometry.gap: interpolate.",
    )
    SPACING_NONUNIFORM = (
        "SPACING_NONUNIFORM", Stage.GEOMETRY, Status.REJECTED,
        "The distance between slices changes along the stack.",
        "Set geometry.uneven_spacing: resample.",
    )
    GANTRY_TILT = (
        "GANTRY_TILT", Stage.GEOMETRY, Status.REJECTED,
        "The gantry was tilted, and the policy refuses tilted series.",
        "Set geometry.gantry_tilt: correct.",
    )
    HU_IMPLAUSIBLE = (
        "HU_IMPLAUSIBLE", Stage.VALUES, Status.REJECTED,
        "The values cannot be Hounsfield units; the detail names the error that explains them.",
        "Look at the series; see hounsfield.wrapped for 12-bit wrap-around.",
    )
    NOT_SELECTED = (
        "NOT_SELECTED", Stage.SELECTION, Status.EXCLUDED,
        "The rules under select leave the series out.",
        "Nothing, if the rule named in the detail is meant.",
    )
    WORKER_LOST = (
        "WORKER_LOST", Stage.RUN, Status.FAILED,
        "The process that prepared the series died.",
        "Run again; if it repeats, look at the series alone.",
    )
    TIMEOUT = (
        "TIMEOUT", Stage.RUN, Status.FAILED,
        "The series took longer than limits.series_timeout_seconds.",
        "Run again, or raise the limit.",
    )
    OUT_OF_MEMORY = (
        "OUT_OF_MEMORY", Stage.RUN, Status.FAILED,
        "The series needed more memory than it may have.",
        "Raise limits.series_memory_mb, or use fewer workers.",
    )
    OUTPUT_IO = (
        "OUTPUT_IO", Stage.RUN, Status.FAILED,
        "The output could not be written.",
        "Check the disk, then run again.",
    )
    CANCELLED = (
        "CANCELLED", Stage.RUN, Status.FAILED,
        "The run was stopped before the series was finished.",
        "Run again.",
    )
    INTERNAL = (
        "INTERNAL", Stage.RUN, Status.FAILED,
        "The program itself made an error.",
        "Report it with private/ left out; run.json holds the traceback.",
    )


class MaskReason(StrEnum):
    """Why a series has a mask that was asked for, or has none; each member carries its ``meaning``."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """Make a member that equals its code."""
        member = str.__new__(cls, code)
        member._value_, member.meaning = code, meaning
        return member

    OK = "ok", "The mask is in the store."
    NO_OBJECT = "no_object", "No file, and no object of the series' patient or study that belongs to no other series."
    NOT_LINKED = "not_linked", "Objects of its patient or study exist that could be linked to no series."
    OFF_GRID = "off_grid", "The mask does not lie on the series' slices, or in another frame of reference."
    UNREADABLE = "unreadable", "The file is damaged, or holds no labels."
    SEVERAL = "several", "Several objects say different things of the series, and `pick` does not say which counts."
    EMPTY = "empty", "No voxel of a region that is asked for is marked."
    TOO_LARGE = "too_large", "The mask is over a limit of size or memory."


Refusal = tuple[Reason, str]
"""A reason and a detail: figures and keywords, never text of a header."""


class SeriesWarning(StrEnum):
    """What was noticed about an accepted series, or repaired in it."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    W_FILE_SKIPPED = "W_FILE_SKIPPED", "A file beside the series belongs to no series and was skipped."
    W_PREAMBLE = "W_PREAMBLE", "The 128-byte preamble of a file is an executable or another format's header."
    W_META_REPAIRED = "W_META_REPAIRED", "The file meta information or the structure was incomplete or wrong, and has only one reading."
    W_CHARSET = "W_CHARSET", "Text does not fit the declared character set."
    W_ID_MISSING = "W_ID_MISSING", "PatientID is absent or empty."
    W_ID_FILLED = "W_ID_FILLED", "An identity that is empty in some slices was taken from the others."
    W_ID_SHARED = "W_ID_SHARED", "One PatientID appears to be used by several people."
    W_UID_INVALID = "W_UID_INVALID", "A UID is absent, empty or not a UID."
    W_UID_DUPLICATE = "W_UID_DUPLICATE", "One SOPInstanceUID is used by different slices."
    W_DUPLICATE_DROPPED = "W_DUPLICATE_DROPPED", "Identical files or slices were dropped."
    W_DUPLICATE_SERIES = "W_DUPLICATE_SERIES", "Every file is present again in another folder; the copies were dropped."
    W_DUPLICATE_CONTENT = "W_DUPLICATE_CONTENT", "Another series holds the same pixels."
    W_LOCALIZER_DROPPED = "W_LOCALIZER_DROPPED", "Localizers inside the series were left out."
    W_DERIVED = "W_DERIVED", "The images are derived or reformatted, not original."
    W_IMAGE_TYPE = "W_IMAGE_TYPE", "ImageType is absent or has too few values."
    W_LOSSY = "W_LOSSY", "The pixels went through lossy compression."
    W_MONOCHROME1 = "W_MONOCHROME1", "MONOCHROME1: displayed inverted; Hounsfield units are not."
    W_BURNED_IN = "W_BURNED_IN", "Text is burned into the pixels."
    W_TAG_UNPARSED = "W_TAG_UNPARSED", "An optional element has a value that cannot be read: no number, no date, no time."
    W_TEXT_SANITISED = "W_TEXT_SANITISED", "A text element is unusual, or unsafe in files, spreadsheets or pages; the detail says which and names it."
    W_POSITION_FALLBACK = "W_POSITION_FALLBACK", "Positions come from SliceLocation or InstanceNumber."
    W_GANTRY_TILT = "W_GANTRY_TILT", "The gantry was tilted."
    W_SPACING_TAG = "W_SPACING_TAG", "SpacingBetweenSlices differs from the measured step."
    W_SPACING_JITTER = "W_SPACING_JITTER", "Positions deviate from an even stack, or pixel spacings by rounding, within tolerance."
    W_SPACING_RESAMPLED = "W_SPACING_RESAMPLED", "Unevenly spaced slices were resampled to an even step."
    W_GAP_INTERPOLATED = "W_GAP_INTERPOLATED", "Missing slices were interpolated."
    W_SPARSE_SLICES = "W_SPARSE_SLICES", "The step between slices is above 1.5 times their thickness."
    W_MIXED_SERIES = "W_MIXED_SERIES", "Kernel, kVp, thickness or contrast change once along the stack."
    W_STACK_PART = "W_STACK_PART", "The volume is one of several stacks of one acquisition."
    W_SPECTRAL = "W_SPECTRAL", "A monoenergetic, virtual or other derived spectral image."
    W_RESCALE_VARIES = "W_RESCALE_VARIES", "Slope or intercept differ between slices; each slice has its own."
    W_RESCALE_TYPE = "W_RESCALE_TYPE", "RescaleType is not HU, though the values are taken for it."
    W_PADDING = "W_PADDING", "Padding was repaired, undeclared, or also occurs inside the body."
    W_HIGH_BITS = "W_HIGH_BITS", "Bits above BitsStored were set: masked, or read where only that is continuous."
    W_HU_RANGE = "W_HU_RANGE", "The range of values is unusual for Hounsfield units, or beyond 16 bits."
    W_PIXELS_PADDED = "W_PIXELS_PADDED", "The pixel data is a few bytes too long."
    W_PIXELS_SUSPECT = "W_PIXELS_SUSPECT", "A slice is blank, repeats its neighbour, or ends in zeros where its neighbour has data."
    W_LABEL_MISMATCH = "W_LABEL_MISMATCH", "A mask does not lie on the series' grid."
    W_LABEL_MISSING = "W_LABEL_MISSING", "Objects that may hold a mask exist for the patient or study; none could be linked."
    W_LABEL_PARTIAL = "W_LABEL_PARTIAL", "Contours or regions of a mask could not be drawn and were skipped."
    W_LABEL_OVERLAP = "W_LABEL_OVERLAP", "Regions of a mask share voxels; the smaller region lies on top."
    W_LABEL_SPARSE = "W_LABEL_SPARSE", "A region has contours on some slices only of its extent."
    W_NGFF_APPROXIMATE = "W_NGFF_APPROXIMATE", "Scale and translation cannot say the geometry; affine_lps does."


def format_count(n: int, noun: str) -> str:
    """Return a number with its noun, which is series or takes an s."""
    return f"{n} {noun}" if n == 1 or noun.endswith("s") else f"{n} {noun}s"
