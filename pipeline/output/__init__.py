"""What a run writes: names, tables, manifest, state, lock, and files that are complete or absent."""
