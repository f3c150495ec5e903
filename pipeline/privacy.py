"""What may leave ``private/``: keyed hashes in place of identifiers, allowed elements, text made harmless."""

import re
import unicodedata
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

IdentifierPolicy = Literal["pseudonym", "keep"]
"""Whether identifiers are replaced by keyed hashes, or kept because the cohort is public already."""

HASH_BYTES = 10
CELL_LENGTH = 1024
"""A cell of a table is cut here, in characters."""

OLDEST_AGE_YEARS = 89
"""Above it, an age is written as 090Y (HIPAA safe harbour, 45 CFR 164.514(b)(2)(i)(C))."""

KEPT_IDENTIFIERS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
"""What ``manifest.identifiers: keep`` adds to the elements below."""

ALLOWED_ELEMENTS = frozenset(
    """
    AcquisitionNumber BitsAllocated BitsStored BodyPartExamined BurnedInAnnotation
    CTDIvol Columns ContrastBolusIngredient ContrastBolusIngredientConcentration ContrastBolusTotalDose
    ContrastBolusVolume ContrastFlowDuration ContrastFlowRate ConvolutionKernel
    DataCollectionCenterPatient DataCollectionDiameter DistanceSourceToDataCollectionCenter
    DistanceSourceToDetector DistanceSourceToPatient
    EstimatedDoseSaving Exposure ExposureInmAs ExposureInuAs ExposureModulationType ExposureTime ExposureTimeInms
    FilterMaterial FilterType FocalSpots
    GantryDetectorTilt GeneratorPower HighBit
    ImageOrientationPatient ImagePositionPatient ImageType ImagesInAcquisition InstanceNumber
    KVP LargestImagePixelValue Laterality LossyImageCompression LossyImageCompressionMethod LossyImageCompressionRatio
    Manufacturer ManufacturerModelName Modality MultienergyCTAcquisition NumberOfFrames
    PatientAge PatientPosition PatientSex PhotometricInterpretation PixelAspectRatio PixelPaddingRangeLimit
    PixelPaddingValue PixelRepresentation PixelSpacing PlanarConfiguration
    ReconstructionAlgorithm ReconstructionDiameter ReconstructionTargetCenterPatient
    RescaleIntercept RescaleSlope RescaleType RevolutionTime RotationDirection Rows
    SamplesPerPixel ScanOptions SeriesNumber SingleCollimationWidth SliceLocation SliceThickness
    SmallestImagePixelValue SoftwareVersions SpacingBetweenSlices SpecificCharacterSet SpiralPitchFactor
    TableFeedPerRotation TableHeight TableSpeed TotalCollimationWidth
    VOILUTFunction WindowCenter WindowWidth XRayTubeCurrent
    """.split()  # noqa: SIM905  a page of words reads better than eighty quoted lines
)
"""Keywords of what may stand outside ``private/``: how the images were made, and the patient's sex and age.

No element that DICOM PS3.15 table E.1-1 removes or replaces, but for PatientSex and PatientAge (its Retain Patient
Characteristics option): no date, time, UID, name, serial number, place, or text that a person may have typed.
"""


@dataclass(frozen=True)
class PseudonymKey:
    """The secret behind every pseudonym of an output; an empty one makes hashes that are the same for everyone."""

    secret: bytes = field(default=b"", repr=False)

    def keyed_hash(self, *parts: str) -> str:
        """Return 20 hex digits that stand for the parts; ("ab", "c") and ("a", "bc") differ."""
        digest = blake2b(digest_size=HASH_BYTES, key=self.secret)
        for part in parts:
            content = part.encode("utf-8", "surrogatepass")
            digest.update(f"{len(content)}:".encode())
            digest.update(content)
        return digest.hexdigest()

    def slice_key(self, name: str, frame: int | None) -> str:
        """Return the pseudonym of a slice, by its SOPInstanceUID or, without one, its path."""
        return self.keyed_hash("slice", name, str(frame or ""))


def clean_text(text: str) -> str:
    """Return the text without control, bidirectional and unpaired characters, cut at 1,024 characters."""
    return "".join(character for character in text if not _is_invisible(character))[:CELL_LENGTH]


def cap_age(age: str) -> str | None:
    """Return an age string (DICOM PS3.5 AS: nnnD, nnnW, nnnM, nnnY), 090Y if above 89 years, None if it is no age."""
    found = re.fullmatch(r"\s*([0-9]+)([DWMY])\s*", age)
    if found is None:
        return None
    completed_years = int(int(found[1]) / _PER_YEAR[found[2]])
    return f"{OLDEST_AGE_YEARS + 1:03}Y" if completed_years > OLDEST_AGE_YEARS else age.strip()


TextVerdict = Literal["", "unusual", "unsafe"]
"""What is to be said of a text: nothing, that it is unusual and harms nothing, or that programs may mistake it."""


def judge_text(value: str, vr: str, *, single_valued: bool) -> TextVerdict:
    r"""Tell whether a text is unsafe in files, spreadsheets or pages, or only unusual: a slash, a line end, its length.

    A backslash is unsafe where the element has one value; elsewhere it parts the values, and each is looked at.
    Values of VRs that hold no text (numbers, dates, UIDs) are never unsafe.
    """
    if vr not in _TEXT_VRS:
        return ""
    values = [value] if single_valued else value.split("\\")
    texts = [part.rstrip("\0").strip(" ") for part in values]
    if any(_is_unsafe(text, vr) for text in texts):
        return "unsafe"
    return "unusual" if any(_is_unusual(text, vr) for text in texts) else ""


_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12, "Y": 1}
_TEXT_VRS = frozenset({"LO", "SH", "PN", "ST", "LT", "UT", "UC", "CS"})
_LONGEST = {"LO": 64, "SH": 16, "PN": 64, "CS": 16}
"""Characters a value may have (DICOM PS3.5 table 6.2-1); of a PN, each component group."""

_UNSAFE_CHARACTERS = frozenset('\\<>"|$`{}')
_UNUSUAL_CHARACTERS = frozenset("/'&;%")
_LINE_VRS = frozenset({"ST", "LT", "UT"})
_LINE_CHARACTERS = frozenset("\t\n\f\r")
"""Control characters that texts of several lines may hold (DICOM PS3.5 section 6.1.3)."""
_UNSAFE_BEGINNINGS = ("=", "+", "-", "@")
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's Bidi_Control property: characters that change the order in which others are shown."""


def _is_unsafe(text: str, vr: str) -> bool:
    allowed = _LINE_CHARACTERS if vr in _LINE_VRS else frozenset()
    return (
        any(one in _UNSAFE_CHARACTERS or (_is_invisible(one) and one not in allowed) for one in text)
        or text.startswith(_UNSAFE_BEGINNINGS)
        or text in {".", ".."}
    )


def _is_unusual(text: str, vr: str) -> bool:
    return (
        any(one in _UNUSUAL_CHARACTERS or one in _LINE_CHARACTERS for one in text)
        or not unicodedata.is_normalized("NFC", text)
        or _is_too_long(text, vr)
    )


def _is_too_long(text: str, vr: str) -> bool:
    groups = text.split("=") if vr == "PN" else [text]
    return vr in _LONGEST and max(map(len, groups)) > _LONGEST[vr]


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"} or character in _BIDIRECTIONAL
