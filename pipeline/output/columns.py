"""The columns of the tables beside the manifest: name, type and meaning."""

from pipeline.record import Column, by_name

SLICE_COLUMNS = by_name(
    Column("series_key", "text", "Series to which the file belongs; null for none."),
    Column("slice_key", "text", "Keyed hash of SOPInstanceUID."),
    Column("position_mm", "number", "Place along the slices' normal."),
    Column("offset_mm", "numbers", "Place within the plane, from the first slice: along the rows, down the columns."),
    Column("rows", "integer", "Rows."),
    Column("columns", "integer", "Columns."),
    Column("instance_number", "integer", "InstanceNumber."),
    Column("transfer_syntax", "text", "UID of the transfer syntax."),
    Column("status", "text", "Outcome for the file: used, skipped or rejected; null until its pixels are read."),
    Column("reason", "text", "Why it was not used."),
    Column("z_index", "integer", "Plane of the source stack, from 0; null if not used."),
)
"""slices.parquet: a row per file, or a frame of one."""

TAG_COLUMNS = by_name(
    Column("tag", "text", "Group and element, gggg,eeee; within a sequence gggg,eeee.gggg,eeee."),
    Column("keyword", "text", "Keyword; a part of several values has its number, as ImageType[1]."),
    Column("vr", "text", "Value representation; of several met, all."),
    Column("module", "text", "Module of the CT Image IOD; null for what the IOD does not name."),
    Column("type", "text", "1, 1C, 2, 2C or 3 in the CT Image IOD."),
    Column("n_files", "integer", "CT files seen."),
    Column("n_missing", "integer", "Files without the element."),
    Column("n_empty", "integer", "Files in which it has no value."),
    Column("share_missing", "number", "n_missing / n_files."),
    Column("n_unique_raw", "integer", "Distinct values as they are written."),
    Column("n_unique", "integer", "Distinct values after canonical reading: 1 and 1.0 are one."),
    Column(
        "constant_within", "text", "Largest group in which all files agree: cohort, patient, study, series or none."
    ),
    Column("min", "number", "Lowest value, where every value is one number."),
    Column("max", "number", "Highest value."),
    Column("mean", "number", "Mean over files."),
    Column(
        "top_values", "value_counts", "Most frequent values and their counts; null for what may not leave private/."
    ),
    Column("verdict", "text", "keep, drop or look."),
    Column("why", "text", "What the verdict rests on."),
)
"""tags.parquet: a row a DICOM element."""

HISTOGRAM_COLUMNS = by_name(
    Column("series_key", "text", "Key of the series."),
    Column("first_bin_hu", "integer", "HU of the first bin."),
    Column("counts", "integers", "Valid voxels of the source in each bin of 1 HU, before steps."),
)
"""histograms.parquet: a row per series that has a store."""

INDEX_COLUMNS = by_name(
    Column("series_key", "text", "Key of the series."),
    Column("PatientID", "text", "As in the files."),
    Column("StudyInstanceUID", "text", "As in the files."),
    Column("SeriesInstanceUID", "text", "As in the files."),
    Column("folder", "path", "Deepest common folder of the files, absolute."),
    Column("n_files", "integer", "Files of the series."),
)
"""private/index.parquet: from a key back to the series."""

FILE_COLUMNS = by_name(
    Column("path", "path", "Absolute path; a `file:` URI where its name is no UTF-8."),
    Column("series_key", "text", "Series to which the file belongs; null for none."),
    Column("size", "integer", "Bytes."),
    Column("mtime_ns", "integer", "Time of the last change, in nanoseconds."),
    Column("status", "text", "Outcome for the file: used, skipped or rejected; null until its pixels are read."),
    Column("reason", "text", "Why it was not used."),
    Column("SOPInstanceUID", "text", "As in the file."),
    Column("InstanceNumber", "integer", "As in the file."),
    Column("frame", "integer", "Frame of a multi-frame object, from 1; else null."),
    Column("position_mm", "number", "Place along the slices' normal."),
    Column("z_index", "integer", "Plane of the source stack, from 0; null if not used."),
)
"""private/files.parquet: a row per file, or a frame of one."""

MASK_COLUMNS = by_name(
    Column("mask", "text", "Name of the mask, from `manifest.labels.masks`."),
    Column("path", "path", "Path of the object or file; a `file:` URI where its name is no UTF-8."),
    Column("series_key", "text", "Series to which the object belongs; null for none."),
    Column("linked_by", "text", "What links them: path, series, images or frame."),
    Column("reason", "text", "ok, or why the object or region was not used."),
    Column("detail", "text", "Figures that belong to the reason."),
    Column("region", "text", "Name of the region, free text."),
    Column("number", "integer", "Value of the region's voxels in the label."),
    Column("contours_used", "integer", "Contours that were drawn."),
    Column("contours_skipped", "integer", "Contours that were left out."),
    Column("skipped_why", "text", "Why contours were left out."),
    Column("voxels", "integer", "Voxels of the region on the source's slices."),
    Column("voxels_lost", "integer", "Voxels covered by regions on top."),
)
"""private/masks.parquet: a row for each mask, object, series and region."""

TABLES = {
    "slices.parquet": SLICE_COLUMNS,
    "tags.parquet": TAG_COLUMNS,
    "histograms.parquet": HISTOGRAM_COLUMNS,
    "private/index.parquet": INDEX_COLUMNS,
    "private/files.parquet": FILE_COLUMNS,
    "private/masks.parquet": MASK_COLUMNS,
}
"""Every table beside the manifest, by its path in the output."""
