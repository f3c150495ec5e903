"""A prepared volume to a Zarr group with OME-NGFF metadata, and back."""
