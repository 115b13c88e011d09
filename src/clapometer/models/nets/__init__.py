"""Networks without input or output: tensors in, tensors out."""
