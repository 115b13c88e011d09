"""Statistics of numbers that are there already: numpy and scipy, nothing of torch."""
