"""Do scores agree with listeners? Score files joined with ratings, figures with intervals, differences, calibration.

Nothing of torch.
"""
