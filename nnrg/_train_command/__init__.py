"""``nnrg train``: a small network trained and recorded, from its words to its files."""
