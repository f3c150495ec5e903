"""Files to elements: found, opened, walked and read, within limits, before anything believes them."""
