"""A slice as its header describes it, and a series of slices."""

from dataclasses import dataclass, field
from functools import cached_property
from math import nan
from typing import Literal

from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.maps import Kind, parse_unit
from pipeline.geometry import Xyz
from pipeline.privacy import TextVerdict
from pipeline.record import ElementValue
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import Refusal, SeriesWarning

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2.1"
LEGACY_ENHANCED_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2.2"
MULTIFRAME_CLASSES = frozenset({ENHANCED_CT_IMAGE, LEGACY_ENHANCED_CT_IMAGE})
CT_CLASSES = MULTIFRAME_CLASSES | {CT_IMAGE}

MASK_CLASSES: dict[str, Literal["SEG", "RTSTRUCT"]] = {
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.7": "SEG",
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
}
"""SOP classes of objects that mark regions: Segmentation, Label Map Segmentation, RT Structure Set (PS3.4 B.5)."""

SCREENS = frozenset({"DOSE_INFO", "DOSE INFO", "PATIENT_INFO", "SCREEN SAVE", "SCREEN_SAVE", "RESULTS"})
"""Values 3 and 4 of ImageType by which scanners mark pages of text that they store as images."""

PHASE_ELEMENTS = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "NominalPercentageOfCardiacPhase",
    "TriggerTime",
    "AcquisitionNumber",
    "FrameAcquisitionNumber",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "ContentTime",
    "FrameAcquisitionDateTime",
    "FrameReferenceDateTime",
    "NominalCardiacTriggerDelayTime",
    "ConvolutionKernel",
    "ReconstructionDiameter",
    "StackID",
    "InStackPositionNumber",
    "ConcatenationUID",
    "InConcatenationNumber",
    "InConcatenationTotalNumber",
)
"""What may separate the volumes that share one series, or join the parts of one."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The kind of an object, and its identifiers; of SeriesDescription only the kinds of image that it names."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    frame_of_reference_uid: str = ""
    patient_id: str = ""
    birth_and_sex: str = ""
    series_number: str = ""
    study_date: str = ""
    modality: str = ""
    image_type: tuple[str, ...] = ()
    described_kinds: tuple[Kind, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """How and where a slice's pixels are stored; ``offset`` and ``length`` of their bytes, -1 where there are none.

    ``overlay_bits`` are the bits above BitsStored that hold overlays, as one number.
    """

    transfer_syntax: str = ""
    little_endian: bool = True
    rows: int = 0
    columns: int = 0
    samples: int = 0
    photometric: str = ""
    bits_allocated: int = 0
    bits_stored: int = 0
    high_bit: int = 0
    signed: bool = False
    offset: int = -1
    length: int = 0
    encapsulated: bool = False
    integer: bool = True
    n_frames: int = 1
    overlay_bits: int = 0

    @property
    def frame_bytes(self) -> int:
        """The bytes of one native frame."""
        return self.rows * self.columns * max(1, self.samples) * self.bits_allocated // 8


@dataclass(frozen=True, kw_only=True)
class ImagePlane:
    """Where a slice lies in the patient, and its distance to its neighbours; millimetres and degrees."""

    position: Xyz | None = None
    row_direction: Xyz | None = None
    column_direction: Xyz | None = None
    row_spacing: float = nan
    column_spacing: float = nan
    thickness: float | None = None
    spacing_between_slices: float | None = None
    gantry_tilt: float | None = None
    slice_location: float | None = None


@dataclass(frozen=True, kw_only=True)
class Rescale:
    """What turns stored values into Hounsfield units, and which of them are padding.

    Without slope and intercept the stored values are taken for Hounsfield units, where the policy allows that.
    """

    slope: float = 1
    intercept: float = 0
    kind: str = ""
    padding: int | None = None
    padding_limit: int | None = None
    padding_repaired: bool = False
    has_lut: bool = False

    @property
    def unit(self) -> str:
        """The unit that ``kind``, RescaleType as it is written, means: HU for any spelling of Hounsfield."""
        return parse_unit(self.kind)


@dataclass(frozen=True, kw_only=True)
class SliceHeader:
    """One slice: a file, or one frame of a multi-frame object (``frame`` counted from 1).

    ``flaws`` names the elements that gave no value; their fields hold the defaults above.  ``phase`` holds
    those of PHASE_ELEMENTS that have a value, as text.  ``texts`` names the elements whose text is unusual or unsafe.
    """

    file: FoundFile
    frame: int | None = None
    refusal: Refusal | None = None
    warnings: frozenset[SeriesWarning] = frozenset()
    identity: Identity = field(default_factory=Identity)
    pixels: Pixels = field(default_factory=Pixels)
    plane: ImagePlane = field(default_factory=ImagePlane)
    rescale: Rescale = field(default_factory=Rescale)
    instance_number: int | None = None
    reconstruction: tuple[ElementValue, ...] = ()
    reconstruction_diameter: float | None = None
    phase: dict[str, str] = field(default_factory=dict)
    flaws: dict[str, Flaw] = field(default_factory=dict)
    elements: dict[str, ElementValue] = field(default_factory=dict)
    texts: dict[str, TextVerdict] = field(default_factory=dict)

    @property
    def is_ct(self) -> bool:
        """True for a CT image; without SOP class it counts where Modality is CT, and a page of text never counts."""
        if self.identity.modality not in {"CT", ""} or SCREENS & set(self.identity.image_type):
            return False
        return self.identity.sop_class_uid in CT_CLASSES | ({""} if self.identity.modality else set())

    @property
    def mask_kind(self) -> Literal["SEG", "RTSTRUCT"] | None:
        """What kind of mask object it is, None for anything else; its SOP class decides, else Modality."""
        kind = MASK_CLASSES.get(self.identity.sop_class_uid)
        if kind or self.identity.sop_class_uid:
            return kind
        return next((known for known in MASK_CLASSES.values() if known == self.identity.modality), None)

    @property
    def is_localizer(self) -> bool:
        """True for a scout (PS3.3 C.8.2.1.1.1: value 3 of ImageType)."""
        return "LOCALIZER" in self.identity.image_type[2:]


@dataclass(frozen=True)
class Series:
    """The slices of one series; ``identity`` is its UID, or the parts of the next best key.

    ``place`` is the folder below the input roots of a series without a UID, of which it is the first part of the key.
    """

    identity: tuple[str, ...]
    slices: tuple[SliceHeader, ...]
    place: str = ""

    @cached_property
    def images(self) -> tuple[SliceHeader, ...]:
        """The CT images that are no localizers: what may become a volume."""
        return tuple(header for header in self.slices if header.is_ct and not header.is_localizer)
