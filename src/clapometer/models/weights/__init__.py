"""Weights in and out: safetensors, third-party checkpoints, files of the Hugging Face Hub, tokenizers."""
