"""What a run leaves: names, tables, manifest, state, lock, and files that are whole or not there."""
