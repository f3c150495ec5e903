"""The ranges of Hounsfield units that separate air, tissue and metal: one table, a source for each number."""

from dataclasses import dataclass

AIR_HU = (-1100, -900)
"""Air around a patient or in the bowel.  Its value is -1000 by definition of the scale; the American College of
Radiology accepts -970 to -1005 (CT accreditation phantom), and noise and old calibrations need the rest."""

AIR_OR_INFLATED_LUNG_HU = (-1100, -850)
"""Air, or a lung at full inspiration, which reads down to -900: all the air that a narrow field of view in a chest
may show (hyperinflated below -900, normally aerated from there on: Gattinoni et al., AJRCCM 164, 2001)."""

AERATED_LUNG_HU = (-900.0, -500.0)
"""Normally aerated lung (Gattinoni et al., AJRCCM 164, 2001)."""

LUNG_OR_AIR_BELOW_HU = -400.0
"""Lung and air lie below, with the vessels of the lung above: half-way between aerated lung and soft tissue, as in the
lung segmentation of Hu, Hoffman and Reinhardt (IEEE TMI 20(6), 2001)."""

BODY_ABOVE_HU = -300
"""Body lies above: fat is at -100, aerated lung below -500, a cushion or the foam of a table at -900.  Half-way."""

SOFT_TISSUE_HU = (-150.0, 150.0)
"""Fat (-120 to -60) to muscle and blood with contrast, without lung and bone (Hofer, CT Teaching Manual)."""

DENSE_BONE_HU = 800
"""Above lie the shafts of bones, teeth and metal, a small part of any body (the accreditation phantom's bone: 850)."""

METAL_HU = 3000
"""Above lies metal: enamel, the densest tissue, reads up to about 3000, and a 12-bit scale ends at 3071."""

PLAUSIBLE_HU = (-1100, 3100)
"""What a scanner writes for a patient: from air with its noise to the end of a 12-bit scale, -1024 to 3071."""


@dataclass(frozen=True)
class Tissue:
    """A named range of HU, ``high_hu`` not in it."""

    name: str
    low_hu: int
    high_hu: int


TISSUES = (
    Tissue("air", -1050, -950),
    Tissue("lung", -950, -500),
    Tissue("fat", -120, -60),
    Tissue("water", -10, 15),
    Tissue("soft tissue", 15, 80),
    Tissue("bone", 250, 2000),
)
"""What a histogram is labelled with: rounded from textbook tables (Hounsfield 1980; Hofer, CT Teaching Manual).  These
ranges are narrow and leave gaps, in which voxels are mixed or hold contrast."""
