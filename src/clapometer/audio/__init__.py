"""Audio files to samples: decoding, mono, resampling, windows, detection of truncated files, finding and hashing files.

Nothing here imports torch.
"""
