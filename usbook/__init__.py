"""Reread, rerun and judge five published deep-learning studies of medical images, on a laptop

Modules:

- `usbook.data.manifest`: One row an image: which file, which patient, which label. Everything that can be wrong with it is found before a network sees it."""

__version__ = "0.1.0"
