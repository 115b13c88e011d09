"""Figures (matplotlib, SVG) and shared parts of HTML pages; the template of a page is in the package of its result."""
