"""CLAP models: samples and texts to vectors."""
