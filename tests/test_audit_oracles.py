"The audit against brute force, other packages, and whatever people may type"
import json
import math
import os
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn import metrics as sk
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportions_ztest

from usbook.evidence.audit import bounds, findings, reading, search
from usbook.evidence.audit import printed as pr
from usbook.core.errors import BadInput
from usbook.studies.study import STUDIES

quick = settings(max_examples=40, deadline=None)

# A rounded figure ------------------------------------------------------------------------------------------

def reached(num, den, decimals):
    "All figures that an honest author could print for num/den: (once, twice)"
    unit, finer = Decimal(1).scaleb(-decimals), Decimal(1).scaleb(-decimals - 1)
    x = Decimal(num)/Decimal(den)
    once = {x.quantize(unit, m) for m in (ROUND_HALF_UP, ROUND_HALF_EVEN)}
    twice = {x.quantize(finer, m).quantize(unit, n) for m, n in product((ROUND_HALF_UP, ROUND_HALF_EVEN), repeat=2)}
    return once, twice

@quick
@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.integers(1, 4),
    st.integers(-2, 2),
)
def test_rounding_once_and_twice(kn, decimals, off):
    k, n = kn
    once, twice = reached(k, n, decimals)
    printed = next(iter(once)) + off*Decimal(1).scaleb(-decimals)
    if printed < 0: return
    level = pr.LEVELS[pr.rounded(f'{printed:.{decimals}f}').level(k, n)]
    if printed in once: assert level == 'once'
    elif printed in twice: assert level in ('once', 'twice')
    elif abs(Decimal(k)/Decimal(n) - printed) > Decimal('1.5000001')*Decimal(1).scaleb(-decimals): assert level == 'no'

def test_zeros_are_digits():
    assert (
        pr.rounded('90.70 %').decimals == 4 and pr.rounded('.9070').decimals == 4 and pr.rounded('90.7 %').decimals == 3
    )
    assert pr.rounded('1').decimals == 0 and pr.rounded('100 %').decimals == 2

def test_huge_counts_do_not_overflow():
    n = np.array([10**9]); r = pr.rounded('0.9070000001')
    assert r.level(np.array([907_000_000]), n)[0] == 2 and pr.rounded('0.907').level(np.array([907_000_000]), n)[0] == 0

@quick
@given(st.integers(0, 1000), st.integers(1, 60))
def test_allowed_n(scaled, most):
    printed = f'{scaled/1000:.3f}'
    unit = Fraction(1, 2000)
    want = [
        n for n in range(1, most + 1) if any(abs(Fraction(k, n) - Fraction(scaled, 1000)) <= unit for k in range(n + 1))
    ]
    assert list(pr.allowed_n(printed, most)) == want
    assert want == [n for n in range(1, most + 1) if pr.counts_at(printed, n, 0)]

# The search ------------------------------------------------------------------------------------------------

def brute_two(figures, max_n, twice, slips):
    "Every 2 x 2 matrix, tried one after the other"
    out = set()
    for n1, n0 in product(range(1, max_n), repeat=2):
        if n1 + n0 > max_n: continue
        if any(f == 'n' and int(v) != {'P': n1, 'N': n0, '': n1 + n0}[c] for (f, c), v in figures.items()): continue
        for tp, tn in product(range(n1 + 1), range(n0 + 1)):
            fn, fp, right = n1 - tp, n0 - tn, tp + tn
            form = {
                ('recall', 'P'): (tp, n1),
                ('recall', 'N'): (tn, n0),
                ('precision', 'P'): (tp, tp + fp),
                ('precision', 'N'): (tn, tn + fn),
                ('f1', 'P'): (2 * tp, 2 * tp + fp + fn),
                ('accuracy', ''): (right, n1 + n0),
                ('specificity', 'P'): (tn, n0),
                ('npv', 'P'): (tn, tn + fn),
            }
            need = 0
            for key, v in figures.items():
                if key[0] == 'n': continue
                num, den = form[key]
                d = len(v.split('.')[1])
                off = abs(Fraction(num, den) - Fraction(v))*10**d if den else 9
                if off > Fraction(3, 2): need = 99
                elif off > (Fraction(11, 20) if twice else Fraction(1, 2)): need += 1
            if need <= slips: out.add((n1, n0, tp, tn))
    return out

KEYS = [
    ('recall', 'P'),
    ('recall', 'N'),
    ('precision', 'P'),
    ('precision', 'N'),
    ('f1', 'P'),
    ('accuracy', ''),
    ('specificity', 'P'),
    ('npv', 'P'),
]

@settings(max_examples=15, deadline=None)
@given(st.data())
def test_two_classes_against_all_matrices(data):
    n1, n0 = data.draw(st.integers(2, 9)), data.draw(st.integers(2, 9))
    tp, tn = data.draw(st.integers(1, n1)), data.draw(st.integers(1, n0))
    fn, fp = n1 - tp, n0 - tn
    truth = dict(
        zip(
            KEYS,
            (
                tp / n1,
                tn / n0,
                tp / (tp + fp),
                tn / (tn + fn),
                2 * tp / (2 * tp + fp + fn),
                (tp + tn) / (n1 + n0),
                tn / n0,
                tn / (tn + fn),
            ),
        )
    )
    chosen = data.draw(st.lists(st.sampled_from(KEYS), min_size=2, max_size=4, unique=True))
    digits = data.draw(st.integers(1, 3))
    figures = {k: f'{truth[k]:.{digits}f}' for k in chosen}
    sizes = {('n', 'P'): str(n1), ('n', 'N'): str(n0), ('n', ''): str(n1 + n0)}
    figures |= {k: sizes[k] for k in data.draw(st.lists(st.sampled_from(sorted(sizes)), max_size=2, unique=True))}
    twice, slips = data.draw(st.booleans()), data.draw(st.integers(0, 2))
    got = search.find_margins(figures, ('P', 'N'), 18, twice, slips)
    assert {(m.n[0], m.n[1], m.tp[0], m.tp[1]) for m in got} == brute_two(figures, 18, twice, slips)
    assert (n1, n0, tp, tn) in {(m.n[0], m.n[1], m.tp[0], m.tp[1]) for m in got}

@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=3, max_size=3),
    st.booleans(),
    st.integers(0, 1),
)
def test_three_classes_against_all_margins(cm, twice, slips):
    cm = np.array(cm) + 2*np.eye(3, dtype=int)
    n, tp, pred = cm.sum(1), np.diag(cm), cm.sum(0)
    names, most, d = ('a', 'b', 'c'), int(cm.sum()) + 3, 2
    figures = {('recall', c): f'{t / x:.{d}f}' for c, t, x in zip(names, tp, n)} | {
        ('precision', c): f'{t / x:.{d}f}' for c, t, x in zip(names, tp, pred)
    }
    figures['accuracy', ''] = f'{tp.sum()/n.sum():.{d}f}'
    def cost(num, den, v):
        off = abs(Fraction(int(num), int(den)) - Fraction(v))*10**d
        return 9 if off > Fraction(3, 2) else int(off > (Fraction(11, 20) if twice else Fraction(1, 2)))
    def options(c): # n, tp, pred, cost: the two figures of a class depend on nothing else
        r = [(x, t, cost(t, x, figures['recall', c])) for x in range(1, most) for t in range(x + 1)]
        p = [(x, t, cost(t, x, figures['precision', c])) for x in range(1, most) for t in range(x + 1)]
        return [(x, t, y, a + b) for x, t, a in r if a <= slips for y, s, b in p if s == t and a + b <= slips]
    want = set()
    third = {}
    for o in options('c'): third.setdefault(o[0] - o[2], []).append(o)
    for a, b in product(options('a'), options('b')):
        for c in third.get(a[2] + b[2] - a[0] - b[0], ()):
            N = a[0] + b[0] + c[0]
            if N > most or a[3] + b[3] + c[3] > slips: continue
            if a[3] + b[3] + c[3] + cost(a[1] + b[1] + c[1], N, figures['accuracy', '']) <= slips:
                want.add(tuple(zip(a[:3], b[:3], c[:3])))
    try: got = search.find_margins(figures, names, most, twice, slips)
    except search.TooLoose: return
    assert {(m.n, m.tp, m.pred) for m in got} == want
    assert (tuple(map(int, n)), tuple(map(int, tp)), tuple(map(int, pred))) in want

def test_a_slip_is_not_two():
    figures = {
        ('n', 'P'): '100',
        ('n', 'N'): '100',
        ('recall', 'P'): '.91',
        ('specificity', 'P'): '.81',
        ('precision', 'P'): '.82',
    }
    one = search.find_margins(figures, ('P', 'N'), slips=1)
    assert all(sum(v == 'slip' for v in m.levels.values()) <= 1 for m in one) and one

def test_search_asks_for_more_when_the_figures_say_nothing():
    with pytest.raises(search.TooLoose, match='class sizes'):
        search.find_margins({('recall', 'P'): '.9', ('specificity', 'P'): '.9'}, ('P', 'N'), 5000)
    with pytest.raises(BadInput, match='none of the classes'): search.find_margins({('recall', 'X'): '.9'}, ('P', 'N'))
    with pytest.raises(BadInput, match="can't be used"): search.find_margins({('auc', ''): '.9'}, ('P', 'N'))
    with pytest.raises(BadInput, match='both needed'): search.find_margins({('recall', 'a'): '.9'}, ('a', 'b', 'c'))

# What a matrix implies -------------------------------------------------------------------------------------

matrices = st.integers(2, 4).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 5), min_size=k, max_size=k), min_size=k, max_size=k)
)

def margins_of(cm):
    cm = np.asarray(cm)
    return search.Margins(tuple('abcdef'[:len(cm)]), *(tuple(map(int, x)) for x in (cm.sum(1), np.diag(cm), cm.sum(0))))

@quick
@given(matrices)
def test_overall_figures_are_scikit_learns(cm):
    cm = np.array(cm) + np.eye(len(cm), dtype=int)
    y, p = (np.repeat(i.ravel(), cm.ravel()) for i in np.indices(cm.shape))
    got = search.overall(margins_of(cm))
    close = lambda a, b: abs(float(a) - b) < 1e-12
    for name, f in (('precision', sk.precision_score), ('recall', sk.recall_score), ('f1', sk.f1_score)):
        for average in ('macro', 'weighted', 'micro'): assert close(got[name][average], f(y, p, average=average))
    assert close(got['accuracy'][''], sk.accuracy_score(y, p)) and close(
        got['balanced_accuracy'][''], sk.balanced_accuracy_score(y, p)
    )
    assert close(got['mcc'].get('', 0), sk.matthews_corrcoef(y, p))
    if got['kappa']: assert close(got['kappa'][''], sk.cohen_kappa_score(y, p))

@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 3).flatmap(
        lambda k: st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=k, max_size=k)
    )
)
def test_fillings_and_cell_bounds_against_all_matrices(cm):
    cm, k = np.array(cm), len(cm)
    m = margins_of(cm)
    off = [(i, j) for i in range(k) for j in range(k) if i != j]
    tops = [range(min(m.n[i] - m.tp[i], m.pred[j] - m.tp[j]) + 1) for i, j in off]
    every = []
    for values in product(*tops):
        x = np.diag(m.tp).copy()
        for c, v in zip(off, values): x[c] = v
        if tuple(x.sum(1)) == m.n and tuple(x.sum(0)) == m.pred: every.append(x)
    low, high, one = search.cell_bounds(m)
    assert search.count_fillings(m) == len(every) and any((one == x).all() for x in every)
    assert (low == np.min(every, axis=0)).all() and (high == np.max(every, axis=0)).all()

def test_lung_matrix():
    "The example and what is forced"
    m = search.Margins(('A', 'B', 'E', 'C'), (260, 261, 261, 261), (235, 227, 246, 238), (241, 260, 288, 254))
    assert search.count_fillings(m) == 65226 and search.cell_bounds(m)[0][1, 2] == 12

# ROC -------------------------------------------------------------------------------------------------------

@quick
@given(st.floats(.02, .98), st.floats(.02, .98), st.integers(0, 10**6))
def test_curves_through_the_point_stay_within_the_bounds(se, sp, seed):
    rng, b, f = np.random.default_rng(seed), bounds.auc_bounds(se, sp), 1 - sp
    left, right = np.sort(rng.random((2, 5)), axis=1), np.sort(rng.random((2, 5)), axis=1)
    x = np.concatenate([[0], left[0]*f, [f], f + right[0]*sp, [1]])
    y = np.concatenate([[0], left[1]*se, [se], se + right[1]*(1 - se), [1]])
    area = np.trapezoid(y, x)
    assert b['monotone'][0] - 1e-12 <= area <= b['monotone'][1] + 1e-12
    if se + sp < 1: assert b['concave'] is None; return
    low, high = b['concave']
    assert (
        b['monotone'][0] <= low + 1e-12
        and low <= high + 1e-12
        and high <= b['monotone'][1] + 1e-12
        and low - 1e-12 <= b['binormal'] <= high + 1e-12
    )
    slopes = np.linspace((1 - se)/sp, se/f, 2001)[1:-1]  # every straight line through the point, cut off at 0 and 1
    areas = [1 - (s*f + 1 - se)**2/(2*s) if s > 0 else 0 for s in slopes]
    assert max(areas) <= high + 1e-9 and high - max(areas) < 1e-2

@quick
@given(st.floats(.55, .99), st.floats(.5, .99))
def test_prevalence_bounds_are_tight(auc, accuracy):
    for shape in ('monotone', 'concave'):
        b = bounds.prevalence_bounds(accuracy, auc, shape)
        def best(p): # the corners of what the curve allows, searched over a grid of points
            se = np.linspace(0, 1, 401)
            sp = np.minimum(1, 2*auc - se) if shape == 'concave' else np.minimum(1, auc/np.maximum(se, 1e-12))
            return float(np.max(p*se + (1 - p)*sp))
        if b is None: assert best(.5) >= accuracy - 1e-9
        else:
            assert (
                abs(b[0] + b[1] - 1) < 1e-12
                and abs(best(b[1]) - accuracy) < 1e-6
                and best((0.5 + b[1]) / 2) <= accuracy + 1e-9
            )

def test_binormal_best_against_a_grid():
    for auc, p in ((.99, .5), (.89, .3), (.7, .9)):
        d, t = math.sqrt(2)*norm.ppf(auc), np.linspace(-9, 9, 200_001)
        assert abs(bounds.binormal_best(auc, p) - np.max(p*norm.sf(t - d) + (1 - p)*norm.cdf(t))) < 1e-8

# Comparisons -----------------------------------------------------------------------------------------------

@quick
@given(st.integers(2, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))))
def test_mcnemar_bounds_against_every_table(nkk):
    n, k, l = nkk
    d, p = abs(k - l), []
    for b in range(n + 1):
        if b <= min(k, l) and max(k, l) + b <= n:
            p.append(mcnemar([[0, b], [b + d, 0]], exact=True).pvalue if b + d else 1.0)
    got = bounds.mcnemar_bounds(k, l, n, .05)
    assert np.isclose(got['low'], min(p)) and np.isclose(got['high'], max(p)) and got['most'] == len(p) - 1
    assert got['largest_below'] == max((b for b, x in enumerate(p) if x < .05), default=None)

def test_unpaired_against_statsmodels():
    for k, l, n in ((1100, 1020, 1423), (7, 3, 20), (1, 9, 9)):
        z, p = proportions_ztest([k, l], [n, n])
        assert np.allclose(bounds.unpaired(k, n, l, n)[1:], (z, p), rtol=1e-10)

def test_smallest_n_of_an_unpaired_test():
    def p(n): return bounds.unpaired(.842*n, n, .918*n, n)[2]
    assert p(140) >= .05 > p(141) and bounds.min_n_unpaired('84.2 %', '91.8 %')[0] == 141
    assert bounds.icc_limit(1020, 1020, 1423, 29) is None

# Whole papers ----------------------------------------------------------------------------------------------

def test_all_five_studies_are_plain_and_the_same_twice():
    for s in STUDIES:
        one, two = findings.audit(STUDIES[s]), findings.audit(STUDIES[s])
        assert one == two and one and {f.kind for f in one} <= set(findings.KINDS)
        assert len({f.key for f in one}) == len(one)
        json.dumps([f.as_dict() for f in one], allow_nan=False)
        assert all('%' in f.text or not f.kind == 'interval' or 'false positives' in f.text for f in one)

def toml_of(study):
    "The study's numbers as a person would type them"
    parts = {}
    for p in study.published:
        where = f'class.{p.label}' if p.label else f'arm.{p.arm}' if p.arm else 'overall'
        parts.setdefault(where, []).append(f'{json.dumps(p.name)} = {json.dumps(p.printed)}')
    return '\n'.join(f'[{w}]\n' + '\n'.join(rows) for w, rows in parts.items())

@pytest.mark.parametrize('study', STUDIES)
def test_a_file_says_the_same_as_the_study(study, tmp_path):
    f = tmp_path/'numbers.toml'
    f.write_text(toml_of(STUDIES[study]), encoding='utf-8')
    keys = lambda x: {o.key for o in findings.audit(x)}
    assert keys(f) == keys(STUDIES[study])

names = st.sampled_from(
    [
        *reading.COUNTS,
        'accuracy',
        'auc',
        'balanced_accuracy',
        'kappa',
        'mcc',
        'youden',
        'top2_accuracy',
        *search.CLASS_METRICS,
        *pr.SYNONYMS,
        'p_at_0.1',
        'sensitivity_at_0.1',
        'nonsense',
    ]
)
raw = st.one_of(
    st.integers(-5, 2000),
    st.floats(allow_nan=False),
    st.booleans(),
    st.sampled_from(['.9', '90.0 %', '100 %', '0', '< .001', '1.2', '', 'x', 'nan']),
    st.text(max_size=4),
)

@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(['overall', 'class.a', 'class.b', 'arm.x', 'arm.y']),
        st.dictionaries(names, raw, max_size=4),
        max_size=4,
    )
)
def test_any_figures_give_findings_or_one_sentence(tmp_path_factory, tables):
    f = tmp_path_factory.mktemp('toml')/'n.toml'
    f.write_text(
        'max_n = 300\n'
        + '\n'.join(
            f'[{t}]\n' + '\n'.join(f'{json.dumps(k)} = {json.dumps(v)}' for k, v in rows.items())
            for t, rows in tables.items()
        ),
        encoding='utf-8',
    )
    try: found = findings.audit(f)
    except BadInput as e: assert '\n' not in str(e); return
    json.dumps([o.as_dict() for o in found], allow_nan=False)

@quick
@given(st.binary(max_size=60))
def test_any_bytes(tmp_path_factory, content):
    f = tmp_path_factory.mktemp('toml')/'n.toml'
    f.write_bytes(content)
    try: findings.audit(f)
    except BadInput: pass

@pytest.mark.parametrize('text, says', [('[overall]\naccuracy = "97.51"', 'per cents'), ('[overall]\naccuracy = 97.51',
    'per cents'), ('[class.a]\nrecall = ".9"', 'only one class'),
    ('[overall]\nacc = ".9"', 'unknown name'), ('max_n = "many"\n[overall]\nauc = ".9"', 'whole number'), (
        '[class]\nrecall = ".9"', 'stand under'), ('[things]\na = 1', 'unknown entry'),
    ('[overall]\nn = "3.5"', 'not a count'), ('[overall]\nauc = [1]', 'no number'), ('', 'no numbers'), ('[overall',
        'TOML')])
def test_slips_are_named(tmp_path, text, says):
    f = tmp_path/'numbers.toml'
    f.write_text(text)
    with pytest.raises(BadInput, match=says): findings.audit(f)

def test_a_number_without_quotes_keeps_its_last_zero():
    "0.90 was refused with the suggestion to write 0.900"
    assert reading.numbers_in('[overall]\naccuracy = 0.90').published[0].printed == '0.90'

@pytest.mark.parametrize('text', [f'[overall]\nn = {"9"*4400}', f'[overall]\nn = 0x{"f"*4400}', f'max_n = 0x{"f"*4400}',
    '[overall]\nauc = "1e-400"', '[overall]\nauc = 1e-400',
    'a = ' + '['*20000, 'a = ' + '{b='*20000, f'[overall]\nauc = "0.{"9"*5000}"', '[overall]\nauc = "1e999999999"',
        f'[class.{"a"*5000}]\nrecall = ".9"'])
def test_what_no_paper_prints_is_one_sentence(tmp_path, text):
    "Whole numbers of 4300 digits, 1e-400 and deep TOML ended in a traceback"
    f = tmp_path/'numbers.toml'
    f.write_text(text)
    with pytest.raises(BadInput) as e: findings.audit(f)
    assert '\n' not in str(e.value)

def test_a_file_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path/'pipe')
    (tmp_path/'large').write_bytes(b'#'*2_000_000)
    for name, says in (('pipe', 'not a file'), ('large', 'too large'), ('.', 'not a file'), ('a\0b', '.')):
        with pytest.raises(BadInput, match=says): findings.audit(f'{tmp_path}/{name}')

def test_no_such_file():
    with pytest.raises(BadInput, match='no such file'): findings.audit('lung_sings')
