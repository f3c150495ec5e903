"""Records and stores to one offline HTML page; reads what is finished, decides nothing, changes nothing."""
