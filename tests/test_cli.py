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
    code = ('import sys; from usbook.cli.main import main; main(["--help"]); '
            'sys.exit(bool({"torch","fastai","numpy","pandas"} & set(sys.modules)))')
    r = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True)
    assert r.returncode == 0

@pytest.mark.parametrize('words', [[], ['fly'], ['reproduce'], ['reproduce', 'lung_signs', '--profile', 'swift'], [
    'phantom', 'lung_signs']])
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

def test_a_clock_runs_where_a_task_says_nothing(monkeypatch, capsys):
    "A million rows were read for half a minute without a sign of life"
    from usbook.core import progress
    monkeypatch.setattr(progress, 'watched', lambda: True)
    with progress.alive('reading a', .01), progress.alive('reading b', .01): time.sleep(.3)
    with progress.alive('reading c'): pass
    said = capsys.readouterr().err
    assert 'reading a' in said and 'reading b' not in said and 'reading c' not in said
    assert not progress._CLOCKS and not said.rsplit('\r', 1)[-1].strip()

def test_reading_comparing_and_resampling_show_that_they_live(usbook, tmp_path, monkeypatch):
    from contextlib import nullcontext
    from usbook.core import progress
    from usbook.evidence.froc import toy_detections
    from usbook.predictions.predictions import toy_predictions
    said = []
    monkeypatch.setattr(progress, 'alive', lambda text: said.append(text) or nullcontext())
    toy_predictions(10, 2).write(tmp_path/'a.csv')
    toy_detections(n_patients=20).write(tmp_path)
    assert usbook('evaluate', 'a.csv').returncode == usbook('compare', 'a.csv', 'a.csv').returncode == 0
    assert usbook('froc', 'detections.csv', 'lesions.csv', '--scans', 'scans.csv', '--n-boot', 10).returncode == 0
    assert said == ['reading a.csv']*3 + ['comparing the two', 'reading the three tables',
                                          'drawing patients again and again']

def test_phantom(usbook, tmp_path):
    r = usbook('phantom', 'lung_signs', '--n', 6, '--out', 'p', '--size', 64, '--json')
    assert (
        r.returncode == 0
        and Path(json.loads(r.stdout)['manifest']).is_absolute()
        or (tmp_path / 'p' / 'manifest.csv').is_file()
    )
    assert len(list((tmp_path/'p'/'images').glob('*.png'))) == 6
    for words in (['phantom', 'moon', '--out', 'x'], ['phantom', 'lung_signs', '--n', 0, '--out', 'x']):
        sentence(usbook(*words))

# A run -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope='module')
def tree(tmp_path_factory): return make_tree(tmp_path_factory.mktemp('own')/'images')

@pytest.fixture(scope='module')
def done(tree, tmp_path_factory, aside):
    "One finished run on own images"
    d = tmp_path_factory.mktemp('done')
    env = dict(USBOOK_RUNS=d/'runs', USBOOK_CACHE=d/'cache', USBOOK_PROFILE='test', USBOOK_OFFLINE='yes')
    words = ['reproduce', 'lung_signs', '--data', tree, '--patients', r'(P\d+)_', '--weights', 'random', '--json']
    r = aside('import sys; from usbook.cli.main import main; sys.exit(main())', *words, cwd=d, **env).end()
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
    e = usbook('evaluate', a, '--json')
    assert e.returncode == 0, e.stderr
    arm = a.stem.removeprefix('predictions-')
    assert json.loads(e.stdout)['overall']['accuracy']['value'] == done[0]['runs'][arm]['accuracy']['value']
    c = json.loads(usbook('compare', a, b, '--json').stdout)
    assert {'b', 'c', 'mcnemar_exact', 'mcnemar_midp', 'obuchowski'} <= set(c)
    for words in (['evaluate', a], ['compare', a, b]): assert usbook(*words).returncode == 0

def test_same_seed_same_numbers(done, usbook, tree):
    again = json.loads(
        usbook(
            'reproduce', 'lung_signs', '--data', tree, '--patients', r'(P\d+)_', '--weights', 'random', '--json'
        ).stdout
    )
    assert again['runs'] == done[0]['runs'] and again['folder'] != done[0]['folder']

def test_names_from_outside_are_escaped(usbook, tmp_path):
    evil = '<img src=x onerror=alert(1)>'
    make_tree(
        tmp_path / 't', classes=('<img src=x onerror=alert(1)>', 'b'), patients=8, each=1
    ) if os.name != 'nt' else pytest.skip('Windows has no such file names')
    r = usbook(
        'reproduce',
        'lung_signs',
        '--data',
        tmp_path / 't',
        '--patients',
        r'(P\d+)_',
        '--weights',
        'random',
        '--modes',
        'frozen',
        '--json',
    )
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
    if kind == 'cmyk':
        Image.new('CMYK', (32, 32)).save(victim.with_suffix('.jpg'))
        victim.unlink()
        return rule, 'CMYK'
    if kind == 'no rule': return [], '--patients|patient'
    if kind == 'bad rule': return ['--patients', '(P'], 'patient|expression'
    if kind == 'one patient':
        for p in (root/'effusion').glob('*'): p.unlink() if not p.name.startswith('P200') else None
        return rule, 'effusion'
    if kind == 'empty folder': shutil.rmtree(root); root.mkdir(); return rule, 'image'
    if kind == 'missing folder': shutil.rmtree(root); return rule, 'no such|missing'

@pytest.mark.parametrize('kind', ['truncated', 'empty file', '16 bit', 'cmyk', 'no rule', 'bad rule', 'one patient',
    'empty folder', 'missing folder'])
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

@pytest.mark.parametrize('kind,hint', [('missing image', 'nowhere.png'), ('two labels', 'P000_0.png'), ('wrong header',
    'patient'),
                                       ('climbs out', r'\.\.'), ('no patient', 'patient'), ('leak', 'P0')])
def test_bad_manifest(usbook, tmp_path, kind, hint):
    root = make_tree(tmp_path/'t')
    rows = [f'{p.parent.name}/{p.name},{p.name[:4]},{p.parent.name}' for p in sorted(root.rglob('*.png'))]
    head, code = 'image,patient,label', 2
    if kind == 'missing image': rows[3] = 'a_lines/nowhere.png,P99,a_lines'
    if kind == 'two labels': rows.append(rows[0].replace(',a_lines', ',b_lines'))
    if kind == 'wrong header': head = 'file,subject,class'
    if kind == 'climbs out':
        shutil.copy(root / 'a_lines' / 'P000_0.png', tmp_path / 'x.png')
        rows.append('../x.png,P99,a_lines')
    if kind == 'no patient': rows[5] = rows[5].split(',')[0] + ',,a_lines'
    if kind == 'leak':
        head, code = head + ',split', 1
        rows = [f"{r},{('train', 'valid', 'test')[i % 3]}" for i, r in enumerate(rows)]
    said = sentence(
        usbook('reproduce', 'lung_signs', '--data', write_manifest(root, rows, head), '--weights', 'random'), code
    )
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

@pytest.mark.parametrize(
    'what,code,hint',
    [
        ('raise KeyboardInterrupt', 130, 'Interrupted'),
        ('raise OSError(28, "No space left on device")', 2, 'disk is full'),
    ],
)
def test_stopped_in_an_epoch(done, tree, tmp_path, aside, what, code, hint):
    before = {p.name for p in (done[1]/'runs').iterdir()}
    words = ['reproduce', 'lung_signs', '--data', tree, '--patients', r'(P\d+)_', '--weights', 'random']
    env = dict(USBOOK_RUNS=done[1]/'runs', USBOOK_CACHE=tmp_path/'cache', USBOOK_PROFILE='test', USBOOK_OFFLINE='yes')
    r = aside(STOPPED.format(what=what), *words, cwd=tmp_path, **env).end()
    assert hint in sentence(r, code)
    assert {p.name for p in (done[1]/'runs').iterdir()} == before

def test_an_error_while_drawing_costs_no_number(tree, tmp_path, monkeypatch):
    "A class named $\\frac{$ killed a finished run at 'writing the report', and its predictions were removed"
    from usbook.core.settings import read_settings
    from usbook.cli.study import machinery_of
    from usbook.runs import run
    from usbook.studies.images import Reading
    where = dict(runs=str(tmp_path/'runs'), cache=str(tmp_path/'cache'), offline=True, weights='random')
    s = read_settings(tmp_path, profile='test', data=str(tree), **where)
    def fails(out): raise RuntimeError('mathtext')
    monkeypatch.setattr(run, 'draw', fails)
    with pytest.raises(RuntimeError):
        run.reproduce(machinery_of('lung_signs'), s, ('frozen',), None, Reading(r'(P\d+)_'), progress=False)
    left, = (tmp_path/'runs').glob('lung_signs-*')
    assert {'results.json', 'predictions-resnet10t-frozen.csv'} <= {f.name for f in left.iterdir()}

def test_disk_full_while_saving(monkeypatch, tmp_path):
    from usbook.core.files import write_folder
    from usbook.runs.run import run_name
    with pytest.raises(OSError):
        with write_folder(tmp_path/run_name('lung_signs')) as part:
            (part/'results.json').write_text('{')
            raise OSError(28, 'No space left on device')
    assert list(tmp_path.iterdir()) == []

# A terminal of any kind ------------------------------------------------------------------------------------

COMMAND = [sys.executable, '-m', 'usbook']

def typed(words, cwd, **kw):
    "The command in a process of its own"
    env = os.environ | dict(PYTHONPATH=str(ROOT), USBOOK_PROFILE='test', USBOOK_OFFLINE='yes') | kw.pop('env', {})
    return subprocess.run([*COMMAND, *map(str, words)], cwd=cwd, env=env, capture_output='stdout' not in kw, **kw)

@pytest.fixture
def odd(tmp_path):
    "Predictions whose classes are markup, and not ASCII"
    from usbook.predictions.predictions import Predictions
    rng = np.random.default_rng(0)
    classes = ['[/x]', '积液 – [bold]', 'c']
    target = rng.integers(0, 3, 30)
    return Predictions.from_arrays(
        [f'[red]{i}' for i in range(30)],
        [f'p{i // 3}' for i in range(30)],
        target,
        rng.dirichlet(np.ones(3), 30),
        classes,
        readers={'[/b]': target},
    ).write(tmp_path / 'odd.csv')

def test_markup_in_names_is_shown_as_it_is(usbook, odd):
    for words in (['evaluate', odd], ['compare', odd, odd], ['compare', odd, '--reader', '[/b]']):
        r = usbook(*words)
        assert r.returncode == 0, r.stderr
    assert '[/x]' in usbook('evaluate', odd).stdout and '积液 – [bold]' in usbook('evaluate', odd).stdout

@pytest.mark.parametrize('columns', [30, 60, 80, 110, 200])
def test_no_number_is_cut(usbook, odd, columns):
    e = usbook('evaluate', odd, COLUMNS=str(columns)).stdout
    full = json.loads(usbook('evaluate', odd, '--json').stdout)
    from usbook.core.interval import interval_text
    for v in full['overall'].values(): assert interval_text(v) in e
    for d in full['per_class'].values():
        for v in d.values(): assert interval_text(v) in e
    assert '30 images of 10 patients' in e and 'predicted class across' in e and '…' not in e

@pytest.mark.parametrize('columns', [30, 40, 80])
def test_every_table_fits_a_narrow_terminal(usbook, odd, tmp_path, columns):
    "Tables stack where they have no room; nothing is cut, no line of a table is wider than the terminal"
    from usbook.cli.show import console, show_table
    fits_in_a_cache(tmp_path/'cache')
    for words in (['list'], ['cache'], ['compare', odd, odd]):
        out = usbook(*words, COLUMNS=str(columns)).stdout
        assert '…' not in out and not re.search(r'\d\.\d*$\n\s*\d', out), out
    for line in usbook('cache', COLUMNS=str(columns)).stdout.splitlines():
        assert len(line) <= columns or ': ' in line or 'trainings' in line, line
    import io
    out = console(columns)
    out.file = io.StringIO()
    show_table(['metric', 'all', 'by site'], [['accuracy', '0.712 (0.618 to 0.801)', '0.700 (0.600 to 0.800)']], out)
    assert '0.712 (0.618 to 0.801)' in out.file.getvalue() and '0.700 (0.600 to 0.800)' in out.file.getvalue()

def test_csv_holds_every_number_of_the_json(usbook, odd, tmp_path):
    import csv
    def rows(*words): return list(csv.DictReader(usbook(*words, '--csv').stdout.splitlines()))
    full = json.loads(usbook('evaluate', odd, '--json').stdout)
    got = {(r['where'], r['metric']): r for r in rows('evaluate', odd)}
    for k, v in full['overall'].items():
        assert got['overall', k]['method'] == v.get('method', '')
        assert [float(got['overall', k][o] or 'nan') for o in ('value', 'low', 'high')] == pytest.approx(
            [v.get(o, float('nan')) for o in ('value', 'low', 'high')], nan_ok=True, abs=0)
    for c, d in full['per_class'].items(): assert all((f'per_class/{c}', k) in got for k in d)
    assert {r['id'] for r in rows('list')} == {r['id'] for r in json.loads(usbook('list', '--json').stdout)}
    c = json.loads(usbook('compare', odd, '--reader', '[/b]', '--json').stdout)
    assert float({r['metric']: r for r in rows('compare', odd, '--reader', '[/b]')}['accuracy_a']['value']) == (
        c['accuracy_a'])
    r = usbook('evaluate', 'nosuch.csv', '--csv')
    assert not r.stdout and sentence(r)

def test_the_sentence_comes_first_and_the_rest_is_short(usbook, odd):
    out = usbook('compare', odd, '--reader', '[/b]', COLUMNS='200').stdout.splitlines()
    assert out[0].startswith('On these 30 images of 10 patients') and len(out) < 16

@pytest.mark.parametrize('encoding', ['ascii', 'gbk', 'cp1252', 'utf-8'])
def test_terminals_that_know_few_characters(odd, tmp_path, encoding):
    for more in ([], ['--json']):
        r = typed(['evaluate', odd, *more], tmp_path, env=dict(PYTHONIOENCODING=encoding, PYTHONUTF8='0'))
        assert r.returncode == 0 and not r.stderr, r.stderr
    assert '积液 – [bold]' in json.loads(r.stdout.decode(encoding))['classes']

@pytest.mark.skipif(sys.platform == 'win32', reason='no pseudo-terminals')
def test_a_bar_is_seen_on_a_terminal_of_unknown_width(tmp_path):
    import pty
    ours, theirs = pty.openpty() # 0 columns, as in a container
    words = [sys.executable, '-m', 'usbook', 'phantom', 'lung_signs', '--n', '4', '--size', '48', '--out', 'new']
    env = {k: v for k, v in os.environ.items() if k not in ('COLUMNS', 'TQDM_NCOLS')} | dict(PYTHONPATH=str(ROOT))
    r = subprocess.run(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    assert r.returncode == 0 and b'%' in os.read(ours, 65536)

def test_a_run_says_at_once_what_it_waits_for():
    "PyTorch takes seconds to load, and the bar stood there without a word"
    from usbook.core.settings import Settings
    from usbook.runs.run import reproduce
    said, machinery = [], type('Nothing', (), dict(study=None, plans={}))
    with pytest.raises(KeyError): reproduce(machinery, Settings(), progress=lambda text, fraction: said.append(text))
    assert said == ['loading PyTorch']

@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full')
def test_full_and_closed_output(tmp_path):
    with open('/dev/full', 'w') as full: r = typed(['list'], tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert r.returncode == 2 and len(r.stderr.splitlines()) == 1 and b'Traceback' not in r.stderr, r.stderr
    line = f'"{sys.executable}" -m usbook list'
    r = subprocess.run(
        ['sh', '-c', line + ' >&-'], cwd=tmp_path, env=os.environ | dict(PYTHONPATH=str(ROOT)), capture_output=True
    )
    assert r.returncode == 0 and b'closed' in r.stderr
    r = subprocess.run(
        ['sh', '-c', line + ' >&- 2>&-'], cwd=tmp_path, env=os.environ | dict(PYTHONPATH=str(ROOT)), capture_output=True
    )
    assert r.returncode == 0

@pytest.mark.skipif(os.name == 'nt', reason='needs a POSIX shell')
def test_a_reader_that_has_seen_enough_is_no_leak(tmp_path):
    line = f'"{sys.executable}" -m usbook audit all | head -1; echo ${{PIPESTATUS[0]}}'
    r = subprocess.run(
        ['bash', '-c', line], cwd=tmp_path, env=os.environ | dict(PYTHONPATH=str(ROOT)), capture_output=True, text=True
    )
    assert r.stdout.split()[-1] == '0' and not r.stderr

# What is typed wrong ---------------------------------------------------------------------------------------

@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='no pipes here')
@pytest.mark.parametrize('words', [['evaluate', 'pipe'], ['compare', 'pipe', 'pipe']])
def test_a_pipe_in_place_of_predictions_does_not_hang(words, tmp_path):
    "The header was looked at before anybody asked whether it is a file"
    os.mkfifo(tmp_path/'pipe')
    r = typed(words, tmp_path, text=True, timeout=100)
    assert 'pipe or a device' in sentence(r)

@pytest.mark.parametrize('words', [['evaluate', 'a\0b'], ['exercises', 'a\0b'], ['new', 'a\0b', '--classes', 'a,b'],
                                   ['page', 'a\0b'], ['phantom', 'lung_signs', '--out', 'a\0b']])
def test_nul_in_a_word(usbook, words):
    "Exit 70, where a program of somebody's hands it on; no path can have it"
    assert 'character that no path can have' in sentence(usbook(*words))

@pytest.mark.parametrize('words', [['--n-boot', '0'], ['--n-boot', '-5'], ['--seed', '-1'], ['--seed', str(2**64)], [
    '--seed', '9'*5000], ['--n-boot', 'x']])
def test_numbers_out_of_range(usbook, words):
    assert len(sentence(usbook('froc', 'd.csv', 'l.csv', '--scans', 's.csv', *words))) < 400

@pytest.mark.parametrize('command', ['evaluate', 'compare'])
@pytest.mark.parametrize('words', [['--n-boot', 20], ['--seed', 1]])
def test_no_option_that_does_nothing(usbook, odd, command, words):
    "Intervals of these two are computed, not drawn: options of a bootstrap were taken and forgotten"
    assert words[0] in sentence(usbook(command, odd, *words)) and words[0] not in usbook(command, '--help').stdout

@pytest.mark.parametrize('name,value,says', [('cache', '~nosuch/x', 'no user'), ('runs', '~nosuch/x', 'no user'), (
    'data', '~nosuch/x', 'no user'),
                                             ('seed', '-1', 'out of range'), ('seed', str(2**64), 'out of range'), (
                                                 'seed', '9'*5000, 'whole number'), ('data', 'a\0b', 'character')])
def test_settings_that_cannot_be(tmp_path, name, value, says):
    from usbook.core.errors import BadInput
    from usbook.core.settings import read_settings
    (tmp_path/'settings.ini').write_text(f'[usbook]\n{name} = {value}\n')
    with pytest.raises(BadInput, match=says) as e: read_settings(tmp_path)
    assert 'settings.ini' in str(e.value) and '\n' not in str(e.value)

def test_a_section_that_is_only_a_comment(tmp_path):
    from usbook.core.settings import find_settings
    (tmp_path/'settings.ini').write_text('[other]\n# see [usbook]\nx = 1\n')
    assert find_settings(tmp_path) != tmp_path/'settings.ini'

def test_examples_are_shown_and_fit(usbook, tmp_path):
    (tmp_path/'p.csv').write_text(usbook('evaluate', '--example').stdout)
    assert usbook('evaluate', 'p.csv').returncode == 0
    parts = [b.split('\n', 1) for b in usbook('froc', '--example').stdout.split('\n\n')]
    for head, body in parts: (tmp_path/head.split(':')[0]).write_text(body)
    assert usbook('froc', 'detections.csv', 'lesions.csv', '--scans', 'scans.csv', '--n-boot', 20).returncode == 0
    for words in (['evaluate'], ['compare'], ['froc', 'x.csv'], ['audit']):
        assert '--example' in sentence(usbook(*words))

def test_independent_images_need_no_patients(usbook, tmp_path):
    (tmp_path / 'p.csv').write_text(
        'image,target,p_a,p_b\n' + ''.join(f'{i},{"ab"[i % 2]},.{i}1,.{9 - i}9\n' for i in range(1, 9))
    )
    assert 'patient' in sentence(usbook('evaluate', 'p.csv'))
    r = usbook('evaluate', 'p.csv', '--independent')
    assert r.returncode == 0 and 'every image counts as a patient' in r.stdout

def test_every_problem_has_its_parts(usbook, tmp_path):
    (tmp_path/'p.csv').write_text('image,patient,target,p_a,p_b\n1,,a,.5,.5\n2,x,c,.9,.9\n')
    r = usbook('evaluate', 'p.csv', '--json')
    said = json.loads(r.stdout)
    assert r.returncode == 2 and said['row'] == 2 and said['where'] == 'p.csv' and len(said['problems']) == 3
    assert (tmp_path/'usbook-problems.csv').read_text().count('\n') == 4

# Ended from outside ----------------------------------------------------------------------------------------

WAITS = ('import sys, time; from usbook.cli import auditing, main; '
         'auditing._list = lambda a: (print("here", flush=True), time.sleep(60)); sys.exit(main.main())')

@pytest.mark.skipif(os.name == 'nt', reason='needs POSIX signals')
@pytest.mark.parametrize(
    'signals,code', [(['SIGTERM'], 143), (['SIGHUP'], 129), (['SIGINT'], 130), (['SIGINT', 'SIGINT', 'SIGINT'], 130)]
)
def test_ended_by_a_signal(tmp_path, signals, code):
    p = subprocess.Popen(
        [sys.executable, '-c', WAITS, 'list'],
        cwd=tmp_path,
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), # a shell's background jobs ignore it
    )
    assert p.stdout.readline() == 'here\n'
    for s in signals: p.send_signal(getattr(signal, s))
    out, err = p.communicate(timeout=60)
    assert p.returncode == code and len(err.splitlines()) == 1 and 'same command starts cleanly' in err, err

RUNS = '''import sys; from usbook.cli import auditing, main; from usbook.cli.lab import run_until_end
auditing._list = lambda a: run_until_end([sys.executable, '-c',
                                          'import os, time; print(os.getpid(), flush=True); time.sleep(60)'])
sys.exit(main.main())'''

@pytest.mark.skipif(os.name == 'nt', reason='needs POSIX signals')
def test_what_ends_the_lab_ends_jupyterlab_too(tmp_path):
    p = subprocess.Popen(
        [sys.executable, '-c', RUNS, 'list'],
        cwd=tmp_path,
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = int(p.stdout.readline())
    p.terminate()
    p.communicate(timeout=60)
    assert p.returncode == 143
    with pytest.raises(ProcessLookupError): os.kill(child, 0)

# The lab ---------------------------------------------------------------------------------------------------

def test_the_lab_is_a_working_copy(tmp_path):
    from usbook.cli.lab import lab_folder, lab_words
    lab = lab_folder(tmp_path)
    one = lab/'chapters'/'01_lung_signs.ipynb'
    assert (
        one.read_bytes() == (ROOT / 'nbs' / 'chapters' / one.name).read_bytes()
        and (lab / 'welcome.ipynb').is_file()
        and (lab / 'settings.ini').is_file()
    )
    one.write_text('interrupted after the third cell')
    assert lab_folder(lab/'chapters') == lab == lab_folder(tmp_path) and one.read_text().startswith('interrupted')
    for _ in range(2): lab_folder(tmp_path, fresh=True)
    assert [p.name for p in lab.rglob('*fresh*')] == ['01_lung_signs-fresh.ipynb'] and one.read_text().startswith(
        'interrupted'
    )
    assert (lab/'chapters'/'01_lung_signs-fresh.ipynb').read_bytes() == (ROOT/'nbs'/'chapters'/one.name).read_bytes()
    assert '--allow-root' in lab_words(lab, root=True) and '--allow-root' not in lab_words(lab, root=False)

def test_the_welcome_leads_somewhere():
    cells = json.loads((ROOT/'nbs'/'welcome.ipynb').read_text(encoding='utf-8'))['cells']
    text = ''.join(''.join(c['source']) for c in cells)
    for door in ('learner', 'teacher', 'researcher', 'developer'): assert f'a {door}' in text
    for link in re.findall(r'\]\(([^)#]+)\)', text): assert (ROOT/'nbs'/link).exists(), link

@pytest.mark.skipif(os.name == 'nt', reason='needs POSIX signals')
def test_interrupted_while_it_is_loaded(tmp_path):
    "Ctrl-C before the command line was there gave a traceback"
    loads = ('import os, signal, sys, usbook.__main__ as m\n'
             'class Slow:\n'
             '    def find_spec(self, name, *_):\n'
             '        if name == "usbook.cli.main": os.kill(os.getpid(), signal.SIGINT)\n'
             'sys.meta_path.insert(0, Slow())\n'
             'sys.exit(m.start())')
    r = subprocess.run(
        [sys.executable, '-c', loads, 'list'], cwd=tmp_path, env=os.environ | dict(PYTHONPATH=str(ROOT)), text=True,
        capture_output=True)
    assert r.returncode == 130 and r.stderr.startswith('Interrupted; ') and r.stderr.count('\n') == 1

def test_two_thousand_classes_fit_a_terminal(usbook, tmp_path):
    "Every class and a matrix of four million cells were printed, for minutes"
    n, head = 300, 'image,patient,target,'
    rows = [','.join([f'{i}.png', str(i//2), f'c{i % n}', *('.9' if j == i % n else '.0003' for j in range(n))])
            for i in range(2*n)]
    (tmp_path/'p.csv').write_text('\n'.join([head + ','.join(f'p_c{j}' for j in range(n)), *rows]))
    r = usbook('evaluate', 'p.csv')
    assert r.returncode == 0 and 'of 300 classes' in r.stdout and '--json' in r.stdout and len(r.stdout) < 4000

def test_independent_images_are_not_said_to_be_patients(usbook, tmp_path):
    (tmp_path/'p.csv').write_text('image,target,p_a,p_b\n' + ''.join(f'{i},{"ab"[i % 2]},.4,.6\n' for i in range(20)))
    assert '20 images, 10 of them right' in usbook('evaluate', 'p.csv', '--independent').stdout

def test_python_m_usbook(tmp_path):
    for module in ('usbook', 'usbook.cli'):
        r = subprocess.run(
            [sys.executable, '-m', module, '--version'],
            cwd=tmp_path,
            env=os.environ | dict(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
        )
        assert r.returncode == 0 and r.stdout.startswith('usbook ')

def test_checks_show_that_they_live():
    from usbook.cli.doctor import run_checks
    seen, shown = [], []
    run_checks(
        {'a': lambda: (True, ''), 'b': lambda: 'mend it'}, lambda text, fraction: seen.append(text), shown.append
    )
    assert seen == ['checking a', 'checking b', 'done'] and [c['ok'] for c in shown] == [True, False]

def test_nbdev_test_works_as_typed(tmp_path):
    "As older texts and habits have it, with its arguments: a notebook that runs, and one that does not"
    import nbformat
    script = Path(sys.executable).with_name('nbdev_test')
    (tmp_path/'pyproject.toml').write_text('[project]\nname = "x"\nversion = "1"\n[tool.nbdev]\nnbs_path = "."\n')
    for name, code in dict(good='assert 1 == 1', bad='assert 1 == 2').items():
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), tmp_path/f'{name}.ipynb')
    said = {k: subprocess.run([script, f'{k}.ipynb'], cwd=tmp_path, text=True, capture_output=True, timeout=200)
            for k in ('good', 'bad')}
    assert said['good'].returncode == 0 and 'Success' in said['good'].stdout, said['good'].stderr
    assert said['bad'].returncode == 1 and 'bad.ipynb' in said['bad'].stderr

# The cache -------------------------------------------------------------------------------------------------

def fits_in_a_cache(cache):
    "Three fits as they lie in the store: two of head_ct, one of them old, and one of lung_signs"
    from usbook.learn.fits import DAY
    for name, study, days in (('a1', 'head_ct', 0), ('b2', 'head_ct', 40), ('c3', 'lung_signs', 3)):
        fit = cache/'fits'/name
        fit.mkdir(parents=True)
        inputs = dict(kind='Recipe', mode='frozen', recipe=dict(arch='resnet10t', size=64, epochs=2))
        (fit/'card.json').write_text(json.dumps(dict(inputs=inputs, study=study, seconds=61.2)))
        (fit/'network.safetensors').write_bytes(b'x'*10**6)
        os.utime(fit, (time.time() - days*DAY,)*2)
    (cache/'samples').mkdir()
    (cache/'samples'/'x').write_bytes(b'x'*2000)

def test_the_cache_is_shown_and_pruned(usbook, tmp_path):
    fits_in_a_cache(tmp_path/'cache')
    said = usbook('cache').stdout
    assert '3 trainings' in said and 'resnet10t, 64 pixels' in said and '61 s' in said
    assert 'today' in said and '40 days ago' in said and '3 days ago' in said and 'samples' in said
    one = json.loads(usbook('cache', '--study', 'lung_signs', '--json').stdout)
    assert [r['key'] for r in one['fits']] == ['c3'] and one['removed'] == [] and one['others'] == dict(samples=2000)
    assert '--older 30d' in sentence(usbook('cache', '--prune'))
    for words in (('--older', '30 ages'), ('--to=-1GB',), ('--to', 'GB')):
        assert 'is not an amount' in sentence(usbook('cache', '--prune', *words))
    gone = usbook('cache', '--prune', '--older', '4w').stdout
    assert 'Removed: 1 trainings' in gone and not (tmp_path/'cache'/'fits'/'b2').exists()
    left = json.loads(usbook('cache', '--prune', '--to', '1500KB', '--json').stdout)
    assert [r['key'] for r in left['removed']] == ['c3'] and [r['key'] for r in left['fits']] == ['a1']
    assert (tmp_path/'cache'/'samples'/'x').is_file(), 'only trainings are pruned'

# Silence ---------------------------------------------------------------------------------------------------

@pytest.fixture
def bars(monkeypatch):
    "What bars would show, as if this were a notebook and every task took longer than two seconds"
    import types
    from usbook.core import progress as pr
    seen, clock = [], iter(range(0, 10**6, 3))
    monkeypatch.setitem(sys.modules, 'ipykernel', types.ModuleType('ipykernel'))
    monkeypatch.delenv('USBOOK_WIDGETS', raising=False)
    monkeypatch.setattr(pr, 'bar', lambda: pr.Progress(lambda text, fraction=None: seen.append(text)))
    monkeypatch.setattr(pr, 'time', types.SimpleNamespace(monotonic=lambda: next(clock)))
    return seen

def test_what_takes_long_shows_a_bar_in_a_notebook_unasked(bars):
    "Features, ten trainings, a million rows: without `progress` a notebook stood still in silence"
    import torch
    from usbook.evidence.metrics import evaluate
    from usbook.learn.transfer import Network, compute_features
    from usbook.predictions.predictions import toy_predictions
    evaluate(toy_predictions(10, 4))
    assert any('intervals' in t for t in bars) and bars[-1] == 'done'
    bars.clear()
    net = Network(torch.nn.Identity(), torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)))
    compute_features(net, [(torch.ones(2, 1, 2, 2),)]*2)
    assert bars and set(bars) == {'computing features'}

def test_a_bar_is_neither_drawn_where_nobody_watches_nor_kept_in_a_page(bars, monkeypatch):
    from usbook.core.progress import Progress
    assert Progress.of(None).sink and not Progress.of(False).sink
    monkeypatch.setenv('USBOOK_WIDGETS', 'static')
    assert not Progress.of(None).sink

def test_a_bar_that_nobody_sees_move_is_a_line_per_stage(monkeypatch, capsys):
    "Through a pipe, `usbook look` wrote its moving bar as hundreds of pieces"
    from usbook.core import progress
    monkeypatch.delenv('USBOOK_WIDGETS', raising=False)
    monkeypatch.setattr(progress, 'watched', lambda: False)
    show = progress.late_bar(0)
    for i in range(50): show('looking at images', i/50)
    show('comparing images', 1.)
    assert capsys.readouterr() == ('', '  looking at images\n  comparing images\n')
    progress.late_bar(60)('looking', .5)
    monkeypatch.setenv('USBOOK_WIDGETS', 'static')
    progress.late_bar(0)('looking', .5)
    assert capsys.readouterr() == ('', '')

# Installed -------------------------------------------------------------------------------------------------

def test_the_wheel_carries_no_checkpoints(tmp_path):
    "JupyterLab's `.ipynb_checkpoints` went into the wheel"
    import zipfile
    for name in ('pyproject.toml', 'README.md', 'LICENSE', 'settings.ini', 'usbook/__init__.py', 'nbs/welcome.ipynb',
                 'nbs/evidence/00_glossary.ipynb', 'nbs/chapters/01_lung_signs.ipynb'):
        (tmp_path/name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT/name, tmp_path/name)
    for folder in ('usbook', 'usbook/weights', 'nbs/chapters', 'nbs/classroom/exercises', 'nbs/records'):
        hidden = tmp_path/folder/'.ipynb_checkpoints'
        hidden.mkdir(parents=True)
        (hidden/'x-checkpoint.ipynb').write_text('{}')
        (tmp_path/folder/'__pycache__').mkdir()
        (tmp_path/folder/'__pycache__'/'x.pyc').write_bytes(b'')
    words = [sys.executable, '-m', 'hatchling', 'build', '-t', 'wheel', '-d', tmp_path/'dist']
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    names = zipfile.ZipFile(next((tmp_path/'dist').glob('*.whl'))).namelist()
    assert 'usbook/_lab/chapters/01_lung_signs.ipynb' in names and 'usbook/_lab/welcome.ipynb' in names
    assert not [n for n in names if 'checkpoint' in n or 'pycache' in n]
    assert {n.split('/')[0].split('-')[0] for n in names} == {'usbook'}

def test_installed_away_from_the_checkout(tmp_path):
    "The wheel alone: list, the chapters, and a run whose sample is made on the spot"
    subprocess.run(
        [sys.executable, '-m', 'hatchling', 'build', '-t', 'wheel', '-d', str(tmp_path / 'dist')],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    import zipfile
    with zipfile.ZipFile(next((tmp_path/'dist').glob('*.whl'))) as z: z.extractall(tmp_path/'site')
    assert not list((tmp_path/'site').rglob('.ipynb_checkpoints')) and not (tmp_path/'site'/'nbs').exists()
    away = tmp_path/'away'
    away.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith('USBOOK_')} | dict(
        PYTHONPATH=str(tmp_path / 'site'),
        USBOOK_CACHE=str(tmp_path / 'cache'),
        USBOOK_PROFILE='test',
        USBOOK_OFFLINE='yes',
    )
    def usbook(*words):
        code = (
            'import sys, usbook; assert "site" in usbook.__file__; from usbook.cli.main import main; sys.exit(main())'
        )
        return subprocess.run([sys.executable, '-c', code, *words], cwd=away, env=env, text=True, capture_output=True)
    assert 'lung_signs' in usbook('list').stdout
    r = usbook('lab', '--no-start')
    assert (
        r.returncode == 0
        and (away / 'usbook-lab' / 'chapters' / '01_lung_signs.ipynb').is_file()
        and (away / 'usbook-lab' / 'settings.ini').is_file()
    )
    r = usbook('reproduce', 'lung_signs', '--weights', 'random', '--modes', 'frozen')
    assert r.returncode == 0 and 'report.html' in r.stdout, r.stdout + r.stderr
    assert list((away/'runs').glob('lung_signs-*/report.html'))

# What a run says in a terminal -----------------------------------------------------------------------------

def results(**kw):
    "results.json of an invented run"
    auc = dict(value=.81, low=.72, high=.88, method='')
    claim = dict(
        id='1',
        text='Better',
        verdict='supported',
        ours='0.1 (0.02 to 0.2)',
        reason='',
        patients=31,
        events=7,
        holm='inconclusive',
    )
    return (
        dict(
            study='lung_signs',
            data=dict(kind='sample'),
            runs=dict(frozen=dict(macro_auc=auc, accuracy=auc)),
            claims=[claim],
            luck=dict(sentence='0.1 of them would be supported by luck.'),
            warnings=['12 of 20 images were used.'],
        )
        | kw
    )

def shown(r, width=110):
    import io
    from usbook.cli.show import console, show_results
    out = console(width)
    out.file = io.StringIO()
    show_results(r, out)
    return ' '.join(out.file.getvalue().split())

@pytest.mark.parametrize('width', [60, 110])
def test_a_verdict_says_what_it_rests_on(width):
    text = shown(results(), width)
    for words in (
        'on 31 patients',
        '7 events',
        'Holm',
        'inconclusive',
        'supported by luck',
        '12 of 20 images were used',
        'paper',
    ):
        assert words in text, words

def test_own_images_of_other_classes_are_shown_without_the_paper():
    why = 'the images have other classes than the study (round, square)'
    odd = dict(claims=[dict(id='1', text='Better', verdict='not tested', ours='', reason=why)], data=dict(kind='own'))
    text = shown(results(**odd))
    assert (
        'AUC, mean over classes' in text
        and '0.810 (0.720 to 0.880)' in text
        and 'no claim of a paper was tested' in text
    )
    assert (
        'Better' not in text
        and 'luck' not in text
        and ' paper frozen' not in text
        and 'paper' in shown(results(data=dict(kind='own')))
    )


def test_evaluating_patients_loads_no_more_than_it_needs(usbook, tmp_path):
    "scipy.stats takes as long as all the rest; a word of it is asked for only where images are independent"
    from usbook.predictions.predictions import toy_predictions
    toy_predictions(20, 4).table.to_csv(tmp_path/'p.csv', index=False)
    code = ("import sys; from usbook.cli.main import main; c = main(['evaluate', 'p.csv', *sys.argv[1:]]); "
            "print('LOADED', 'scipy.stats._stats_py' in sys.modules, 'sklearn' in sys.modules, c)")
    def loaded(*words):
        r = subprocess.run([sys.executable, '-c', code, *words], capture_output=True, text=True, cwd=tmp_path)
        return r.stdout.splitlines()[-1], r.stdout
    last, shown = loaded()
    assert last == 'LOADED False False 0'
    last, _ = loaded('--independent')
    assert last == 'LOADED True False 0'
