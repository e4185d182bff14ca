"""What comes in: networks, and one reader for each file format."""
