"""Reread, rerun and judge five published deep-learning studies of medical images, on a laptop"""

__version__ = "0.1.0"
