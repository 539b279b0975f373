"""The command line as a person meets it: exit codes, one sentence, nothing lost."""
import json, os, re, shutil, signal, subprocess, sys, time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT, make_tree

def sentence(r, code=2):
    "The complaint: the right exit code, no traceback, at most three lines"
    assert r.returncode == code, (r.returncode, r.stdout[-2000:], r.stderr[-3000:])
    lines = r.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 3 and 'Traceback' not in r.stderr, r.stderr
    return r.stderr.strip()

def runs(tmp_path): return sorted(p.name for p in (tmp_path/'runs').glob('*')) if (tmp_path/'runs').exists() else []

def test_help_is_quick_and_light(usbook):
    code = 'import sys; from usbook.cli.main import main; main(["--help"]); sys.exit(bool({"torch","fastai","numpy","pandas"} & set(sys.modules)))'
    r = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True)
    assert r.returncode == 0

@pytest.mark.parametrize('words', [[], ['fly'], ['reproduce'], ['reproduce', 'lung_signs', '--profile', 'swift'], ['phantom', 'lung_signs']])
def test_wrong_call(usbook, words): assert '--help' in sentence(usbook(*words))

def test_list(usbook):
    rows = json.loads(usbook('list', '--json').stdout)
    assert len(rows) == 5 and rows[0]['id'] == 'lung_signs' and rows[0]['chapter']

def test_check(usbook, tmp_path):
    r = usbook('check', '--json', USBOOK_WEIGHTS=str(tmp_path/'nowhere'))
    assert r.returncode == 1 and 'nowhere' in {c['name']: c for c in json.loads(r.stdout)}['weights']['text']

def test_unknown_study(usbook): assert 'lung_signs' in sentence(usbook('reproduce', 'lungs'))

def test_audit(usbook, tmp_path):
    found = json.loads(usbook('audit', 'head_ct', '--json').stdout)['head_ct']
    assert any('0.913276 (91.3276 %)' in f['text'] for f in found)
    (tmp_path/'n.toml').write_text('[overall\n')
    assert 'n.toml' in sentence(usbook('audit', '--file', 'n.toml'))

def test_froc(usbook, tmp_path):
    from usbook.evidence.froc import toy_detections
    toy_detections(n_patients=20).write(tmp_path)
    words = ['froc', 'detections.csv', 'lesions.csv', '--scans', 'scans.csv', '--n-boot', 100]
    assert 'sensitivity at 0.2' in usbook(*words).stdout and json.loads(usbook(*words, '--json').stdout)
    rows = (tmp_path/'scans.csv').read_text().splitlines()
    (tmp_path/'scans.csv').write_text('\n'.join(rows[:3]) + '\n')
    assert 'scan' in sentence(usbook(*words))

def test_phantom(usbook, tmp_path):
    r = usbook('phantom', 'lung_signs', '--n', 6, '--out', 'p', '--size', 64, '--json')
    assert r.returncode == 0 and Path(json.loads(r.stdout)['manifest']).is_absolute() or (tmp_path/'p'/'manifest.csv').is_file()
    assert len(list((tmp_path/'p'/'images').glob('*.png'))) == 6
    for words in (['phantom', 'moon', '--out', 'x'], ['phantom', 'lung_signs', '--n', 0, '--out', 'x']): sentence(usbook(*words))

# A run -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def tree(tmp_path_factory): return make_tree(tmp_path_factory.mktemp('own')/'images')

@pytest.fixture(scope='module')
def done(tree, tmp_path_factory):
    "One finished run on own images"
    d = tmp_path_factory.mktemp('done')
    env = os.environ | dict(PYTHONPATH=str(ROOT), USBOOK_RUNS=str(d/'runs'), USBOOK_CACHE=str(d/'cache'), USBOOK_PROFILE='test', USBOOK_OFFLINE='yes')
    words = ['reproduce', 'lung_signs', '--data', str(tree), '--patients', r'(P\d+)_', '--weights', 'random', '--json']
    r = subprocess.run([sys.executable, '-c', 'import sys; from usbook.cli.main import main; sys.exit(main())', *words], cwd=d, env=env, text=True, capture_output=True)
    assert r.returncode == 0, r.stderr[-3000:]
    return json.loads(r.stdout), d

def test_results(done):
    r, d = done
    assert r['study'] == 'lung_signs' and r['weights']['source'] == 'random' and len(r['runs']) == 2
    for m in r['runs'].values():
        assert 0 <= m['accuracy']['low'] <= m['accuracy']['value'] <= m['accuracy']['high'] <= 1
        assert {'recall/a_lines', 'precision/effusion'} <= set(m)
    assert {c['verdict'] for c in r['claims']} <= {'supported', 'not supported', 'inconclusive', 'not tested'}

def test_folder_is_complete(done):
    r, d = done
    folder = Path(r['folder'])
    assert re.fullmatch(r'lung_signs-\d{8}T\d{6}Z-[0-9a-f]{6}', folder.name)
    names = {p.name for p in folder.iterdir()}
    assert {'results.json', 'settings.json', 'environment.json', 'report.html', 'figures'} <= names
    assert sum(n.startswith('predictions-') and n.endswith('.csv') for n in names) == 2
    assert json.loads((folder/'results.json').read_text(encoding='utf-8'))['claims'] == r['claims']

def test_report_needs_no_other_file(done):
    html = (Path(done[0]['folder'])/'report.html').read_text(encoding='utf-8')
    assert not re.search(r'(src|href)="(?!data:)', html) and '<script' not in html
    for word in ('random weights', 'Gap ledger', 'verdict', '海军军医大学学报'): assert word in html

def test_predictions_can_be_evaluated_and_compared(done, usbook):
    a, b = sorted(Path(done[0]['folder']).glob('predictions-*.csv'))
    e = usbook('evaluate', a, '--json', '--n-boot', 200)
    assert e.returncode == 0, e.stderr
    arm = a.stem.removeprefix('predictions-')
    assert json.loads(e.stdout)['overall']['accuracy']['value'] == done[0]['runs'][arm]['accuracy']['value']
    c = json.loads(usbook('compare', a, b, '--json', '--n-boot', 200).stdout)
    assert {'b', 'c', 'mcnemar_exact', 'mcnemar_midp', 'obuchowski'} <= set(c)
    for words in (['evaluate', a], ['compare', a, b]): assert usbook(*words, '--n-boot', 100).returncode == 0

def test_same_seed_same_numbers(done, usbook, tree):
    again = json.loads(usbook('reproduce', 'lung_signs', '--data', tree, '--patients', r'(P\d+)_', '--weights', 'random', '--json').stdout)
    assert again['runs'] == done[0]['runs'] and again['folder'] != done[0]['folder']

def test_names_from_outside_are_escaped(usbook, tmp_path):
    evil = '<img src=x onerror=alert(1)>'
    make_tree(tmp_path/'t', classes=('<img src=x onerror=alert(1)>', 'b'), patients=8, each=1) if os.name != 'nt' else pytest.skip('Windows has no such file names')
    r = usbook('reproduce', 'lung_signs', '--data', tmp_path/'t', '--patients', r'(P\d+)_', '--weights', 'random', '--modes', 'frozen', '--json')
    assert r.returncode == 0, r.stderr
    out = json.loads(r.stdout)
    assert {c['verdict'] for c in out['claims']} == {'not tested'}
    html = (Path(out['folder'])/'report.html').read_text(encoding='utf-8')
    assert evil not in html

# Bad input -------------------------------------------------------------------------------------------------

def spoil(kind, root):
    "Damage one thing in a tree; returns words for reproduce and a word its sentence must hold"
    rule = ['--patients', r'(P\d+)_']
    victim = root/'a_lines'/'P000_0.png'
    if kind == 'truncated': victim.write_bytes(victim.read_bytes()[:60]); return rule, 'P000_0.png'
    if kind == 'empty file': victim.write_bytes(b''); return rule, 'P000_0.png'
    if kind == '16 bit': Image.fromarray(np.full((32, 32), 40000, 'uint16')).save(victim); return rule, 'P000_0.png'
    if kind == 'cmyk': Image.new('CMYK', (32, 32)).save(victim.with_suffix('.jpg')); victim.unlink(); return rule, 'CMYK'
    if kind == 'no rule': return [], '--patients|patient'
    if kind == 'bad rule': return ['--patients', '(P'], 'patient|expression'
    if kind == 'one patient':
        for p in (root/'effusion').glob('*'): p.unlink() if not p.name.startswith('P200') else None
        return rule, 'effusion'
    if kind == 'empty folder': shutil.rmtree(root); root.mkdir(); return rule, 'image'
    if kind == 'missing folder': shutil.rmtree(root); return rule, 'no such|missing'

@pytest.mark.parametrize('kind', ['truncated', 'empty file', '16 bit', 'cmyk', 'no rule', 'bad rule', 'one patient', 'empty folder', 'missing folder'])
def test_bad_tree(usbook, tmp_path, kind):
    root = make_tree(tmp_path/'t')
    words, hint = spoil(kind, root)
    said = sentence(usbook('reproduce', 'lung_signs', '--data', root, '--weights', 'random', *words))
    assert re.search(hint, said), said
    assert runs(tmp_path) == []

def write_manifest(root, rows, head='image,patient,label'):
    f = root/'manifest.csv'
    f.write_text('\n'.join([head, *rows]) + '\n', encoding='utf-8')
    return f

@pytest.mark.parametrize('kind,hint', [('missing image', 'nowhere.png'), ('two labels', 'P000_0.png'), ('wrong header', 'patient'),
                                       ('climbs out', r'\.\.'), ('no patient', 'patient'), ('leak', 'P0')])
def test_bad_manifest(usbook, tmp_path, kind, hint):
    root = make_tree(tmp_path/'t')
    rows = [f'{p.parent.name}/{p.name},{p.name[:4]},{p.parent.name}' for p in sorted(root.rglob('*.png'))]
    head, code = 'image,patient,label', 2
    if kind == 'missing image': rows[3] = 'a_lines/nowhere.png,P99,a_lines'
    if kind == 'two labels': rows.append(rows[0].replace(',a_lines', ',b_lines'))
    if kind == 'wrong header': head = 'file,subject,class'
    if kind == 'climbs out': shutil.copy(root/'a_lines'/'P000_0.png', tmp_path/'x.png'); rows.append('../x.png,P99,a_lines')
    if kind == 'no patient': rows[5] = rows[5].split(',')[0] + ',,a_lines'
    if kind == 'leak':
        head, code = head + ',split', 1
        rows = [f"{r},{('train', 'valid', 'test')[i % 3]}" for i, r in enumerate(rows)]
    said = sentence(usbook('reproduce', 'lung_signs', '--data', write_manifest(root, rows, head), '--weights', 'random'), code)
    assert re.search(hint, said), said
    assert runs(tmp_path) == []

def test_problems_are_listed_in_a_file(usbook, tmp_path):
    root = make_tree(tmp_path/'t')
    rows = ['a.png,P1,a_lines', 'b.png,P2,b_lines']
    r = usbook('reproduce', 'lung_signs', '--data', write_manifest(root, rows), '--weights', 'random', '--json')
    n = len(json.loads(r.stdout)['problems'])
    assert r.returncode == 2 and n >= 2
    assert (tmp_path/'usbook-problems.csv').read_text(encoding='utf-8').count('\n') == n + 1

# Interruptions ---------------------------------------------------------------------------------------------

STOPPED = '''
import os, sys, usbook.learn.transfer as t
from fastai.callback.core import Callback
class Stop(Callback):
    "What Ctrl-C and a full disk look like from inside an epoch"
    def after_batch(self):
        if self.training: {what}
import fastai.learner as fl
init = fl.Learner.__init__
def with_stop(self, *a, **k):
    init(self, *a, **k)
    self.add_cb(Stop())
fl.Learner.__init__ = with_stop
from usbook.cli.main import main
sys.exit(main())
'''

@pytest.mark.parametrize('what,code,hint', [('raise KeyboardInterrupt', 130, 'Interrupted'), ('raise OSError(28, "No space left on device")', 2, 'disk is full')])
def test_stopped_in_an_epoch(done, tree, tmp_path, what, code, hint):
    before = {p.name for p in (done[1]/'runs').iterdir()}
    env = os.environ | dict(PYTHONPATH=str(ROOT), USBOOK_RUNS=str(done[1]/'runs'), USBOOK_CACHE=str(tmp_path/'cache'), USBOOK_PROFILE='test', USBOOK_OFFLINE='yes')
    r = subprocess.run([sys.executable, '-c', STOPPED.format(what=what), 'reproduce', 'lung_signs', '--data', str(tree), '--patients', r'(P\d+)_', '--weights', 'random'],
                       cwd=tmp_path, env=env, text=True, capture_output=True)
    assert hint in sentence(r, code)
    assert {p.name for p in (done[1]/'runs').iterdir()} == before

def test_disk_full_while_saving(monkeypatch, tmp_path):
    from usbook.core.files import write_folder
    from usbook.runs.run import run_name
    with pytest.raises(OSError):
        with write_folder(tmp_path/run_name('lung_signs')) as part:
            (part/'results.json').write_text('{')
            raise OSError(28, 'No space left on device')
    assert list(tmp_path.iterdir()) == []

# Installed -------------------------------------------------------------------------------------------------

def test_installed_away_from_the_checkout(tmp_path):
    "The wheel alone: list, the chapters, and a run whose sample is made on the spot"
    subprocess.run([sys.executable, '-m', 'hatchling', 'build', '-t', 'wheel', '-d', str(tmp_path/'dist')], cwd=ROOT, check=True, capture_output=True)
    import zipfile
    with zipfile.ZipFile(next((tmp_path/'dist').glob('*.whl'))) as z: z.extractall(tmp_path/'site')
    away = tmp_path/'away'
    away.mkdir()
    env = os.environ | dict(PYTHONPATH=str(tmp_path/'site'), USBOOK_CACHE=str(tmp_path/'cache'), USBOOK_PROFILE='test', USBOOK_OFFLINE='yes')
    def usbook(*words):
        code = 'import sys, usbook; assert "site" in usbook.__file__; from usbook.cli.main import main; sys.exit(main())'
        return subprocess.run([sys.executable, '-c', code, *words], cwd=away, env=env, text=True, capture_output=True)
    assert 'lung_signs' in usbook('list').stdout
    r = usbook('lab', '--no-start')
    assert r.returncode == 0 and (away/'usbook-lab'/'chapters'/'01_lung_signs.ipynb').is_file() and (away/'usbook-lab'/'settings.ini').is_file()
    r = usbook('reproduce', 'lung_signs', '--weights', 'random')
    assert r.returncode == 0 and 'report.html' in r.stdout, r.stdout + r.stderr
    assert list((away/'runs').glob('lung_signs-*/report.html'))
