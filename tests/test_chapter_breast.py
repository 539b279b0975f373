"""The breast cine chapter: steps, choice and claims by hand; the run from clips to verdicts; the longer run as
committed."""
import json, re, shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from usbook.studies.breast_cine import (
    HIT,
    MACHINERY,
    PLANS,
    RATES,
    STEPS,
    STUDY,
    chance,
    choose,
    compare,
    dealt,
    differences,
    measure,
    read_long,
    sensitivities,
    short,
)
from usbook.evidence.froc import compare_froc, froc, toy_detections
from usbook.phantoms.samples import make_sample
from usbook.predictions.detections import Detections
from usbook.runs.record import Record
from usbook.studies.machinery import Arm, Trained, decide_claims

COMMITTED = Path(__file__).parents[1]/'nbs'/'records'/'breast_cine'


def arm(d, mode='finetuned', step='b: linked'):
    return Trained(
        Arm('a', mode, step[0]), d, d, {}, froc(d, RATES, n_boot=50, **HIT), measured=dict(step=step, table=None)
    )


def both(skill_a=1.0, skill_b=2.5, n=60):
    return [
        arm(toy_detections(n, skill=s, model=k), step=step)
        for k, (s, step) in enumerate(((skill_a, 'single frame'), (skill_b, 'b: linked')))
    ]


# By hand ---------------------------------------------------------------------------------------------------

def test_sensitivities_are_those_of_froc():
    d = toy_detections(30, skill=1.)
    f, s = froc(d, RATES, n_boot=10, **HIT), sensitivities(d)
    assert [s[f'{r:g}'] for r in RATES] == [f.sensitivity[r].value for r in RATES] and s['mean'] == pytest.approx(
        np.mean([s['0.1'], s['0.2'], s['0.5']])
    )
    assert s['jafroc'] == pytest.approx(f.jafroc.value)
    none = Detections(d.scans, d.lesions, d.detections.iloc[:0])
    assert sensitivities(none)['mean'] == 0


def test_the_choice_sees_validation_only_and_prefers_the_simpler():
    asked = []
    class Fake:
        def detections(self, step, split):
            asked.append(split)
            return toy_detections(20, skill=2.5 if step in ('b: linked', 'a + b', 'single frame') else .5)
    best, table = choose(Fake())
    assert best == 'b: linked' and set(asked) == {'valid'} and list(table.index) == list(STEPS)


def test_chance_is_below_a_detector_and_not_nothing():
    d = toy_detections(40, skill=2., fps=3.)
    moved = dealt(d, 3)
    assert (
        len(moved.detections) == len(d.detections)
        and (moved.detections.scan.to_numpy() != d.detections.scan.to_numpy()).all()
    )
    t = chance(d, 40)
    assert t.found['0.5'] == froc(d, RATES, n_boot=10, **HIT).sensitivity[.5].value
    assert (
        0 < t.chance['0.5'] < t.chance_95['0.5'] < t.found['0.5']
        and t.p['0.5'] == 1 / 41
        and chance(d, 3).equals(chance(d, 3))
    )
    blind = chance(dealt(d, 99), 40)
    assert blind.p['0.5'] > .05 and blind.found['0.5'] <= 2*t.chance_95['0.5']


def test_declared_measures_are_delivered_or_explained():
    a, b = both()
    found = measure({a.name: a, b.name: b})
    assert set(found.values) == {k.expression for c in STUDY.claims for k in c.conditions} and all(
        'test scans' in w for w in found.remarks.values()
    )
    stills = replace(
        a.test,
        scans=a.test.scans.assign(n_frames=1),
        lesions=a.test.lesions.assign(frame=0).drop_duplicates(['scan', 'lesion']),
        detections=a.test.detections.assign(frame=0),
    )
    found = measure({'x': arm(stills), 'y': arm(stills)})
    assert not found.values and 'no sequence' in found.remarks['a']
    assert decide_claims(STUDY, found)[0].verdict == 'not tested'


def test_verdicts_follow_the_interval():
    a, b = both(0., 4., 150)
    out = compare({a.name: a, b.name: b})
    assert out['title'].startswith('Single frame against sequence') and {
        c.id: c.decide(differences(out)).verdict for c in STUDY.claims[1:]
    } == dict(b='supported', c='supported')
    back = compare({b.name: b, a.name: a})
    assert STUDY.claims[2].decide(differences(back)).verdict == 'not supported'
    same = compare({'x': a, 'y': replace(a, arm=replace(a.arm, step='y'))})
    assert same['difference_at_0.1']['value'] == 0 and compare({'x': a}) is None


def test_small_tables_keep_the_figures():
    d = toy_detections(30, skill=2.)
    d = replace(
        d,
        detections=d.detections.assign(
            score=1 / (1 + np.exp(-d.detections.score)), track=[str(i // 2) for i in range(len(d.detections))]
        ),
    )
    s = short(d, least=.3)
    assert len(s.detections) < len(d.detections) and s.meta['least'] == .3
    assert froc(s, n_boot=10, **HIT).sensitivity[.1].value == froc(d, n_boot=10, **HIT).sensitivity[.1].value


def test_plans_go_from_small_to_full_size():
    full = PLANS['full'].recipe
    assert set(PLANS) == {'test', 'quick', 'workshop', 'full'} and (
        full.arch,
        full.channels,
        full.convs,
        full.levels,
    ) == ('resnet50', 256, 4, 5)
    assert (
        MACHINERY.study is STUDY
        and len({(p.recipe.epochs, p.recipe.lr) for p in (PLANS['quick'], PLANS['workshop'])}) == 1
    )


# The run ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    return make_sample(
        'breast_cine', tmp_path_factory.mktemp('breast') / 's', n=20, size=64, workers=1, progress=False
    ).parent


def test_from_clips_to_verdicts(usbook, clips):
    r = usbook('reproduce', 'breast_cine', '--data', clips, '--weights', 'random', '--json')
    assert r.returncode == 0, r.stderr
    out = json.loads(r.stdout[r.stdout.index('{'):])
    folder = Path(out['folder'])
    names = [f'resnet10t-{m}_{s}' for m in ('frozen', 'finetuned') for s in ('single', 'sequence')]
    assert list(out['runs']) == names and out['data']['unit'] == 'scan' and out['data']['images'] == 20
    for n in names:
        d = Detections.read(*(folder/f'detections-{n}'/f'{k}.csv' for k in ('detections', 'lesions', 'scans')))
        assert froc(d, RATES, n_boot=10, **HIT).sensitivity[0.5].value == pytest.approx(
            out['runs'][n]['sensitivity_at_0.5']['value']
        )
    assert [c['id'] for c in out['claims']] == ['a', 'b', 'c'] and all(
        'masses in' in c['reason'] for c in out['claims']
    )
    page = (folder/'report.html').read_text(encoding='utf-8')
    text = re.sub(r'<[^>]+>', '', page).replace('\xa0', ' ')
    for said in ('FROC curves', 'Single frame against sequence', '20 scans of', 'Operating points',
                 'single frame 76.6 %'):
        assert said in text, said
    assert not (folder/'predictions').exists()
    asked_about_other_clips(usbook, clips, folder, names[2])


def asked_about_other_clips(usbook, clips, run, arm):
    "The run's own test clips get the run's own marks; clips without boxes are marked too, and nothing is said of truth"
    def tables(folder): return Detections.read(*(folder/f'{k}.csv' for k in ('detections', 'lesions', 'scans')))
    r = usbook('predict', run, clips, '--arm', arm, '--out', 'all')
    assert r.returncode == 0 and 'usbook froc all' in r.stdout, r.stderr
    before, now = tables(run/f'detections-{arm}'), tables(Path('all'))
    mine = now.detections[now.detections.scan.isin(set(before.scans.scan))].reset_index(drop=True)
    assert len(now) == 20 and mine.equals(before.detections)
    assert now.meta['step'] == 'single frame' and now.meta['run'] == run.name
    assert 'is there already' in usbook('predict', run, clips, '--out', 'all').stderr
    few = Path('few')
    few.mkdir()
    for c in list(now.scans.scan[:2]):
        [f] = [f for f in clips.rglob('*') if f.stem == c and 'masks' not in f.parts]
        (shutil.copytree if f.is_dir() else shutil.copy)(f, few/f.name)
    r = usbook('predict', run, few, '--arm', arm, '--patients', '(.*)')
    assert r.returncode == 0 and 'The truth is not known' in r.stdout, r.stderr
    made = sorted(f.name for f in Path('detections-few').iterdir())
    assert made == ['detections.csv', 'detections.json', 'scans.csv']


def test_the_network_along_a_clip_is_kept_and_can_be_asked(usbook, clips, monkeypatch):
    "It is trained on top of a detector, so no fit holds it: the run does"
    from usbook.studies import breast_cine
    monkeypatch.setattr(breast_cine, 'choose', lambda s: ('c: temporal network', breast_cine.pd.DataFrame()))
    monkeypatch.setattr(breast_cine, 'train_temporal', some_network)
    r = usbook('reproduce', 'breast_cine', '--data', clips, '--weights', 'random', '--modes', 'frozen', '--json')
    assert r.returncode == 0, r.stderr
    run, arm = Path(json.loads(r.stdout[r.stdout.index('{'):])['folder']), 'resnet10t-frozen_sequence'
    r = usbook('predict', run, clips, '--out', 'all')
    assert r.returncode == 0 and arm in r.stderr, r.stderr
    before, now = (Detections.read(*(d/f'{k}.csv' for k in ('detections', 'lesions', 'scans')))
                   for d in (run/f'detections-{arm}', Path('all')))
    mine = now.detections[now.detections.scan.isin(set(before.scans.scan))].reset_index(drop=True)
    assert now.meta['step'] == 'c: temporal network' and len(mine) and mine.equals(before.detections)
    kept = run/f'{arm}-temporal.safetensors'
    kept.write_bytes(kept.read_bytes()[:-9])
    r = usbook('predict', run, clips, '--arm', arm, '--out', 'again')
    assert r.returncode == 2 and 'is damaged' in r.stderr and 'usbook rerun' in r.stderr and not Path('again').exists()
    kept.unlink()
    r = usbook('predict', run, clips, '--arm', arm, '--out', 'again')
    assert r.returncode == 2 and 'that one is not kept' in r.stderr


def some_network(fit, seed=0):
    "A network along clips that changes every score, learned from nothing"
    import torch
    from usbook.learn.detect import Temporal, TrackNet, linked
    torch.manual_seed(seed)
    net = TrackNet().eval()
    torch.nn.init.normal_(net.last.weight, 0, .3)
    return Temporal(net, linked(fit.marks['valid']).drop(columns=['own', 'start']), 9, 4, 1.)


def test_own_stills_have_no_sequence(usbook, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path/'own').mkdir()
    rows = ['image,patient,label,mask']
    for i in range(12):
        a, m = rng.normal(120, 20, (48, 64)), np.zeros((48, 64), 'uint8')
        if i % 3: m[10:30, 20:44], a[10:30, 20:44] = 255, 20
        Image.fromarray(np.uint8(a.clip(0, 255))).save(tmp_path/'own'/f'{i}.png')
        Image.fromarray(m).save(tmp_path/'own'/f'm{i}.png')
        rows.append(f"{i}.png,p{i},{'mass' if i % 3 else 'no_mass'},m{i}.png")
    (tmp_path/'own'/'manifest.csv').write_text('\n'.join(rows))
    r = usbook(
        'reproduce', 'breast_cine', '--data', tmp_path / 'own', '--modes', 'frozen', '--weights', 'random', '--json'
    )
    assert r.returncode == 0, r.stderr
    out = json.loads(r.stdout[r.stdout.index('{'):])
    assert (
        {c['verdict'] for c in out['claims']} == {'not tested'}
        and 'no sequence' in out['claims'][0]['reason']
        and any('stills' in w for w in out['warnings'])
    )


def test_bad_boxes_end_in_one_sentence(usbook, clips, tmp_path):
    import shutil
    shutil.copytree(clips, tmp_path/'bad', ignore=shutil.ignore_patterns('masks'))
    text = (tmp_path/'bad'/'lesions.csv').read_text().splitlines()
    text[1] = text[1].rsplit(',', 1)[0] + ',400'
    (tmp_path/'bad'/'lesions.csv').write_text('\n'.join(text))
    r = usbook('reproduce', 'breast_cine', '--data', tmp_path/'bad')
    assert r.returncode == 2 and 'lesions.csv, row 2: the box' in r.stderr and len(r.stderr.splitlines()) == 1


# The longer run --------------------------------------------------------------------------------------------

def test_the_committed_run_is_what_the_chapter_says():
    long, facts = read_long(COMMITTED), Record.read(COMMITTED/'run.json')
    assert (
        list(long)
        == list(facts.how['steps'])
        == [f'resnet10t-{m}_{s}' for m in ('frozen', 'finetuned') for s in ('single', 'sequence')]
    )
    first = next(iter(long.values()))
    assert all(d.scans.equals(first.scans) and d.lesions.equals(first.lesions) for d in long.values())
    plan = PLANS['workshop']
    data = facts.data['phantom']
    assert data['images'] == plan.phantom['n'] and facts.how['seed'] == 0 and 'simulated' in data['source']
    assert sum(f.stat().st_size for f in COMMITTED.rglob('*') if f.is_file()) < 3e6
    for n, d in long.items():
        t = chance(d, 40)
        assert (t.p == 1/41).all() and froc(d, RATES, n_boot=400, **HIT).sensitivity[.5].low > t.chance_95['0.5'], n
    def ahead(a, b): return differences(compare_froc(long[f'resnet10t-{a}'], long[f'resnet10t-{b}'], RATES, **HIT))
    *open_, at_half = ahead('frozen_single', 'finetuned_single').values()
    assert at_half.low > 0 and all(d.low is None or d.low < 0 < d.high for d in open_)
    for pair in (('frozen_sequence', 'finetuned_sequence'), ('frozen_single', 'frozen_sequence'),
                 ('finetuned_single', 'finetuned_sequence')):
        assert all(d.low > 0 for d in ahead(*pair).values()), pair
    for k, step in facts.how['steps'].items():
        if k.endswith('sequence'):
            means = {m.split('/')[1]: i.value for m, i in facts.metrics(k).items() if m.endswith('/mean')}
            assert means.pop('single frame') and max(means.values()) == means[step] and len(means) == 5
