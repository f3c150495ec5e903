"""What the findings of a cohort need to know of one series: counts and words in place of its slices."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.quality.series_geometry import TESTS, SeriesGeometry
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Reason

KINDS: Mapping[str, Callable[[SliceHeader], str]] = {
    "transfer syntax": lambda header: header.pixels.transfer_syntax,
    "value 1": lambda header: (header.identity.image_type or ("",))[0],
    "RescaleType": lambda header: header.rescale.kind,
    "PatientPosition": lambda header: str(header.elements.get("PatientPosition") or ""),
}
"""Words that distinguish the images of a cohort, and where a header says them; value 1 is that of ImageType."""


@dataclass(frozen=True)
class SeriesFacts:
    """A series by its pseudonym: ``codes`` are the findings about it alone, ``kinds`` its images' words of KINDS.

    ``refused`` counts its files that could not be read to their end, by reason.
    """

    series_key: str
    patient: str
    study: str
    n_images: int
    codes: frozenset[str]
    kinds: Mapping[str, frozenset[str]]
    refused: Mapping[Reason, int]

    @classmethod
    def of(cls, record: SeriesRecord, series: Series) -> "SeriesFacts":
        """Return the facts of a series; ``record`` is what is known of it."""
        images, geometry = series.images, SeriesGeometry(series.images)
        return cls(
            record.series_key,
            record.patient or "",
            record.study or "",
            len(images),
            frozenset(code for code, _, holds in TESTS if holds(geometry)) if images else frozenset(),
            {name: frozenset(map(word_of, images)) for name, word_of in KINDS.items()},
            Counter(header.refusal[0] for header in series.slices if header.refusal),
        )
