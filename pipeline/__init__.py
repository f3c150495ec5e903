"""ctprep: CT series from DICOM to training-ready Zarr stores."""

__version__ = "0.1.0"
