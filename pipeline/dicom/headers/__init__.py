"""Elements to slices: the header of each image, and which images belong to one series."""
