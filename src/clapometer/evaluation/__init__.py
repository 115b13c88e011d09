"""Scores against listeners' ratings: metrics with confidence intervals, differences, calibration, the HTML page.

Nothing here imports torch.
"""
