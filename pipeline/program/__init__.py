"""Steps compiled to clamped lines and changes of grid, executed slice by slice."""
