"""Records and stores to offline HTML pages."""
