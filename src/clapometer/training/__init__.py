"""Training: options, what a batch is made of, and the one loop, on which each kind of training is a short file."""
