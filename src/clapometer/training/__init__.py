"""Training: options, data, losses, and the one loop, on which each kind of training is a short file."""
