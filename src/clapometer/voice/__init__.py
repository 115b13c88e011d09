"""Speech: acoustic measures, text queries made of them, and corpora. Nothing here imports torch.

After ParaCLAP (Jing et al. 2024, arXiv 2406.07203): there are no captions of voices, but pitch, loudness and the like
can be measured, and labels such as emotion and gender are known; sentences are made of both.
"""
