"""Properties that every split must have, whatever the patients are like."""
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings, strategies as st
from usbook.data.manifest import Manifest
from usbook.data.duplicates import patient_leaks
from usbook.data.split import (
    LEAKY,
    check_leaks,
    folds_by_patient,
    plot_split,
    shared_patients,
    shuffled,
    split_by_image,
    split_by_patient,
    split_hash,
)
from usbook.core.errors import LeakageError
from usbook.core.errors import BadInput

def made(labels_of):
    "A manifest in memory from one list of labels a patient"
    rows = [(f'{p}-{i}.png', f'p{p}', l) for p, ls in enumerate(labels_of) for i, l in enumerate(ls)]
    return Manifest(pd.DataFrame(rows, columns=['image', 'patient', 'label']), 'set', sorted({r[2] for r in rows}))

patients = st.lists(st.lists(st.sampled_from('abc'), min_size=1, max_size=6), min_size=3, max_size=25).map(made)

def possible(m, parts):
    "By brute force: can the patients be divided so that each part has each class?"
    import itertools
    has = pd.crosstab(m.table.patient, m.table.label).to_numpy() > 0
    return any(
        all(has[np.array(a) == s].any(0).all() for s in range(parts))
        for a in itertools.product(range(parts), repeat=len(has))
    )

@settings(max_examples=40, deadline=None)
@given(patients, st.integers(0, 5))
def test_split_by_patient(m, seed):
    try: s = split_by_patient(m, seed=seed)
    except BadInput as e:
        assert 'class' in str(e)
        assume(False)
    assert check_leaks(s) and patient_leaks(s) == [] and s.splits == ['train', 'valid', 'test']
    assert (
        s.table.drop(columns='split').equals(m.table)
        and (s.table.groupby('split').label.nunique() == len(m.classes)).all()
    )
    assert split_hash(s) == split_hash(split_by_patient(m, seed=seed))

@settings(max_examples=20, deadline=None)
@given(patients, st.integers(0, 5), st.integers(0, 99))
def test_order_of_rows_does_not_matter(m, seed, order):
    turned = Manifest(m.table.sample(frac=1, random_state=order), m.root, m.classes)
    try: s = split_by_patient(m, seed=seed)
    except BadInput: assume(False)
    assert split_hash(split_by_patient(turned, seed=seed)) == split_hash(s)
    assert split_hash(split_by_image(turned, seed=seed)) == split_hash(split_by_image(m, seed=seed))

@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from('abc'), min_size=1, max_size=3), min_size=2, max_size=7).map(made),
    st.sampled_from([(0.5, 0, 0.5), (0.6, 0.2, 0.2)]),
)
def test_a_split_is_found_wherever_there_is_one(m, fractions):
    parts = sum(f > 0 for f in fractions)
    if possible(m, parts): check_leaks(split_by_patient(m, fractions))
    else:
        with pytest.raises(BadInput): split_by_patient(m, fractions)

@settings(max_examples=25, deadline=None)
@given(patients, st.integers(2, 4), st.integers(0, 3), st.sampled_from([0, .2]))
def test_folds(m, k, seed, valid):
    try: folds = folds_by_patient(m, k, seed, valid)
    except BadInput: assume(False)
    tested = np.sum([(f.table.split == 'test').to_numpy() for f in folds], axis=0)
    assert len(folds) == k and (tested == 1).all()
    for f in folds:
        check_leaks(f)
        assert (f.table.groupby('split').label.nunique() == len(m.classes)).all() and ('valid' in f.splits) == (
            valid > 0
        )

def test_balance_is_near_what_scikit_learn_reaches():
    "Patients of very unequal size: shares of images a class in five folds, against StratifiedGroupKFold"
    from sklearn.model_selection import StratifiedGroupKFold
    rng = np.random.default_rng(0)
    m = made([['abc'[p % 3]]*int(rng.geometric(.15)) for p in range(90)])
    def off(tests):
        return np.mean(
            [np.abs(np.bincount(m.targets[t], minlength=3) / np.bincount(m.targets) - 0.2).mean() for t in tests]
        )
    ours, theirs = [], []
    for seed in range(5):
        ours.append(off([(f.table.split == 'test').to_numpy() for f in folds_by_patient(m, 5, seed, valid=0)]))
        cv = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        theirs.append(off([t for _, t in cv.split(m.targets, m.targets, m.patients)]))
    assert np.mean(ours) < np.mean(theirs) + .01 and np.mean(ours) < .03

def test_fractions_are_met_and_seeds_differ():
    m = made([['ab'[p % 2]]*5 for p in range(100)])
    splits = [split_by_patient(m, (.7, .1, .2), seed) for seed in range(5)]
    for s in splits: assert s.counts().images.unstack().to_numpy().tolist() == [[175, 25, 50]]*2
    assert len({split_hash(s) for s in splits}) == 5

@pytest.mark.parametrize(
    'fractions',
    [(0.5, 0.5), (1, 0, 0), (0.5, 0.2, 0.2), (-0.2, 0.6, 0.6), (0, 0.5, 0.5), 'abc', None, (0.6, 0.2, float('nan'))],
)
def test_fractions_that_make_no_sense(fractions):
    with pytest.raises(BadInput, match='three numbers for train, valid and test'):
        split_by_patient(made(['a'] * 5), fractions)

@pytest.mark.parametrize('k', [1, 0, 2.5, 'x'])
def test_folds_that_make_no_sense(k):
    with pytest.raises(BadInput, match='whole number from 2'): folds_by_patient(made(['a']*5), k)

def test_too_few_patients_are_named():
    with pytest.raises(BadInput, match="set: class b has 1 patient, too few for 3 parts"):
        split_by_patient(made([['a']] * 5 + [['b']]))
    with pytest.raises(BadInput, match='class b has 2 patients, too few for 5 parts'):
        folds_by_patient(made([['a']] * 9 + [['b']] * 2), 5)
    with pytest.raises(BadInput, match='several classes'): split_by_patient(made(['ab', 'bc', 'ac']), (.5, 0, .5))

# Leaks -----------------------------------------------------------------------------------------------------

def test_a_leak_names_rows_and_survives_subsets():
    s = split_by_patient(made([['a', 'b']]*6))
    bad = s.with_split(['test' if i == 4 else 'train' if i == 5 else v for i, v in enumerate(s.table.split)])
    with pytest.raises(
        LeakageError, match=r'patient p2 is in (train|test) \(2-0.png, row 6\), in (train|test) \(2-1.png, row 7\)'
    ) as e:
        check_leaks(bad)
    assert [p.row for p in e.value.problems] == [7] and issubclass(LeakageError, BadInput)
    with pytest.raises(LeakageError, match='row 6'): check_leaks(bad.subset(bad.table.patient == 'p2'))

def test_identical_pixels_on_two_sides():
    from dataclasses import replace
    s = split_by_patient(made([['a', 'b']]*6))
    i, j = (s.table.split == 'train').argmax(), (s.table.split == 'test').argmax()
    s = replace(s, digests=np.array(['same' if k in (i, j) else str(k) for k in range(len(s))], dtype=object))
    with pytest.raises(LeakageError, match='exactly the pixels'): check_leaks(s)

def test_no_split_no_check():
    m = made([['a', 'b']]*6)
    for f in (check_leaks, split_hash):
        with pytest.raises(BadInput, match='there is no split yet'): f(m)

def test_split_by_image_leaks_and_says_so():
    m = made([['a']*6 + ['b']*4]*10)
    s = split_by_image(m)
    assert s.notes == [LEAKY] and m.notes == [] and shared_patients(s) > .9
    assert s.counts().images.unstack().to_numpy().tolist() == [[36, 12, 12], [24, 8, 8]]
    with pytest.raises(LeakageError): check_leaks(s)

# A split that the table brings ------------------------------------------------------------------------------

def given_split(*names):
    return made([['a', 'b']] * 12).with_split(np.repeat([names[p % len(names)] for p in range(12)], 2))

def test_given_split_is_kept():
    m = given_split('train', 'train', 'valid', 'test')
    assert split_by_patient(m) is m
    assert split_hash(split_by_patient(m, keep=False)) != split_hash(m)

def test_valid_is_taken_from_train_only():
    m = given_split('train', 'train', 'test')
    s = split_by_patient(m)
    assert s.splits == ['train', 'valid', 'test'] and ((s.table.split == 'test') == (m.table.split == 'test')).all()
    assert split_by_patient(m, (.8, 0, .2)) is m

def test_given_split_without_test():
    with pytest.raises(BadInput, match='names only train and valid; name train and test'):
        split_by_patient(given_split('train', 'valid'))
    with pytest.raises(LeakageError): split_by_patient(made([['a', 'b']]*6).with_split(['train', 'test']*6))

# Small things -----------------------------------------------------------------------------------------------

def test_shuffled_is_the_same_everywhere():
    "Written down once, so that a change of the order is noticed: it would change every published split"
    assert shuffled(['a', 'b', 'c', 'd', 'e'], 0) == ['d', 'c', 'e', 'a', 'b'] and shuffled(['病人', 'é', '007'], 3)

def test_many_patients_are_quick():
    import time
    m, start = made([['abcd'[p % 4]]*2 for p in range(1500)]), time.process_time()
    assert split_by_patient(m).counts().images.unstack().to_numpy().tolist() == [[450, 150, 150]]*4
    assert time.process_time() - start < 8

def test_plot():
    import matplotlib
    matplotlib.use('Agg')
    fig = plot_split(split_by_patient(made([['a', 'b']]*6)), 'title')
    assert len(fig.axes) == 2

def test_real_lung_signs_in_three_folds(realdata):
    m = Manifest.open(
        realdata / 'lung_signs', classes=['a_lines', 'b_lines', 'effusion', 'consolidation'], drop_other=True
    )
    for f in folds_by_patient(m, 3):
        check_leaks(f)
        assert f.counts().patients.unstack().test.tolist() in ([4, 3, 3, 7], [5, 3, 3, 8], [4, 3, 3, 8], [5, 3, 3, 7])
