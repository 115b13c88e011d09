"""CLAPScore of pairs of a sound and a text."""
