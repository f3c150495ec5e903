"""The makers of private elements, by the names that may be told: a name that names a person is not.

A private creator is text (DICOM PS3.5 section 7.8.1) and stands in the keyword of every element of its block, outside
``private/``.  Those of the dictionary are products; any other is told unless it repeats a word of what may identify.
"""

import re
from collections.abc import Mapping

from pydicom import datadict

from pipeline.dicom.files.structure import Element
from pipeline.dicom.files.values import TEXT_VRS, Values, keyword_of
from pipeline.privacy import ALLOWED_ELEMENTS, cleaned

CREATOR_NUMBERS = range(0x10, 0x100)
"""Element numbers that reserve blocks for private elements (PS3.5 section 7.8.1)."""
PRODUCTS: frozenset[str] = frozenset(datadict.private_dictionaries)  # type: ignore[attr-defined]
UNTOLD = "untold"
WORD = re.compile(r"[^\W_]{3,}")


def told_creators(elements: Mapping[int, Element], values: Values) -> dict[int, str]:
    """Return the name of each private creator among a data set's elements, by tag."""
    names = {
        tag: values.decoded(element)[0]
        for tag, element in elements.items()
        if tag & 0x10000 and tag & 0xFFFF in CREATOR_NUMBERS
    }
    unknown = [tag for tag, name in names.items() if name not in PRODUCTS]
    identifying = _identifying_words(values) if unknown else set()
    return {
        tag: UNTOLD if tag in unknown and _words(name) & identifying else cleaned(name) for tag, name in names.items()
    }


def _identifying_words(values: Values) -> set[str]:
    """Return the words of every text that may not leave ``private/``, but for other creators."""
    texts = (
        values.decoded(element)[0]
        for element in values.text_elements()
        if element.vr in TEXT_VRS and keyword_of(element.tag) and keyword_of(element.tag) not in ALLOWED_ELEMENTS
    )
    return {word for text in texts for word in _words(text)}


def _words(text: str) -> set[str]:
    return set(WORD.findall(text.casefold()))
