"""Models measured on published tasks: zero-shot, supervised on frozen vectors or trained through, and retrieval."""
