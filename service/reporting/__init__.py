"""A release's report: what was seen of it, as data, as pictures, and as one page."""
