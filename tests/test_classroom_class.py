("Thirty learners' files in one table: figures against other implementations, bad files in a sentence each, the board "
 "in a browser")
import json

import numpy as np
import pandas as pd
import pytest
from browser_tools import EVIL, expect
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from usbook.predictions.predictions import toy_predictions
from usbook.core.errors import BadInput
from usbook.widgets.base import striped
from usbook.classroom.table import explore_class, read_class
from usbook.predictions.readers import write_answers

CLASSES = ['effusion', EVIL, 'A-lines']

def make(folder, n=30, seed=0, part=()):
    "Reader files and the truth"
    preds, rng = toy_predictions(10, 4, CLASSES, seed=seed), np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    for i in range(n):
        said = np.where(rng.random(40) < .1 + .02*i, rng.integers(0, 3, 40), preds.target)
        write_answers(
            folder / f'reader_s{i:02}.csv',
            [
                dict(image=preds.table.image[j], label=CLASSES[said[j]], seconds='1', when='')
                for j in range(20 if i in part else 40)
            ],
        )
    preds.table[['image', 'patient', 'target']].to_csv(folder.parent/'truth.csv', index=False)
    return preds

@pytest.fixture
def table(tmp_path):
    make(tmp_path/'class')
    return read_class(tmp_path/'class', tmp_path/'truth.csv')

def test_thirty_files(table, tmp_path):
    assert len(table.learners) == 30 and len(table) == 40 and not table.left_out
    t = table.each()
    said, truth = table.codes()
    assert (
        np.allclose(t.accuracy, (said == truth).mean(1)[[table.learners.index(o) for o in t.index]])
        and t.accuracy.is_monotonic_decreasing
    )
    for name in ('s00', 's29'): assert np.isclose(t.kappa[name], cohen_kappa_score(table.truth, table.answers[name]))
    assert (t.low < t.accuracy).all() and (t.accuracy < t.high).all()
    assert np.isclose(table.fleiss()[0], fleiss_kappa(aggregate_raters(said.T)[0])) and table.fleiss()[1] == 40

def test_images_by_dispute(table):
    t = table.images()
    row = table.answers.loc[t.index[0]].to_numpy()
    pairs = [a == b for i, a in enumerate(row) for b in row[i+1:]]
    assert np.isclose(t.alike.iloc[0], np.mean(pairs)) and t.alike.is_monotonic_increasing
    assert np.isclose(t.right.iloc[0], (row == table.truth[t.index[0]]).mean())

def test_who_read_only_a_part(tmp_path):
    make(tmp_path/'class', part=(3, 4))
    t = read_class(tmp_path/'class', tmp_path/'truth.csv')
    assert t.each().n[['s03', 's00']].tolist() == [20, 40] and t.images().read.min() == 28
    assert t.fleiss()[1:] == (40, ['s03', 's04'])  # two short readers shrank the kappa of all to 20 images
    assert t.figure() and explore_class(t)

def test_without_a_truth_there_is_agreement(tmp_path):
    make(tmp_path/'class', 5)
    t = read_class(tmp_path/'class')
    assert 'accuracy' not in t.each() and t.fleiss()[0] > 0 and 'accuracy' not in t.sentence() and t.figure()

def test_predictions_bring_their_truth(tmp_path):
    preds = make(tmp_path/'class', 4)
    for k in range(3): toy_predictions(10, 4, CLASSES, seed=0, model=k).write(tmp_path/'class'/f'predictions-p{k}.csv')
    t = read_class(tmp_path/'class')
    assert len(t.learners) == 7 and (t.truth == preds.table.set_index('image').target).all()
    assert np.isclose(t.each().accuracy['p0'], (preds.pred == preds.target).mean())

BAD = {
    'empty.csv': '',
    'header.csv': 'image,label\n',
    'essay.csv': 'my thoughts\nmany\n',
    'other.csv': 'image,label\nxray.png,effusion\n',
    'class.csv': 'image,label\n00001.png,heart\n',
    'twice.csv': 'image,label\n00001.png,effusion\n00001.png,A-lines\n',
    'probs.csv': 'image,patient,target,p_effusion,p_A-lines\n00001.png,p000,effusion,.9,.9\n',
    'half.csv': 'image,label\n"00001.png,eff',
    'quoted.csv': 'image;label\n00001.png;effusion;x\n',
}

def test_bad_files_get_a_sentence_each(tmp_path):
    make(tmp_path/'class', 3)
    for name, text in BAD.items(): (tmp_path/'class'/name).write_text(text)
    (tmp_path/'class'/'picture.csv').write_bytes(b'\x89PNG\xff\xfe\x00')
    (tmp_path/'class'/'reader_s01 copy.csv').write_bytes((tmp_path/'class'/'reader_s01.csv').read_bytes())
    (tmp_path/'class'/'folder.csv').mkdir()
    t = read_class(tmp_path/'class', tmp_path/'truth.csv')
    assert set(t.learners) == {'s00', 's01', 's02'}
    assert {f for f, _ in t.left_out} == {*BAD, 'picture.csv', 'folder.csv', 'reader_s01 copy.csv'}
    for f, why in t.left_out: assert f in why and '\n' not in why and len(why) < 400, why

def test_nobody_at_all(tmp_path):
    with pytest.raises(BadInput, match='no such folder'): read_class(tmp_path/'none')
    (tmp_path/'class').mkdir()
    with pytest.raises(BadInput, match='expected are reader_<name>.csv'): read_class(tmp_path/'class')
    (tmp_path/'class'/'a.csv').write_text('x\n')
    with pytest.raises(BadInput, match='the first says'): read_class(tmp_path/'class')

def test_networks_that_were_tested_on_other_truths(tmp_path):
    make(tmp_path/'class', 1)
    p = toy_predictions(10, 4, CLASSES, seed=0)
    p.write(tmp_path/'class'/'predictions-a.csv')
    other = p.table.assign(target=p.table.target.to_numpy()[::-1])
    other.to_csv(tmp_path/'class'/'predictions-b.csv', index=False)
    t = read_class(tmp_path/'class')
    assert [f for f, _ in t.left_out] == ['predictions-b.csv'] and '--truth' in t.left_out[0][1]

def test_command(usbook, tmp_path):
    make(tmp_path/'class')
    (tmp_path/'class'/'essay.csv').write_text('x\n')
    r = usbook('class', 'class', '--truth', 'truth.csv', '--out', 'out')
    assert r.returncode == 0 and '30 learners, 40 images' in r.stdout and 'Left out: ' in r.stdout and 's00' in r.stdout
    joined = pd.read_csv(tmp_path/'out'/'class-table.csv', keep_default_na=False)
    assert (
        len(joined) == 40
        and joined.columns[:3].tolist() == ['image', 'patient', 'target']
        and sum(c.startswith('reader_') for c in joined) == 30
    )
    html = (tmp_path/'out'/'class.html').read_text(encoding='utf-8')
    assert 'http' not in html.replace('http://www.w3.org', '') and EVIL not in html
    got = json.loads(usbook('class', 'class', '--truth', 'truth.csv', '--out', 'class', '--json').stdout)
    assert len(got['learners']) == 30 and got['fleiss']['images'] == 40 and len(got['left_out']) == 1
    again = json.loads(usbook('class', 'class', '--truth', 'truth.csv', '--out', 'class', '--json').stdout)
    assert len(again['learners']) == 30, 'its own table is no learner'
    assert usbook('class', 'nowhere').returncode == 2

def test_board_in_a_browser(show, table):
    "Arrow keys walk; the panel says who said what; names from files stay text"
    page = show(explore_class(table, lambda name: striped(1, int(name[:5]))))
    expect(page.locator('.sub')).to_contain_text("30 learners, 40 images")
    board, who, which = (page.locator(f'[data-name={n}]') for n in ('board', 'who', 'which'))
    rows, cols = table.order()
    def sees(r, c):
        image, learner = table.answers.index[cols[c]], table.learners[rows[r]]
        expect(who).to_contain_text(f'{learner}: 40 images, accuracy')
        expect(which).to_contain_text(
            f'{image} is {table.truth[image]}; {learner} said {table.answers[learner][image]}'
        )
        counts = page.locator('[data-name=bars] .small').all_text_contents()
        assert [int(x) for x in counts] == [int((table.answers.loc[image] == k).sum()) for k in table.classes]
    sees(0, 0)
    board.focus()
    for k in ('ArrowRight', 'ArrowRight', 'ArrowDown'): page.keyboard.press(k)
    sees(1, 2)
    page.keyboard.press('End')
    sees(1, 39)
    box = board.bounding_box()
    page.mouse.click(box['x'] + box['width']*.5/40, box['y'] + box['height']*29.5/30)
    sees(29, 0)
    expect(page.locator('img[alt$=png]')).to_be_visible()
    assert page.title() != 'owned'

def test_board_from_python(table):
    w = explore_class(table)
    assert w.settings() == dict(learner=0, image=0) and '30 learners' in repr(w) and w.png()[:4] == b'\x89PNG'


def test_a_copied_file_counts_once(tmp_path):
    make(tmp_path/'class', 3)
    (tmp_path/'class'/'reader_s01 copy.csv').write_bytes((tmp_path/'class'/'reader_s01.csv').read_bytes())
    t = read_class(tmp_path/'class')
    assert len(t.learners) == 3 and 'counted once' in t.left_out[0][1]

def test_one_short_reader_does_not_shrink_the_kappa_of_all(tmp_path):
    make(tmp_path/'class', 8, part=(3,))
    short = tmp_path/'class'/'reader_s03.csv'
    short.write_text('\n'.join(short.read_text().splitlines()[:9]) + '\n')
    value, n, brief = read_class(tmp_path/'class', tmp_path/'truth.csv').fleiss()
    assert n == 40 and brief == ['s03'] and value > 0

def test_one_reader_of_half_does_not_shrink_the_kappa_of_all(tmp_path):
    "20 of 40 images were enough to count, and everybody's kappa stood on 20"
    make(tmp_path/'class', 30, part=(7,))
    t = read_class(tmp_path/'class', tmp_path/'truth.csv')
    assert t.fleiss()[1:] == (40, ['s07']) and 'on 40 images (without s07, who read few)' in t.sentence()

def test_where_half_the_class_read_half_all_count(tmp_path):
    make(tmp_path/'class', 6, part=(0, 1, 2))
    assert read_class(tmp_path/'class', tmp_path/'truth.csv').fleiss()[1:] == (20, [])
    make(tmp_path/'two', 2, part=(1,))
    assert read_class(tmp_path/'two', tmp_path/'truth.csv').fleiss()[1:] == (20, [])

def test_a_full_disk_leaves_no_half_page(table, tmp_path, monkeypatch):
    "class.html was there, cut off, after a disk had been full"
    import errno
    from pathlib import Path
    written = Path.write_bytes
    def half(self, data):
        if '.html' not in self.name: return written(self, data)
        written(self, data[:len(data)//2])
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(Path, 'write_bytes', half)
    with pytest.raises(OSError): explore_class(table).save(tmp_path/'out'/'class.html')
    assert list((tmp_path/'out').iterdir()) == []

def test_nothing_is_overwritten(usbook, tmp_path):
    make(tmp_path/'class', 3)
    for _ in range(2): assert usbook('class', 'class', '--truth', 'truth.csv', '--out', 'out').returncode == 0
    assert {p.name for p in (tmp_path / 'out').iterdir()} >= {
        'class-table.csv',
        'class-table-2.csv',
        'class.html',
        'class-2.html',
    }
