"""Benchmarks on published tasks: zero-shot, probes on frozen embeddings, fine-tuning, and retrieval."""
