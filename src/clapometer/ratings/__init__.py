"""Listening-test ratings: file formats, screening of listeners, and summaries.

Nothing here imports torch.
"""
