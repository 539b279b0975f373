"Learning curves: the same test, nested draws, all features computed once"
import json

import numpy as np
import pytest

from usbook.cli.study import machinery_of
from usbook.core.errors import BadInput
from usbook.core.settings import Settings, read_settings
from usbook.runs.run import reproduce
from usbook.studies.curve import fewer_to_learn, learning_curve, numbers_of_patients, plot_learning_curve
from usbook.studies.images import find_images
from usbook.studies.lung_signs import PLANS, STUDY
from usbook.studies.machinery import plan_work
from usbook.data.split import some_patients


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    s = read_settings(profile='test', data='sample', cache=str(tmp_path_factory.mktemp('cache')), offline=True)
    images, _ = find_images(STUDY, s)
    return plan_work(some_patients(images, 60), PLANS['test'], s, progress=False)


def learners(m): return set(m.patients[m.table.split.to_numpy() == 'train'])


def test_draws_are_nested_and_leave_the_test_alone(work):
    whole = work.parts[0]
    few, more = (fewer_to_learn(whole, n, 3) for n in (16, 24))
    assert learners(few) < learners(more) < learners(whole) and len(learners(few)) == 16
    for split in ('valid', 'test'):
        assert np.array_equal(few.table.split == split, whole.table.split == split)
    assert set(few.table.label[few.table.split == 'train']) == set(whole.classes)


def test_a_curve_ends_with_the_network_of_all_patients(work):
    curve = learning_curve(work)
    assert list(curve.patients) == numbers_of_patients(work) and curve.patients.is_monotonic_increasing
    from usbook.evidence.metrics import evaluate
    from usbook.learn.fits import stored_fit
    end = evaluate(stored_fit(work.parts[0], work.job('frozen')).predictions['test']).overall['macro_auc']
    assert curve.metric.iloc[-1] == end
    assert plot_learning_curve(curve).axes[0].get_xlabel() == 'patients to learn from'


def test_a_run_keeps_its_curve(tmp_path):
    s = Settings(profile='test', data='sample', cache=str(tmp_path/'cache'), runs=str(tmp_path/'runs'), offline=True)
    out = reproduce(machinery_of('lung_signs'), s, ('frozen',), progress=False, curve=True)
    points = json.loads((out.folder/'results.json').read_text())['curve']
    assert [p['patients'] for p in points] == list(out.curve.patients)
    assert 'How many patients to learn from' in (out.folder/'report.html').read_text()
    assert '--curve' in out.made['command']
    with pytest.raises(BadInput, match='--curve: breast_cine'):
        reproduce(machinery_of('breast_cine'), s, ('frozen',), progress=False, curve=True)


def test_patients_who_show_many_classes_leave_room_for_small_numbers():
    from types import SimpleNamespace
    import pandas as pd
    from usbook.studies.curve import numbers_of_patients
    def work(classes, per_patient, patients=40):
        rows = [(f'p{i}', f'c{(i + k) % classes}') for i in range(patients) for k in range(per_patient)]
        m = SimpleNamespace(table=pd.DataFrame(rows, columns=['patient', 'label']).assign(split='train'),
                            classes=[f'c{k}' for k in range(classes)])
        return SimpleNamespace(images=m, parts=[m])
    assert numbers_of_patients(work(11, 1)) == [40]
    assert numbers_of_patients(work(11, 8)) == [8, 16, 40]
    assert numbers_of_patients(work(4, 1)) == [16, 40]
