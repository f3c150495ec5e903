"""DICOM files to volumes in Hounsfield units: the only room that knows pydicom."""
