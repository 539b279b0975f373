"""The longer run of the breast cine chapter, again: `python tools/long_run.py`, twenty minutes of one core

The detections and the record that says how they were made come into nbs/records/breast_cine."""
from pathlib import Path

from usbook.runs.record import Record, figures_of_arms
from usbook.studies.breast_cine import long_run

FOLDER = Path(__file__).parents[1]/'nbs'/'records'/'breast_cine'

if __name__ == '__main__':
    found = long_run(FOLDER)
    figures = figures_of_arms('breast_cine', {arm: {'on validation': table} for arm, table in found['valid'].items()})
    Record('python tools/long_run.py', dict(phantom=found['data']), figures, how=found['how']).write(FOLDER/'run.json')
