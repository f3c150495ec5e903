"""What the columns of every table mean: a sentence each, for people and for the descriptions of an output."""

from pipeline.elements import kind_of

MANIFEST = {
    "series_key": "Key of the series: 20 hex digits, a keyed hash of SeriesInstanceUID, stable between runs.",
    "status": "What became of the series: ok, rejected, failed or excluded.",
    "reason": "Why there is no store; null for ok.",
    "warnings": "What is worth knowing of the series; never null.",
    "detail": "Figures that belong to the reason.",
    "qc": "ok, or look: a person should see the series.",
    "qc_why": "Every rule that asks for a look.",
    "patient": "Key of the patient.",
    "study": "Key of the study.",
    "study_day": "Days since the patient's first study.",
    "n_files": "Files, or frames of a multi-frame object, that belong to the series.",
    "n_slices": "Planes of the source stack after repair, interpolated ones included.",
    "geometry": "Verdict on the places of the slices: regular, tilted, uneven, gap, duplicate, single or none.",
    "shape_in": "Voxels of the source along z, y, x.",
    "spacing_in_mm": "Spacing of the source along z, y, x, of positions along the normal, not of SliceThickness.",
    "slice_thickness_mm": "SliceThickness of the first slice.",
    "coverage_share": "Share of the way from the first slice to the last that lies within a slice.",
    "tilt_deg": "Angle between the slices' normal and the way positions advance, signed; 0 when upright.",
    "obliquity_deg": "Angle between the slices' axes and the nearest patient axes.",
    "span_mm": "Distance from the first slice to the last, along the normal.",
    "orientation": "Sides of the patient towards which the stored x, y, z grow, such as LPS.",
    "shape": "Voxels of the stored array along z, y, x; with channels c first.",
    "spacing_mm": "Spacing of the stored array along z, y, x.",
    "dtype": "Type of the stored numbers.",
    "store": "Path of the Zarr v3 group, relative to this folder; null unless ok.",
    "store_bytes": "Bytes of all files of the store.",
    "sha256": "SHA-256 over the store's sorted relative paths, each followed by NUL and the file's bytes.",
    "content_hash": "Hash of the source's HU: equal for series with the same pixels.",
    "hu_min": "Lowest HU of the source.",
    "hu_max": "Highest HU of the source.",
    "hu_mean": "Mean HU of the source.",
    "hu_std": "Standard deviation of the source's HU.",
    "hu_p01": "1st percentile of the source's HU.",
    "hu_p05": "5th percentile of the source's HU.",
    "hu_p50": "Median of the source's HU.",
    "hu_p95": "95th percentile of the source's HU.",
    "hu_p99": "99th percentile of the source's HU.",
    "hu_air_peak": "Most frequent HU of air.",
    "noise_hu": "Standard deviation of the noise in soft tissue.",
    "body_share": "Share of voxels above -300 HU.",
    "metal_share": "Share of voxels above 3000 HU.",
    "padding_share": "Share of voxels that were not measured.",
    "interpolated_share": "Share of planes that a repair invented.",
    "fov_truncated_share": "Share of the body's outline that runs along the edge of the image.",
    "blank_slices": "Slices of one value, or with nothing measured.",
    "repeated_slices": "Slices equal to the one before.",
    "kernel_class": "smooth, medium or sharp, from ConvolutionKernel; null for a name that is not known.",
    "split": "train, validation or test; decided by patient.",
    "fingerprint": "Keyed hash over the slices' UIDs and stored pixels.",
    "config_hash": "Hash of what of the configuration can change a voxel.",
    "code_version": "Version of ctprep that wrote the store.",
    "duration_s": "Time that the series took.",
    "peak_memory_mb": "Most memory that the process held.",
    "finished_at": "When the series was finished, UTC.",
}
SLICES = {
    "series_key": "Series to which the file belongs; null for none.",
    "slice_key": "Keyed hash of SOPInstanceUID.",
    "position_mm": "Place along the slices' normal.",
    "offset_mm": "Place within the plane, from the first slice: along the rows, down the columns.",
    "rows": "Rows.",
    "columns": "Columns.",
    "instance_number": "InstanceNumber.",
    "transfer_syntax": "UID of the transfer syntax.",
    "status": "What became of the file: used, skipped or rejected.",
    "reason": "Why it was not used.",
    "z_index": "Plane of the source stack, from 0; null if not used.",
}
TAGS = {
    "tag": "Group and element, gggg,eeee; within a sequence gggg,eeee.gggg,eeee.",
    "keyword": "Keyword; a part of several values has its number, as ImageType[1].",
    "vr": "Value representation; of several met, all.",
    "module": "Module of the CT Image IOD; null for what the IOD does not name.",
    "type": "1, 1C, 2, 2C or 3 in the CT Image IOD.",
    "n_files": "CT files seen.",
    "n_missing": "Files without the element.",
    "n_empty": "Files in which it has no value.",
    "share_missing": "n_missing / n_files.",
    "n_unique_raw": "Distinct values as they are written.",
    "n_unique": "Distinct values after canonical reading: 1 and 1.0 are one.",
    "constant_within": "Largest group in which all files agree: cohort, patient, study, series or none.",
    "min": "Lowest value, where every value is one number.",
    "max": "Highest value.",
    "mean": "Mean over files.",
    "top_values": "Most frequent values and their counts; null for what may not leave private/.",
    "verdict": "keep, drop or look.",
    "why": "What the verdict rests on.",
}
HISTOGRAMS = {
    "series_key": "Key of the series.",
    "first_bin_hu": "HU of the first bin.",
    "counts": "Measured voxels of the source in each bin of 1 HU, before steps.",
}
INDEX = {
    "series_key": "Key of the series.",
    "PatientID": "As in the files.",
    "StudyInstanceUID": "As in the files.",
    "SeriesInstanceUID": "As in the files.",
    "folder": "Deepest common folder of the files, absolute.",
    "n_files": "Files of the series.",
}
FILES = {
    "path": "Absolute path; a `file:` URI where its name is no UTF-8.",
    "series_key": "Series to which the file belongs; null for none.",
    "size": "Bytes.",
    "mtime_ns": "Time of the last change, in nanoseconds.",
    "status": "What became of the file: used, skipped or rejected.",
    "reason": "Why it was not used.",
    "SOPInstanceUID": "As in the file.",
    "InstanceNumber": "As in the file.",
    "frame": "Frame of a multi-frame object, from 1; else null.",
    "position_mm": "Place along the slices' normal.",
    "z_index": "Plane of the source stack, from 0; null if not used.",
}
JOINED = "As manifest.labels has joined it."


def meaning_of(column: str, told: dict[str, str]) -> str:
    """Return what a column means: as ``told``, or as DICOM defines the element, or joined by the user."""
    if column in told:
        return told[column]
    kind = kind_of(column)
    return f"DICOM element ({kind.tag}), {kind.module}." if kind else JOINED
