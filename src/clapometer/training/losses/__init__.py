"""Losses, from unit vectors and ratings alone."""
