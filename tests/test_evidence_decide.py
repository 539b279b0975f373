"Verdicts: what an interval may say of a limit, and that no two places of the project say different things"
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from usbook.core.errors import BadInput
from usbook.core.interval import Interval
from usbook.evidence.compare import equivalence
from usbook.evidence.metrics import evaluate
from usbook.evidence.resample import Support, interval_from, wilson
from usbook.evidence.decide import VERDICTS, by_luck, decide, holm, sign, together, under_holm, widened
from usbook.predictions.predictions import Predictions
from usbook.studies.formula import Condition
from usbook.studies.study import Claim, Verdict

numbers = st.floats(-1, 1).map(lambda x: round(x, 2))  # coarse, so that ends often touch the limit
intervals = st.tuples(numbers, numbers, numbers).map(sorted).map(lambda o: Interval(o[1], o[0], o[2]))


def decided(i, rule, limit): return Claim('a', '', '', '', (Condition('d', rule, limit),)).decide(dict(d=i)).verdict


def test_a_bound_that_touches_the_limit_denies_nothing():
    assert decided((-.111, -.333, 0.), 'above', 0.) == 'inconclusive'
    assert decide((-.1, -.3, 0.), 'above').verdict == decide((.1, 0., .3), 'above').verdict == 'inconclusive'
    assert decide((0., 0., 0.), 'above').verdict == 'inconclusive'
    assert decide((.07, .05, .1), 'within', .05).verdict == 'inconclusive'


@pytest.mark.parametrize('i,rule,limit,verdict', [
    ((.06, .02, .10), 'above', 0, 'supported'), ((-.06, -.10, -.02), 'above', 0, 'not supported'),
    ((-.06, -.10, -.02), 'below', 0, 'supported'), ((.06, .02, .10), 'below', 0, 'not supported'),
    ((.06, -.02, .10), 'below', 0, 'inconclusive'), ((.01, -.02, .04), 'within', .05, 'supported'),
    ((.12, .06, .18), 'within', .05, 'not supported'), ((.01, -.08, .04), 'within', .05, 'inconclusive'),
    ((13., 12.8, np.inf), 'above', 5, 'supported'), (None, 'above', 0, 'not tested')])
def test_decide_by_hand(i, rule, limit, verdict): assert decide(i, rule, limit).verdict == verdict


def test_without_support_there_is_no_verdict_and_the_note_is_the_reason():
    one = decide(Interval(1., note='no interval: it rests on 1 of the patients', patients=1), 'above', .2)
    assert (one.verdict, one.reason, one.patients) == ('inconclusive', 'no interval: it rests on 1 of the patients', 1)
    none = decide(Interval(note='there is no lesion'), 'above', 0)
    assert (none.verdict, none.reason) == ('not tested', 'there is no lesion')
    assert decide((float('nan'), None, None), 'above').verdict == 'not tested'


def test_what_cannot_be_decided_is_refused():
    for bad in (dict(rule='over', limit=0), dict(rule='within', limit=0), dict(rule='within', limit=-.1)):
        with pytest.raises(BadInput): decide((.1, 0., .2), **bad)
    with pytest.raises(BadInput, match='lower end lies above'): decide((.1, .2, 0.), 'above')


@settings(deadline=None)
@given(intervals, st.sampled_from([.05, .1, .25, 1.]))
def test_the_words_of_a_comparison_and_the_verdicts_on_claims_agree(i, margin):
    above, below = (decided(i, o, 0.) for o in ('above', 'below'))
    assert (sign(i) == 1) == (above == 'supported') == (below == 'not supported')
    assert (sign(i) == -1) == (below == 'supported') == (above == 'not supported')
    assert (sign(i) == 0) == (above == 'inconclusive') == (below == 'inconclusive')
    back = Interval(-i.value, -i.high, -i.low)
    assert sign(back) == -sign(i)
    said = equivalence(i, margin)['verdict']
    assert decided(i, 'within', margin) == {'equivalent': 'supported', 'different': 'not supported'}.get(said, said)


@settings(deadline=None)
@given(intervals, numbers)
def test_a_decided_verdict_keeps_a_distance(i, limit):
    verdict = decide(i, 'above', limit).verdict
    assert verdict in VERDICTS
    if verdict != 'inconclusive': assert not i.low <= limit <= i.high


@settings(max_examples=10, deadline=None)  # statsmodels takes its time
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_against_statsmodels(p):
    assert np.allclose(holm(p), multipletests(p, method='holm')[1])
    k, order, top, own = len(p), sorted(range(len(p)), key=lambda i: p[i]), 0., [0.]*len(p)
    for rank, i in enumerate(order): own[i] = top = max(top, min(1, p[i]*(k - rank)))
    assert np.allclose(holm(p), own)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(-.5, .5), st.floats(.01, .3)), min_size=1, max_size=6))
def test_verdicts_under_holm_are_those_of_holms_p(found):
    claims = {str(k): [(Interval(v, v - h, v + h), 'above', 0.)] for k, (v, h) in enumerate(found)}
    out = under_holm(claims)
    adjusted = holm([o.p for o in out.values()])
    for o, p, (v, h) in zip(out.values(), adjusted, found):
        if abs(p - .05) > 1e-6: assert (o.holm != 'inconclusive') == (p < .05)
        assert o.plain == decide((v, v - h, v + h), 'above').verdict
        assert o.holm in (o.plain, 'inconclusive')
        if abs(o.p - .05) > 1e-6: assert (o.p < .05) == (o.plain != 'inconclusive')


def test_widened_moves_the_ends_as_far_as_the_level_asks():
    i = Interval(.2, .2 - 1.959964*.1, .2 + 1.959964*.1)
    assert np.allclose(tuple(widened(i)(.01)), (.2, .2 - 2.575829*.1, .2 + 2.575829*.1))
    p = widened(Interval(.99, .9, .999, scale='share'))(1e-6)
    assert 0 < p.low < .9 and .999 < p.high < 1


def test_many_claims():
    assert together([]) == 'not tested' and together(['supported', 'not tested']) == 'not tested'
    assert by_luck(18)['expected'] == pytest.approx(.45) and 'on average' in by_luck(18)['sentence']
    claim = Claim('a', '', '', '', (Condition('x', 'above', 0.), Condition('y', 'within', .1)))
    assert claim.decide(dict(x=(.2, .1, .3), y=(0., -.05, .05))).verdict == 'supported'
    assert claim.decide(dict(x=(.2, .1, .3), y=(0., -.05, .1))).verdict == 'inconclusive'


def test_few_patients_widen_by_students_t_and_on_their_own_scale():
    "Holm's intervals were moved by the normal distribution, too little where few patients make the interval"
    from scipy import special, stats
    made = interval_from(.9, .4, Support(5, 5, 5, 100))
    i = widened(made)(.05/18)
    reach = stats.t.ppf(1 - .05/36, 4)*.4
    assert (i.low, i.high) == pytest.approx([special.expit(special.logit(.9) + s*reach) for s in (-1, 1)])
    perfect = widened(interval_from(1., 0., Support(30, 30, 0, 300)))(.01)
    assert (perfect.low, perfect.high) == pytest.approx(tuple(wilson(30, 30, .01))[1:])
    assert 'df' not in made.as_dict() and 'scale' not in made.as_dict()


def test_the_tests_of_several_studies_are_counted_together():
    "One study's clear verdicts may not be clear among all of them; `reproduce all` shows both"
    from types import SimpleNamespace as Out

    from usbook.runs.report import count_together
    def verdict(c, low, high):
        return Verdict(c, '', 'supported', '', tested=((Interval((low + high)/2, low, high, df=20.), 'above', 0.),))
    alone = Verdict('c', '', 'not tested', '')
    outs = [Out(study=Out(id=s), verdicts=[verdict('a', .02, .3), verdict('b', .1, .2), alone]) for s in 'xyz']
    found = count_together(outs)
    assert found['luck'] == by_luck(6) and {(o['id'], o['holm']) for o in found['claims']} == {
        ('a', 'inconclusive'), ('b', 'supported')}
    assert {c['holm'] for c in count_together(outs[:1])['claims']} == {'supported'}

def test_every_interval_holds_its_own_value():
    "Average precision of few images once lay above its own interval: .983 (… to .981)"
    rng, seen = np.random.default_rng(0), 0
    for _ in range(20):
        patients, k, names = int(rng.integers(5, 9)), 12, list('abcdef')
        n = patients * k
        target = np.tile(np.arange(6), n // 6)
        p = rng.dirichlet(np.ones(6), n)
        p[np.arange(n), target] += rng.uniform(.2, 1, n)
        table = pd.DataFrame(p / p.sum(1, keepdims=True), columns=[f'p_{c}' for c in names]).assign(
            image=[f'{i}.png' for i in range(n)], patient=np.repeat(np.arange(patients), k).astype(str),
            target=[names[i] for i in target])
        e = evaluate(Predictions(table, names))
        for i in (*e.overall.values(), *(i for c in e.per_class.values() for i in c.values())):
            if not isinstance(i, Interval) or i.low is None: continue
            seen += 1
            assert i.low <= i.value + 1e-12 and i.value - 1e-12 <= i.high, i
    assert seen > 500


def test_wilsons_interval_at_another_level_is_wilsons():
    "The ends were moved in proportion, and a bound would have moved at the end of the scale"
    for k in (0, 3, 18, 20):
        for alpha in (.01, .05 / 18, .2):
            got, want = widened(wilson(k, 20))(alpha), wilson(k, 20, alpha)
            assert tuple(got) == pytest.approx(tuple(want), abs=1e-9)
    bound = Interval(.995, .95, 1., 'Wilson with 30 patients as the effective number of images')
    assert widened(bound)(.01).low < .95 and widened(bound)(.01).high == 1
