"""What a run writes: names, tables, manifest, database, lock, and files that are complete or absent."""
