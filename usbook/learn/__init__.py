"""Training with fastai: weights, transfer, detection, segmentation, explanation."""
