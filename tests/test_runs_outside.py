"""Trained here, tested there: the drop by hand, thresholds carried over, and the whole way on two small trees."""
import json

import numpy as np
import pandas as pd
import pytest
from conftest import make_tree
from usbook.core.interval import Interval
from usbook.predictions.predictions import Predictions
from usbook.runs.outside import drop_of, two_sides


def predictions(prob, truth, start):
    n = [f'{start}{i}' for i in range(len(prob))]
    t = pd.DataFrame(dict(image=n, patient=n, target=np.where(truth, 'mass', 'normal')))
    return Predictions(t.assign(p_normal=1 - np.array(prob), p_mass=prob), ['normal', 'mass'])

def test_the_drop_by_hand():
    d = drop_of(Interval(.90, .84, .94), Interval(.80, .70, .88))
    assert np.allclose([d.value, d.low, d.high], [-.1, -.1 - np.hypot(.1, .04), -.1 + np.hypot(.08, .06)])
    same = drop_of(Interval(.8, .7, .9), Interval(.8, .7, .9))
    assert same.value == 0 and np.isclose(same.high, np.hypot(.1, .1)) and np.isclose(same.low, -same.high)
    assert drop_of(Interval(.9, .8, .95), Interval(note='does not exist')).value is None
    assert drop_of(Interval(.9, .8, .95), Interval(.7, note='no interval')).low is None

def test_the_drop_covers_what_it_should():
    "Two independent proportions, 400 times: the interval holds the true difference in about 95 of 100"
    from usbook.evidence.resample import wilson
    rng, n = np.random.default_rng(0), 80
    hits = [(d := drop_of(wilson(a, n), wilson(b, n))).low <= -.2 <= d.high
            for a, b in zip(rng.binomial(n, .9, 400), rng.binomial(n, .7, 400))]
    assert .92 <= np.mean(hits) <= .98

def test_thresholds_are_carried_over_unchanged():
    truth = np.array([0]*10 + [1]*10, bool)
    here = predictions(np.r_[np.linspace(.1, .4, 10), np.linspace(.6, .9, 10)], truth, 'a')
    there = predictions(np.r_[np.linspace(.1, .4, 10), np.linspace(.3, .9, 10)], truth, 'b')
    found = two_sides(here, there)['thresholds']['mass']
    assert found['value'] == .6 and found['sensitivity']['inside'].value == 1
    assert found['sensitivity']['outside'].value == np.mean(np.linspace(.3, .9, 10) >= .6)
    assert found['specificity']['drop'].value == 0

@pytest.mark.slow
def test_the_whole_way(usbook, tmp_path):
    here = make_tree(tmp_path/'here', ('cyst', 'solid'), patients=12, size=32)
    there = make_tree(tmp_path/'there', ('cyst', 'solid'), patients=6, size=32, seed=1)
    said = usbook('reproduce', 'lung_signs', '--data', here, '--patients', r'^(P\d+)_', '--modes', 'frozen',
                  '--weights', 'random', '--test', there, '--json')
    assert said.returncode == 0, said.stderr
    out = json.loads(said.stdout)
    arm = next(iter(out['outside']['arms'].values()))
    assert out['outside']['images'] == 24 and {'inside', 'outside', 'drop'} == set(arm['metrics']['accuracy'])
    folder = tmp_path/'runs'/out['folder'].rsplit('/', 1)[-1]
    assert json.loads((folder/'outside.json').read_text())['patients'] == 12
    assert '24' in (folder/'outside.html').read_text()

def test_the_page_shows_every_number_and_escapes():
    from usbook.runs.outside import Outside, outside_page, outside_rows
    truth = np.array([0]*10 + [1]*10, bool)
    here = predictions(np.r_[np.linspace(.1, .4, 10), np.linspace(.6, .9, 10)], truth, 'a')
    there = predictions(np.r_[np.linspace(.1, .4, 10), np.linspace(.3, .9, 10)], truth, 'b')
    found = two_sides(here, there)
    out = Outside('other <b>', 20, 20, {'an arm': found}, ['5 images <script>'])
    page = outside_page(out, dict(data=dict(source='here', images=20, patients=20)), {'an arm': (here, there)})
    assert 'other &lt;b&gt;' in page and '<script>' not in page and page.count('<figure>') == 2
    plain = page.replace('<span class="w">', '').replace('</span>', '')
    for what, v in outside_rows(found): assert what in plain and str(v['drop']) in plain
