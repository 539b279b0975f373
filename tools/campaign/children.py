"""Commands in forked children: what is heavy was imported once, so that a trial costs what the command itself costs."""
import atexit
import contextlib
import functools
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).parents[2]
LIMIT = 600  # seconds that any command may take here


def load():
    "Import everything that commands need, once, before anything is forked; one thread"
    import torch
    torch.set_num_threads(1)
    import usbook.all
    import usbook.cli.main
    import usbook.classroom.workshop
    import usbook.data.sets.adapters
    from usbook.cli.study import machinery_of
    from usbook.studies.study import STUDIES
    for s in STUDIES: machinery_of(s)
    return usbook.cli.main


def command(*words):
    "A command line as a function of the folder it runs in"
    def run(d):
        from usbook.cli.main import main
        return main([str(w) for w in words])
    return run


@dataclass
class Output:
    "Where standard output goes"
    encoding: str = 'utf-8'
    to: str = ''  # a device; '' is a file
    closed: bool = False


def start(run, folder, output=Output(), **env):
    "Fork a child that runs a function there; its process id"
    pid = os.fork()
    if pid: return pid
    code = 99
    try:
        os.setsid()
        os.chdir(folder)
        os.environ.update(USBOOK_RUNS=str(folder/'runs'), USBOOK_CACHE=str(folder/'cache'), USBOOK_PROFILE='test',
                          USBOOK_OFFLINE='yes', USBOOK_DEVICE='cpu', OMP_NUM_THREADS='1', MPLBACKEND='agg')
        os.environ.update(env)
        redirect(Path(os.environ.get('CAMPAIGN_SAYS', folder)), output)
        for s in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
            signal.signal(s, signal.default_int_handler if s == signal.SIGINT else signal.SIG_DFL)
        code = run(folder) or 0
        with contextlib.suppress(Exception): sys.stdout.flush()
    except BaseException:
        with contextlib.suppress(Exception): os.write(2, traceback.format_exc().encode())
        code = 98
    finally: os._exit(code)


def redirect(folder, output):
    "Standard output and standard error of a child, as a terminal of that kind would have them"
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    out = os.open(output.to, os.O_WRONLY) if output.to else os.open(folder/f'.out-{os.getpid()}', new)
    err = os.open(folder/f'.err-{os.getpid()}', new)
    for fd, to in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)): os.dup2(fd, to)
    sys.stderr = io.TextIOWrapper(open(2, 'wb', closefd=False), encoding=output.encoding, errors='backslashreplace',
                                  line_buffering=True)
    sys.stdout = None if output.closed else io.TextIOWrapper(open(1, 'wb', closefd=False), encoding=output.encoding)
    if output.closed: os.close(1)


def finish(pid, folder, limit=LIMIT):
    "(exit code, negative for a signal; what was said on standard error and standard output); None where it hangs"
    until = time.monotonic() + limit
    while True:
        got, status = os.waitpid(pid, os.WNOHANG)
        if got: break
        if time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None, 'hangs', ''
        time.sleep(.005)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # what it left running
    said = [take(folder/f'.{k}-{pid}') for k in ('err', 'out')]
    return os.waitstatus_to_exitcode(status), *said


def take(f):
    text = f.read_bytes().decode('utf-8', 'replace') if f.is_file() else ''
    f.unlink(missing_ok=True)
    return text


def visible(folder):
    "Digest of every file that is no leftover: neither it nor a folder above it begins with a dot"
    from usbook.core.files import digest
    out = {}
    for f in sorted(Path(folder).rglob('*')) if Path(folder).is_dir() else ():
        rel = f.relative_to(folder)
        if f.is_file() and not any(p.startswith('.') for p in rel.parts): out[rel.as_posix()] = digest(f)
    return out


def said_badly(code, err):
    "What is wrong with the way a command ended"
    if code is None: return 'it hangs'
    lines = [line for line in err.replace('\r', '\n').splitlines() if line.strip() and not {'|', '%'} & set(line)]
    if 'Traceback' in err: return f'a traceback: {err[-1200:]}'
    if code in (70, 98, 99): return f'exit {code}: {err[-1200:]}'
    if len(lines) > 3: return f'{len(lines)} lines: {err[-600:]}'
    return ''


# What writes ---------------------------------------------------------------------------------------------------

@dataclass
class Writer:
    "A command that writes, and how to tell that what is there is whole"
    name: str
    run: Callable                      # folder -> exit code
    prepare: Callable = lambda d: None # puts there what the command reads
    out: str = 'out'                   # folder of its results, below the folder it runs in
    same: bool = True                  # whether every file is the same whenever it is made
    again: tuple = (0,)                # exit codes of the same command afterwards
    env: dict = field(default_factory=dict)
    reference: dict = field(default_factory=dict)
    seconds: float = 0.  # that an undisturbed run takes
    need: int = 0        # kilobytes that it leaves
    warm: str = ''       # a folder with what an undisturbed run computed on the way: trainings and features

    def broken(self, d):
        "Files there that are not what an undisturbed run leaves"
        if not self.same: return self.whole(d)
        return [k for k, v in visible(d/self.out).items() if self.reference.get(k) != v]

    def complete(self, d):
        "What is missing after a run that ended well"
        if not self.same: return self.whole(d)
        return [k for k in self.reference if k not in visible(d/self.out)] + self.broken(d)

    def whole(self, d): return []


class Runs(Writer):
    "Runs of a study: each folder that can be seen is whole, and the numbers are always the same"

    def whole(self, d):
        from PIL import Image
        from usbook.predictions.detections import Detections
        from usbook.predictions.predictions import Predictions
        wrong = []
        for run in sorted((d/'runs').iterdir()) if (d/'runs').is_dir() else ():
            if run.name.startswith('.'): continue
            try:
                r = json.loads((run/'results.json').read_text())
                for name in ('settings.json', 'environment.json'): json.loads((run/name).read_text())
                for arm in r['runs']:
                    table, folder = run/f'predictions-{arm}.csv', run/f'detections-{arm}'
                    three = (folder/f'{k}.csv' for k in ('detections', 'lesions', 'scans'))
                    Detections.read(*three) if folder.is_dir() else Predictions.read(table)
                if self.reference and numbers(r) != self.reference: wrong.append(f'{run.name}: other numbers')
                html = run/'report.html'
                if html.is_file() and not page_is_whole(html): wrong.append(f'{html}: cut off')
                for f in run.rglob('*.png'): Image.open(f).load()
            except Exception as e: wrong.append(f'{run.name}: {type(e).__name__}: {e}')
        return wrong


def page_is_whole(f): return f.read_text(encoding='utf-8').rstrip().endswith('</html>')


def numbers(r): return json.loads(json.dumps({k: r[k] for k in ('runs', 'claims')}))


# The commands --------------------------------------------------------------------------------------------------

def class_files(d):
    import numpy as np
    from usbook.predictions.predictions import toy_predictions
    from usbook.predictions.readers import write_answers
    p, rng = toy_predictions(10, 4, ['a', 'b', 'c']), np.random.default_rng(0)
    (d/'class').mkdir(exist_ok=True)
    for i in range(12):
        said = np.where(rng.random(40) < .2, rng.integers(0, 3, 40), p.target)
        write_answers(d/'class'/f'reader_s{i:02}.csv', [dict(image=p.table.image[j], label='abc'[said[j]], seconds='1',
                                                             when='') for j in range(40)])
    p.table[['image', 'patient', 'target']].to_csv(d/'truth.csv', index=False)


def clips_of_a_set(d, folder='out'):
    import numpy as np
    from PIL import Image
    top = d/folder/'data'
    if top.is_dir(): return
    rows = ['Filename,License,Type,Probe,Patient ID / Name,Effusion,Consolidations,B-lines,A-lines']
    (top/'pocus_videos'/'convex').mkdir(parents=True)
    for p in range(12):
        rng = np.random.default_rng(p)
        ims = [Image.fromarray(rng.integers(1, 255, (60, 60), dtype='uint8')) for _ in range(16)]
        ims[0].save(top/'pocus_videos'/'convex'/f'c{p}.gif', save_all=True, append_images=ims[1:], duration=40)
        rows.append(f'c{p},CC BY 4.0,video,convex,{p},0,0,{p % 2},{1 - p % 2}')
    (top/'dataset_metadata.csv').write_text('\n'.join(rows))


def cut(d):
    "What `reproduce --data open:pocus` does with the set before anything is learned"
    from usbook.cli import auditing, main
    from usbook.data.sets.adapters import adapt
    auditing._list = lambda args: adapt('pocus', d/'out') and 0
    return main.main(['list'])


def clips_in_the_cache(d): clips_of_a_set(d, Path('cache', 'open', 'pocus', 'files'))


def samples(d):
    "The committed samples, as a checkout has them; how they are made is what `phantom` is for"
    if not (d/'data_samples').is_symlink(): (d/'data_samples').symlink_to(ROOT/'data_samples')


@functools.cache
def run_to_use():
    "A folder with a finished run and its networks, made once"
    d = Path(tempfile.mkdtemp(prefix='usbook-campaign-'))
    atexit.register(forget, d, os.getpid())
    samples(d)
    code, err, _ = finish(start(command('reproduce', 'lung_signs', '--modes', 'frozen'), d), d)
    assert code == 0, err
    return d


def finished_run(d):
    for name in ('runs', 'cache'): shutil.copytree(run_to_use()/name, d/name, dirs_exist_ok=True)
    (d/'out').mkdir(exist_ok=True)


def with_run(*words):
    "A command that uses a finished run: RUN becomes its folder"
    def run(d):
        found = next((d/'runs').glob('[a-z]*'))
        return command(*(found if w == 'RUN' else w for w in words))(d)
    return run


def shop(d):
    "A shop of two small packages, in place of an index"
    import zipfile
    (d/'shop').mkdir(exist_ok=True)
    for name in ('usb_one', 'usb_two'):
        info = f'{name}-1.0.dist-info'
        facts = f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n'
        files = {f'{name}.py': 'here = True\n', f'{info}/METADATA': facts,
                 f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n'}
        files[f'{info}/RECORD'] = ''.join(f'{f},,\n' for f in [*files, f'{info}/RECORD'])
        with zipfile.ZipFile(d/'shop'/f'{name}-1.0-py3-none-any.whl', 'w') as z:
            for f, text in files.items(): z.writestr(f, text)


def box(d):
    "The workshop's folder, with two small packages in place of three gigabytes"
    from usbook.classroom import workshop as ws
    from usbook.cli import auditing, main
    packages = ws.Packages(('--no-index', '--find-links', str(d/'shop')), only=('usb_one', 'usb_two'))
    auditing._list = lambda args: ws.make_workshop(d/'out', packages=packages, book=False, key=True, say=print) and 0
    return main.main(['list'])


class Box(Writer):
    "The workshop's folder is there and whole, or not there"

    def whole(self, d):
        names = {k for k in visible(d/'out')}
        return sorted({*self.reference} - names)[:3] if names else []


class Said(Writer):
    "Predictions of new images: the table and what is known of it"

    def whole(self, d):
        from usbook.predictions.predictions import Predictions
        there = visible(d/'out')
        if 'p.csv' not in there: return []  # what is known of it comes first, and is nothing by itself
        try: Predictions.read(d/'out'/'p.csv')
        except Exception as e: return [f'{type(e).__name__}: {e}']
        return [k for k in self.reference if k not in there]

    def complete(self, d): return self.whole(d) if (d/'out'/'p.csv').is_file() else ['p.csv']


class Tables(Writer):
    "The class's table and picture, each whole, however many times they were made"

    def whole(self, d):
        first = self.reference.get('class-table.csv')
        wrong = [k for k, v in visible(d/'out').items() if k.endswith('.csv') and first and v != first]
        return wrong + [f.name for f in (d/'out').glob('[!.]*.html') if not page_is_whole(f)]

    def complete(self, d): return self.whole(d) or [] if (d/'out'/'class.html').is_file() else ['class.html']


class Pages(Writer):
    "A page is there and whole, or not there"

    def whole(self, d): return [f.name for f in (d/'out').glob('[!.]*.html') if not page_is_whole(f)]

    def complete(self, d): return self.whole(d) if list((d/'out').glob('[!.]*.html')) else ['the page']


class Packs(Writer):
    "A learner's pack can be opened, however many of them were made"

    def whole(self, d):
        import zipfile
        def bad(f):
            try: return zipfile.ZipFile(f).testzip()
            except Exception as e: return type(e).__name__
        return [f'{f.name}: {bad(f)}' for f in (d/'out').glob('[!.]*.zip') if bad(f)]

    def complete(self, d): return self.whole(d) if list((d/'out').glob('[!.]*.zip')) else ['the pack']


def in_a_folder(d): (d/'out').mkdir(exist_ok=True)


def table(d):
    in_a_folder(d)
    rows = [f'{i}.png,{i // 3},{"ab"[i % 2]},0.{i + 10},0.{90 - i}' for i in range(60)]
    (d/'p.csv').write_text('image,patient,target,p_a,p_b\n' + '\n'.join(rows) + '\n')


def spoilt_table(d):
    rows = [f'{i}.png,,c{i},.9,.9' for i in range(3000)]
    (d/'p.csv').write_text('image,patient,target,p_a,p_b\n' + '\n'.join(rows) + '\n')


IMAGES = ROOT/'data_samples'/'lung_signs'/'manifest.csv'
STUDIES = ('lung_signs', 'head_ct', 'breast_cine', 'abdomen', 'pneumoconiosis')


@functools.cache
def writers():
    "Every command that writes"
    return [
        Writer('phantom', command('phantom', 'abdomen', '--n', '16', '--size', '64', '--out', 'out', '--workers', '1')),
        Writer('phantom, two processes', command('phantom', 'lung_signs', '--n', '16', '--size', '64', '--out', 'out',
                                                 '--workers', '2')),
        Writer('phantom of clips', command('phantom', 'breast_cine', '--n', '3', '--size', '64', '--out', 'out',
                                           '--workers', '1')),
        Writer('exercises', command('exercises', 'out', '--solutions', '--key')),
        Writer('lab', command('lab', '--no-start'), out='usbook-lab'),
        Tables('class', command('class', 'class', '--truth', 'truth.csv', '--out', 'out'), class_files, same=False),
        Writer('list of problems', command('evaluate', 'p.csv'), spoilt_table, out='.', again=(2,)),
        Writer('cutting a public set', cut, clips_of_a_set),
        Writer('new', command('new', 'out/x', '--classes', 'calm,odd', '--title', 'T'), in_a_folder, again=(0, 2)),
        Writer('page', command('page', 'out/page.html'), in_a_folder),
        Pages('report of an evaluation', command('evaluate', 'p.csv', '--report', 'out/r.html'), table, same=False),
        Pages('look', command('look', IMAGES.parent, '--out', 'out/look.html'), in_a_folder, same=False),
        Writer('before-after', command('before-after', '--out', 'out')),
        Packs('submit', command('submit', 'class/reader_s00.csv', '--name', 'Ada', '--out', 'out'), class_files,
              same=False),
        Box('workshop', box, shop, same=False, again=(0, 2)),
        Said('predict', with_run('predict', 'RUN', IMAGES, '--out', 'out/p.csv'), finished_run, same=False,
             again=(0, 2)),
        Writer('export', with_run('export', 'RUN', 'out/net.safetensors'), finished_run, again=(0, 2)),
        *(Runs(f'reproduce {s}', command('reproduce', s, '--modes', 'frozen'), samples, out='runs', same=False)
          for s in STUDIES),
        Runs('reproduce of open data', command('reproduce', 'lung_signs', '--data', 'open:pocus', '--modes', 'frozen'),
             clips_in_the_cache, out='runs', same=False),
    ]


def size_of(folder): return sum(f.stat().st_size for f in Path(folder).rglob('*') if f.is_file())


def forget(folder, owner):
    "At the end of the process that made it; its children leave it alone"
    if os.getpid() == owner: shutil.rmtree(folder, ignore_errors=True)


def undisturbed(w, d):
    "A run that nobody disturbs, once: what it leaves, and how long it takes; the complaint, if any"
    if w.reference: return ''
    shutil.rmtree(d, ignore_errors=True)
    d.mkdir(parents=True)
    w.prepare(d)
    began = time.monotonic()
    code, err, out = finish(start(w.run, d, **w.env), d)
    w.seconds = time.monotonic() - began
    if code not in w.again or said_badly(code, err): return f'undisturbed: exit {code}, {err[-500:]}'
    if isinstance(w, Runs): w.reference = numbers(json.loads(next((d/'runs').glob('[a-z]*/results.json')).read_text()))
    else: w.reference = visible(d/w.out)
    w.need = size_of(d)//1000 + 50
    if isinstance(w, Runs):
        w.warm = tempfile.mkdtemp(prefix='usbook-campaign-')
        atexit.register(forget, w.warm, os.getpid())
        shutil.copytree(d/'cache', w.warm, dirs_exist_ok=True)
    return '' if w.reference else 'undisturbed: it left nothing'
