"""A prepared volume to a Zarr group and back; zarr is known in ``read``, ``write`` and ``layout`` only."""
