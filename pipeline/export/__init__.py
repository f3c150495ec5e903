"""Volumes for other programs: NIfTI, and masks as DICOM SEG over the series that they were made of."""
