"""One file a family of models.

Each holds `MODELS` (its model cards), `build(card, folder)` (a model with the weights of a folder) and `tiny()` (the
same class with a few thousand random weights, for tests).
"""
