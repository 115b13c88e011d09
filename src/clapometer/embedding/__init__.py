"""Embed many files or texts, each content once, with a persistent store of vectors."""
