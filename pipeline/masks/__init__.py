"""Labels on the voxel grid of a series."""
