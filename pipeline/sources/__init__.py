"""Where files come from and where stores go: folders and buckets."""
