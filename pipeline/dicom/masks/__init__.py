"""DICOM objects that mark regions in a series, to labels on its slices."""
