"""Reread, rerun and judge published deep-learning studies of medical images.

At the top are the few names that a script or a notebook needs. Each takes a path, a table or the object itself:

- `evaluate`, `compare`, `froc`: metrics, the comparison of two models, and free-response ROC, with intervals over
  patients
- `audit`: what a paper's printed numbers imply; it takes the name of a study or a file of numbers
- `reproduce`: run one of the five studies
- `Manifest`, `Predictions`, `Detections`: the three tables; `read_predictions` reads those of other tools

`evaluate(...)`, `compare(...)` and `froc(...)` give results with a method `report('out.html')`.

`from usbook.all import *` gives everything, training and widgets included.
"""
import warnings as _warnings

__version__ = "0.1.0"

# fastai 2.8 calls it as it is imported, which PyTorch 2.15 tells every learner in the first cell of a chapter
_warnings.filterwarnings('ignore', '.*torch.jit.script.*deprecated', FutureWarning)

_AT_THE_TOP = dict(
    evaluate='usbook.evidence.metrics.evaluate', compare='usbook.evidence.compare.compare',
    froc='usbook.evidence.froc.froc',
    audit='usbook.cli.study.audit_study', reproduce='usbook.cli.study.reproduce_study',
    Manifest='usbook.data.manifest.Manifest', Predictions='usbook.predictions.predictions.Predictions',
    Detections='usbook.predictions.detections.Detections',
    read_predictions='usbook.predictions.reading.read_predictions')
_WITH_REPORTS = ('evaluate', 'compare', 'froc')
__all__ = [*_AT_THE_TOP]


def __getattr__(name):
    if name not in _AT_THE_TOP: raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from importlib import import_module
    if name in _WITH_REPORTS: import_module('usbook.widgets.evaluation')
    module, _, name = _AT_THE_TOP[name].rpartition('.')
    return getattr(import_module(module), name)


def __dir__(): return sorted([*globals(), *_AT_THE_TOP])
