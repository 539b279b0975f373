"Public sets all the way: the model set through the command line, real images in the shape in which they are published"
import csv, json, shutil
from dataclasses import replace

import numpy as np
import pandas as pd
from PIL import Image
from usbook.core.errors import BadInput
from usbook.data.sets import adapters, facts

def few(monkeypatch, name, **counts): monkeypatch.setitem(facts.OPEN, name, replace(facts.OPEN[name], counts=counts))

def test_lung_signs_on_covid_blues(usbook, tmp_path, monkeypatch):
    ("The whole way with a made-up set of its shape: two of the four signs are there, so claims about four are not "
     "tested")
    rng, top = np.random.default_rng(0), tmp_path/'cache'/'open'/'covid-blues'/'files'/'COVID-BLUES-main'
    (top/'lus_videos').mkdir(parents=True)
    rows = ['video_file,Severity Score,A-lines,B-lines,comments']
    for p in range(1, 17):
        for point in ('L1', 'R2'):
            (top/'lus_videos'/f'patient_{p}_{point}.mp4').write_bytes(b'')
            rows.append(f'patient_{p}_{point},1.0,{"yes,no" if p % 2 else "no,yes"},')
    (top/'severity.csv').write_text('\n'.join(rows))
    monkeypatch.setattr(
        adapters,
        'some_frames',
        lambda clip, n: [Image.fromarray(rng.integers(0, 255, (48, 48), dtype='uint8')) for _ in range(2)],
    )
    r = usbook('reproduce', 'lung_signs', '--data', 'open:covid-blues', '--modes', 'frozen', '--weights', 'random')
    assert r.returncode == 2 and 'has 32 clips where the covid-blues set has 362' in r.stderr
    few(monkeypatch, 'covid-blues', clips=32, patients=16)
    r = usbook(
        'reproduce', 'lung_signs', '--data', 'open:covid-blues', '--modes', 'frozen', '--weights', 'random', '--json'
    )
    assert r.returncode == 0, r.stderr
    got = json.loads(r.stdout)
    assert (
        {c['verdict'] for c in got['claims']} == {'not tested'}
        and got['data']['patients'] == 16
        and got['data']['source'] == 'public data set covid-blues'
    )
    assert any('CC BY-NC-ND' in w and 'Wiedemann' in w for w in got['warnings'])

def test_the_facts_of_the_model_set():
    s = facts.get_set('open:covid-blues')
    assert (
        s.counts == dict(clips=362, patients=63)
        and 'CC BY-NC-ND' in s.licence
        and set(s.labels) >= {'a_lines', 'b_lines'}
    )

# Real images ------------------------------------------------------------------------------------------------

def rows_of(folder): return pd.read_csv(folder/'manifest.csv', dtype=str).fillna('')

def test_real_head_ct(realdata, tmp_path, monkeypatch):
    src, t = realdata/'head_ct', rows_of(realdata/'head_ct')
    (tmp_path/'head_ct'/'head_ct').mkdir(parents=True)
    for i, f in enumerate(t.image): shutil.copy(src/f, tmp_path/'head_ct'/'head_ct'/f'{i:03}.png')
    (tmp_path / 'labels.csv').write_text(
        'id, hemorrhage\n' + ''.join(f'{i}, {int(y == "finding")}\n' for i, y in enumerate(t.label))
    )
    few(monkeypatch, 'head-ct', images=len(t), patients=len(t), **t.label.value_counts().to_dict())
    m = adapters.adapt('head-ct', tmp_path, same_patient=True)
    assert m.table.label.value_counts().to_dict() == t.label.value_counts().to_dict() and set(m.classes) == {
        'finding',
        'no_finding',
    }

def test_real_busi(realdata, tmp_path, monkeypatch):
    src, t = realdata/'breast', rows_of(realdata/'breast')
    for c, g in t.groupby('label'):
        (tmp_path/'Dataset_BUSI_with_GT'/c).mkdir(parents=True)
        for i, (f, mask) in enumerate(zip(g.image, g['mask']), 1):
            Image.open(src/f).save(tmp_path/'Dataset_BUSI_with_GT'/c/f'{c} ({i}).png')
            if mask: Image.open(src/mask).convert('L').save(tmp_path/'Dataset_BUSI_with_GT'/c/f'{c} ({i})_mask.png')
    few(monkeypatch, 'busi', images=len(t), **t.label.value_counts().to_dict())
    m = adapters.adapt('busi', tmp_path, image_level=True)
    assert len(m) <= len(t) and set(m.classes) == set(t.label) and m.table['mask'].str.len().min() > 0

def test_real_gallbladder(realdata, tmp_path, monkeypatch):
    src, t = realdata/'gallbladder', rows_of(realdata/'gallbladder')
    infant = pd.factorize(t.patient)[0]
    part = np.where(infant % 4 == 0, 'test_data', 'training_data')
    for where in ('training_data', 'test_data'):
        (tmp_path/'repo'/'data'/where).mkdir(parents=True)
        with open(tmp_path/'repo'/'data'/where/'label.csv', 'w', newline='') as f:
            out = csv.writer(f)
            for i in np.flatnonzero(part == where):
                name = f'{infant[i]}_{i}.jpg'
                shutil.copy(src/t.image[i], tmp_path/'repo'/'data'/where/name)
                out.writerow([name, int(t.label[i] != 'atresia')])
    few(monkeypatch, 'gallbladder', test=int((part == 'test_data').sum()))
    try: m = adapters.adapt('gallbladder', tmp_path)
    except BadInput as e:
        assert 'identical' in str(e) or 'same' in str(e), e   # copies of one image under two infants: seen, and named
        m = adapters.adapt('gallbladder', tmp_path, same_patient=True)
    assert m.splits == ['train', 'test'] and set(m.table.label) == {'atresia', 'no_atresia'}
