"""A panel of listeners: which of its ratings to trust, how far it agrees, what it comes to. Nothing of torch."""
