"""The real set of head CT calls each slice a patient, yet some are neighbours of one head: who is whose, from the
pictures."""
import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.sparse.csgraph import connected_components

ALIKE = .8  # correlation of fine structure; above it pairs are of one head by eye, below .78 some are not


def head_of(a):
    "Where the head is: the largest bright thing, its holes filled (H, W)"
    a = np.pad(a, 20)
    parts, n = ndimage.label(ndimage.binary_opening(a > 100, iterations=2))
    skull = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]) if n else a > 100
    whole = ndimage.binary_fill_holes(ndimage.binary_closing(skull, iterations=8))
    return ndimage.binary_dilation(whole, iterations=3)[20:-20, 20:-20]


def fine_structure(a, head):
    "The head cut out, scaled, without its coarse shading: what is alike in slices of one person (n,)"
    y, x = np.where(head)
    c = np.where(head, a, 0)[y.min():y.max() + 1, x.min():x.max() + 1].astype('uint8')
    c = np.asarray(Image.fromarray(c).resize((64, 64))).astype(float)
    c = (c - ndimage.gaussian_filter(c, 4))[8:-8, 8:-8].ravel()
    return (c - c.mean())/c.std()


def who(grey, heads):
    "Slices (h, w) whose heads (h, w) look alike are one patient (n,)"
    v = np.array([fine_structure(a, h) for a, h in zip(grey, heads)])
    return np.array([f'P{k:03d}' for k in connected_components(v @ v.T/v.shape[1] > ALIKE)[1]])
