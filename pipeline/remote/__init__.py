"""Folders in a bucket: named, listed, fetched, written in an order that needs no rename.  Knows no CT."""
