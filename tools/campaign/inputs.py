"""Spoilt files for every reader: each is read, or refused in one sentence, within ten seconds and in bounded memory."""
import contextlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import time
import traceback
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from usbook.core.errors import BadInput

try: import tomllib
except ImportError: import tomli as tomllib # Python 3.10

from .mutations import BYTES, TABLE, TEXT, TREE, mutate

SECONDS, MEGABYTES, LETTERS = 10, 3000, 500  # of a processor's time, of memory, and how long a sentence may be
PATIENCE = 240                               # seconds on the clock: other work may go on beside this


def pixels(seed, shape=(16, 16)): return np.random.default_rng(seed).integers(0, 255, shape, dtype='uint8')


def png(path, seed=0, shape=(16, 16)):
    from PIL import Image
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed, shape)).save(path)


def rows(path, head, *lines):
    path.write_text('\n'.join([head, *lines]) + '\n', encoding='utf-8')


# What there is to read: each function fills a folder and gives (files to spoil, kinds of mutation, how to read) ------

def manifest(d):
    from usbook.data.manifest import Manifest
    for i in range(6): png(d/f'{i}.png', i)
    png(d/'m.png', 9)
    rows(d/'manifest.csv', 'image,patient,label,split,frame',
         *(f'{i}.png,P{i // 2},{"ab"[i % 2]},{["train", "valid", "test"][i // 2]},' for i in range(6)))
    return ['manifest.csv'], TABLE, lambda: Manifest.read(d/'manifest.csv')


def rule(d):
    from usbook.data.manifest import tree_manifest
    for i in range(6): png(d/'tree'/'ab'[i % 2]/f'{i}.png', i)
    rows(d/'patients.csv', 'image,patient', *(f'{"ab"[i % 2]}/{i}.png,P{i // 2}' for i in range(6)))
    return ['patients.csv'], TABLE, lambda: tree_manifest(d/'tree', d/'patients.csv')


def predictions(d):
    from usbook.evidence.compare import compare
    from usbook.evidence.metrics import evaluate
    from usbook.predictions.predictions import Predictions
    rows(d/'p.csv', 'image,patient,target,p_a,p_b,reader_x',
         *(f'{i}.png,{i // 3},{"ab"[i % 2]},0.{i + 10},0.{90 - i},a' for i in range(30)))
    (d/'p.json').write_text(json.dumps(dict(study='x', classes=['a', 'b'], seed=0, weights=dict(source='random'))))
    def read():
        p = Predictions.read(d/'p.csv')
        evaluate(p)
        if len(p) == 30 and 'reader_x' in p.table: compare(p, 'x')
    return ['p.csv', 'p.csv', 'p.json'], TABLE, read


def parquet(d):
    from usbook.predictions.predictions import Predictions
    import pandas as pd
    pd.DataFrame(dict(image=['1', '2', '3'], patient=['1', '2', '3'], target=['a', 'b', 'a'], p_a=[.4, .2, .3],
                      p_b=[.6, .8, .7])).to_parquet(d/'p.parquet')
    return ['p.parquet'], BYTES, lambda: Predictions.read(d/'p.parquet')


def detections(d):
    from usbook.evidence.froc import froc
    from usbook.predictions.detections import Detections
    rows(d/'scans.csv', 'scan,patient,n_frames', *(f's{i},{i // 2},30' for i in range(8)))
    rows(d/'lesions.csv', 'scan,frame,lesion,x,y,w,h', *(f's{i},3,1,10,12,20,30' for i in range(5)))
    rows(d/'d.csv', 'scan,frame,x,y,w,h,score,track', *(f's{i % 8},3,1{i},12,20,30,.{i + 10},1' for i in range(20)))
    (d/'scans.json').write_text('{"study": "x"}')
    def read(): froc(Detections.read(d/'d.csv', d/'lesions.csv', d/'scans.csv'))
    return ['scans.csv', 'lesions.csv', 'd.csv', 'scans.json'], TABLE, read


def clips(d):
    from PIL import Image
    from usbook.data.clips import read_clips
    for c in range(3):
        ims = [Image.fromarray(pixels(10*c + k, (40, 48))) for k in range(4)]
        ims[0].save(d/f'P{c}.gif', save_all=True, append_images=ims[1:])
        for k in range(3): png(d/f'P{c}_f'/f'frame_{k:03}.png', 100 + 10*c + k, (40, 48))
    rows(d/'lesions.csv', 'scan,frame,x,y,w,h', 'P0,1,3,4,10,12', 'P1_f,2,5,5,8,8')
    rows(d/'scans.csv', 'scan,patient', *(f'{s},{s[1]}' for s in ('P0', 'P1', 'P2', 'P0_f', 'P1_f', 'P2_f')))
    return ['lesions.csv', 'scans.csv', 'P0.gif', 'P1_f/frame_001.png'], TABLE, lambda: read_clips(d).clip('P0')


def readers(d):
    from usbook.predictions.predictions import toy_predictions
    from usbook.predictions.readers import add_readers
    p = toy_predictions(10, 3, ['a', 'b'])
    rows(d/'reader_x.csv', 'image,label,seconds,when', *(f'{o},a,1.5,2026-01-01' for o in p.table.image))
    return ['reader_x.csv'], TABLE, lambda: add_readers(p, d/'reader_x.csv')


def class_files(d):
    from usbook.classroom.table import read_class
    for k in range(3): rows(d/'c'/f'reader_{k}.csv' if (d/'c').mkdir(exist_ok=True) is None else d,
                            'image,label,seconds,when', *(f'{i}.png,{"ab"[(i + k) % 2]},1,' for i in range(9)))
    rows(d/'c'/'net.csv', 'image,patient,target,p_a,p_b', *(f'{i}.png,{i},{"ab"[i % 2]},.4,.6' for i in range(9)))
    rows(d/'truth.csv', 'image,patient,target', *(f'{i}.png,{i},{"ab"[i % 2]}' for i in range(9)))
    def read():
        t = read_class(d/'c', d/'truth.csv')
        t.each(), t.images(), t.fleiss(), t.sentence()
        for _, why in t.left_out: one_sentence(why)
    return ['c/reader_0.csv', 'c/reader_1.csv', 'c/net.csv', 'truth.csv'], TABLE, read


def audit_toml(d):
    from usbook.evidence.audit.findings import audit
    from usbook.evidence.audit.reading import EXAMPLE_NUMBERS, read_numbers
    (d/'n.toml').write_text(EXAMPLE_NUMBERS.replace('max_n = 2000', 'max_n = 200'), encoding='utf-8')
    return ['n.toml'], TEXT, lambda: [str(f) for f in audit(small(read_numbers(d/'n.toml')))]


def audit_arms(d):
    from usbook.evidence.audit.findings import audit
    from usbook.evidence.audit.reading import read_numbers
    text = ''.join(f'[class.c{i}]\nn = {30 + i}\nprecision = ".8{i}"\nrecall = ".9{i}"\n' for i in range(3))
    text += '[arm.reader]\ncorrect = 80\nn = 120\naccuracy = "66.7 %"\n'
    (d/'n.toml').write_text('title = "t"\nmax_n = 200\n' + text)
    return ['n.toml'], TEXT, lambda: [str(f) for f in audit(small(read_numbers(d/'n.toml')))]


def small(numbers):
    "A search over few images: what is looked at here is the reading"
    with contextlib.suppress(AttributeError, TypeError):
        import dataclasses
        return dataclasses.replace(numbers, max_n=min(numbers.max_n or 200, 200))
    return numbers


def study_toml(d):
    from importlib.resources import files
    from usbook.studies.study import read_study
    text = files('usbook.studies').joinpath('abdomen.toml').read_text(encoding='utf-8')
    (d/'s.toml').write_text(text, encoding='utf-8')
    def read():
        s = read_study(d/'s.toml')
        s.show(), s.table(), s.claims_hash
    return ['s.toml'], TEXT, read


def settings(d):
    from usbook.core.settings import read_settings
    lines = ['data = sample', 'weights = auto', 'runs = runs', 'cache =', 'profile = quick', 'seed = 0']
    (d/'settings.ini').write_text('# the settings\n[usbook]\n' + '\n'.join(lines) + '\ndevice = auto\noffline = no\n')
    def read():
        s = read_settings(d)
        s.path('runs'), s.path('cache')
    return ['settings.ini'], TEXT, read


def weights(d):
    import torch
    from safetensors.torch import save_file
    from usbook.core.settings import Settings
    from usbook.learn.weights import backbone, digest, find_weights
    from torchvision.models import squeezenet1_1
    torch.manual_seed(0)
    state = {k: v.half() for k, v in squeezenet1_1(weights=None).state_dict().items()}
    save_file(state, d/'w.safetensors')
    torch.save(state, d/'w.pth')
    def named(suffix):
        for f in d.glob('squeezenet*'): f.unlink()
        f = d/f'w{suffix}'
        sha = digest(f) if f.is_file() and f.stat().st_size < 10**8 and not f.is_symlink() else '0'*64
        to = d/f'squeezenet1_1-{sha[:8]}{suffix}'
        if f.exists() and not f.is_dir(): os.link(f, to)
        (d/'squeezenet1_1.json').write_text('{"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}')
    def read():
        for suffix in ('.safetensors', '.pth'):
            named(suffix)
            if list(d.glob('squeezenet*' + suffix)):
                backbone('squeezenet1_1', find_weights('squeezenet1_1', Settings(weights=str(d), offline=True)))
    return ['w.safetensors', 'w.pth'], BYTES, read


def weight_cards(d):
    import torch
    from safetensors.torch import save_file
    from usbook.core.settings import Settings
    from usbook.learn.weights import digest, find_weights
    save_file(dict(x=torch.zeros(2)), d/'w.safetensors')
    f = (d/'w.safetensors').rename(d/f"squeezenet1_1-{digest(d/'w.safetensors')[:8]}.safetensors")
    card = f.with_suffix('.json')
    card.write_text(json.dumps(dict(mean=[.5, .5, .5], std=[.2, .2, .2], licence='x')))
    return [card.name], TREE, lambda: find_weights('squeezenet1_1', Settings(weights=str(d), offline=True))


def archives(d):
    import tarfile
    from usbook.data.sets.fetch import unpack
    for i in range(4): png(d/'in'/f'{i}.png', i)
    with zipfile.ZipFile(d/'a.zip', 'w', zipfile.ZIP_DEFLATED) as z:
        for f in sorted((d/'in').iterdir()): z.write(f, f'top/{f.name}')
    with tarfile.open(d/'a.tar.gz', 'w:gz') as t: t.add(d/'in', 'top')
    def read():
        for a in ('a.zip', 'a.tar.gz'):
            shutil.rmtree(d/'out', ignore_errors=True)
            unpack(d/a, d/'out')
    return ['a.zip', 'a.tar.gz'], BYTES, read


def open_set(d):
    from usbook.data.sets import adapters
    top = d/'data'/'pocus_videos'/'convex'
    top.mkdir(parents=True)
    from PIL import Image
    for p in range(4):
        ims = [Image.fromarray(pixels(10*p + k, (24, 24))) for k in range(4)]
        ims[0].save(top/f'c{p}.gif', save_all=True, append_images=ims[1:], duration=40)
    rows(d/'data'/'dataset_metadata.csv', 'Filename,License,Type,Probe,Patient ID / Name,Effusion,Consolidations,'
         'B-lines,A-lines', *(f'c{p},CC BY 4.0,video,convex,{p},0,0,{p % 2},{1 - p % 2}' for p in range(4)))
    def read():
        shutil.rmtree(d/'frames', ignore_errors=True)
        adapters.adapt('pocus', d)
    return ['data/dataset_metadata.csv', 'data/pocus_videos/convex/c1.gif'], TABLE, read


def set_json(d):
    from dataclasses import replace
    from usbook.data.sets import adapters, facts
    facts.OPEN['buv'] = replace(facts.OPEN['buv'], counts=dict(clips=4))  # in this process only
    rng = np.random.default_rng(0)
    top = d/'Miccai 2022 BUV Dataset'
    for kind in ('benign', 'malignant'):
        for k in range(2):
            for i in range(3): png(top/'rawframes'/kind/f'{kind}{k}'/f'{i:06}.png', int(rng.integers(1e6)), (40, 40))
    images, notes, videos, n = [], [], [], 0
    for kind in ('benign', 'malignant'):
        for k in range(2):
            videos.append(dict(id=len(videos) + 1, name=f'{kind}/{kind}{k}'))
            for i in range(3):
                n += 1
                images.append(dict(id=n, file_name=f'{kind}/{kind}{k}/{i:06}.png', width=40, height=40, frame_id=i,
                                   video_id=len(videos)))
                if i: notes.append(dict(id=n, image_id=n, bbox=[3, 3, 10, 12], category_id=1, video_id=len(videos)))
    (top/'train.json').write_text(json.dumps(dict(images=images, annotations=notes, videos=videos,
                                                  categories=[dict(id=1, name='benign')])))
    return [str((top/'train.json').relative_to(d))], TREE, lambda: adapters.adapt('buv', d, image_level=True)


def dicom(d):
    import pydicom
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
    from usbook.data.images import load_image
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=['x'])
    tags = dict(Modality='CT', PatientID='1', Rows=16, Columns=16, SamplesPerPixel=1, BitsAllocated=16, BitsStored=16,
                HighBit=15, PixelRepresentation=1, PhotometricInterpretation='MONOCHROME2', RescaleSlope='1',
                RescaleIntercept='-1024', WindowCenter='40', WindowWidth='80')
    for k, v in tags.items(): setattr(ds, k, v)
    ds.PixelData = np.random.default_rng(0).integers(0, 2000, (16, 16), dtype='int16').tobytes()
    ds.save_as(d/'i.dcm', enforce_file_format=True)
    return ['i.dcm'], BYTES, lambda: load_image(d/'i.dcm')


def pictures(d):
    from PIL import Image
    from usbook.data.images import load_image
    im = Image.fromarray(pixels(0, (32, 40)))
    names = ['a.png', 'a.jpg', 'a.tif', 'a.bmp', 'a.gif', 'a.webp']
    for n in names: im.save(d/n)
    def read():
        bad = None
        for n in names:
            try: load_image(d/n)
            except Exception as e: bad = e  # one of them is spoilt
        if bad: raise bad
    return names, BYTES, read


def records(d):
    from usbook.runs.record import Record
    figures = [dict(study='x', arm='a', metric='auc', value=.8, low=.7, high=.9, method='m', patients=9)]
    r = Record('make x', dict(x=dict(sha256='ab'*32)), figures, rows=[dict(a=1)], how=dict(seed=0), date='2026-01-01',
               versions=dict(python='3'))
    r.write(d/'r.json')
    def read():
        r = Record.read(d/'r.json')
        r.arms, r.as_dict()
        for a in r.arms: r.metrics(a)
    return ['r.json'], TREE, read


def fit_cards(d):
    from usbook.core.settings import Settings
    from usbook.learn.fits import kept_fits, prune_fits
    f = d/'fits'/'0123456789abcdef01234567'
    f.mkdir(parents=True)
    card = dict(inputs=dict(mode='frozen', recipe=dict(arch='x', epochs=3)), files={'history.csv': '0'*64}, seconds=3.,
                times={}, frozen=True, notes=[], made='2026-01-01')
    (f/'card.json').write_text(json.dumps(card))
    def read():
        from usbook.learn.fits import read_fit
        s = Settings(cache=str(d))
        kept_fits(s), prune_fits(s, days=10**6)
        try: read_fit(f, SimpleNamespace(classes=['a', 'b']), None)
        except ValueError as e: one_sentence(e)
    return [str((f/'card.json').relative_to(d))], TREE, read


def networks(d):
    from dataclasses import asdict
    from safetensors.torch import save_file
    from usbook.learn.export import load_network
    from usbook.learn.recipe import Recipe
    from usbook.learn.transfer import network
    from usbook.learn.weights import Weights
    recipe, w = Recipe('squeezenet1_1', size=32, epochs=1, batch=8), Weights('squeezenet1_1', 'random', 'random')
    facts = dict(classes=['a', 'b'], mode='frozen', networks=1, recipe=asdict(recipe), weights=w.as_dict())
    state = {f'0.{k}': v.contiguous() for k, v in network(recipe, w, 2).state_dict().items()}
    save_file(state, d/'n.safetensors', metadata=dict(usbook=json.dumps(facts)))
    return ['n.safetensors'], BYTES, lambda: load_network(d/'n.safetensors')


def phantom_folder(d):
    from usbook.phantoms.samples import make_sample
    make_sample('abdomen', d/'ph', n=3, size=32, workers=1, progress=False)
    return ['ph/sample.json', 'ph/manifest.csv'], TREE, lambda: make_sample('abdomen', d/'ph', n=3, size=32, workers=1,
                                                                              progress=False)


def nifti(d):
    import struct
    from usbook.data.sets.adapters import read_nifti
    head = bytearray(352)
    head[:4], head[40:56] = struct.pack('<i', 348), struct.pack('<8h', 3, 6, 5, 4, 1, 1, 1, 1)
    head[70:72], head[108:120] = struct.pack('<h', 4), struct.pack('<3f', 352, 1, -1024)
    (d/'v.nii').write_bytes(bytes(head) + np.arange(120, dtype='<i2').tobytes())
    import gzip
    (d/'v.nii.gz').write_bytes(gzip.compress((d/'v.nii').read_bytes()))
    def read():
        for f in ('v.nii', 'v.nii.gz'): read_nifti(d/f)
    return ['v.nii', 'v.nii.gz'], BYTES, read


def packs(d):
    from usbook.classroom.pack import read_pack, read_packs, submit
    rows(d/'reader_ada.csv', 'image,label,seconds,when', *(f'{i}.png,a,1,' for i in range(9)))
    cells = [dict(cell_type='code', metadata={}, source='x = 1', outputs=[], execution_count=None)]
    (d/'n.ipynb').write_text(json.dumps(dict(cells=cells, metadata={}, nbformat=4, nbformat_minor=4)))
    (d/'c').mkdir()
    for name in ('Ada', 'Ben'): submit([d/'reader_ada.csv', d/'n.ipynb'], name, out=d/'c')
    (d/'new').mkdir()
    def read():
        for _, why in read_packs(d/'c')[1]: one_sentence(why)
        read_pack(d/'c'/'submission-Ada.zip')
        for f in (d/'new').glob('*.zip'): f.unlink()
        submit([d/'reader_ada.csv', d/'n.ipynb'], 'Ada', out=d/'new')
    return ['c/submission-Ada.zip', 'n.ipynb', 'reader_ada.csv'], BYTES, read


def paper_texts(d):
    from usbook.evidence.audit.text import numbers_toml, paper_text, spot_numbers
    words = ('Results. The network reached an accuracy of 76.6 % (95 % CI 70.1 to 82.0) on 158 images of 90 patients, '
             'a sensitivity of 0.84 (55/66), a specificity of 71.7%, and an AUC of .86.')
    (d/'t.txt').write_text(f'{words}\n'*3)
    def read(): tomllib.loads(numbers_toml(spot_numbers(paper_text(d/'t.txt'))))
    return ['t.txt'], TEXT, read


def run_folder(d):
    from usbook.core.settings import Settings
    from usbook.runs.networks import card_facts, read_run, run_ensemble
    from usbook.runs.rerun import compare_runs, made_by, settings_for
    options = dict(study='lung_signs', data='sample', profile='test', seed=0, weights='auto', device='cpu',
                   modes=['frozen'], arch=None, patients=None, image_level=False, same_patient=False)
    arm = dict(accuracy=dict(value=.8, low=.7, high=.9, method='m', note='', patients=9, events=3))
    result = dict(study='lung_signs', data=dict(images=9, patients=9, source='s', sha256='ab'*32, kind='sample',
                                                name='lung_signs', pictures={}),
                  runs={'x-frozen': arm}, claims=[dict(id='a', verdict='supported')], fits={'x-frozen': ['ab'*12]},
                  arms={'x-frozen': dict(title='X, frozen')},
                  made=dict(options=options, versions=dict(python='3'), command='usbook reproduce lung_signs'))
    (d/'r').mkdir()
    (d/'r'/'results.json').write_text(json.dumps(result))
    rows(d/'r'/'predictions-x-frozen.csv', 'image,patient,target,p_a,p_b', '1.png,1,a,.4,.6')
    def read():
        r = read_run(d/'r')
        card_facts(r, 'x-frozen'), compare_runs(r, r), settings_for(made_by(d/'r'))
        try: run_ensemble(d/'r', Settings(cache=str(d/'cache')))
        except BadInput as e: one_sentence(e)  # its fits are not there
    return ['r/results.json'], TREE, read


READERS = [
    manifest, rule, predictions, parquet, detections, clips, readers, class_files, audit_toml, audit_arms, study_toml,
    settings, weights, weight_cards, archives, open_set, set_json, dicom, pictures, records, fit_cards, networks,
    phantom_folder, nifti, packs, paper_texts, run_folder
]


# One reading --------------------------------------------------------------------------------------------------

class TooSlow(BaseException):
    "Not to be caught by what is read"


class Odd(Exception):
    "What should not have come up"


def one_sentence(e):
    "Complain about a refusal that is no single short line"
    from usbook.core.errors import one_line
    text = str(e)
    if '\n' in text or '\r' in text: raise Odd(f'more than one line: {text[:200]!r}')
    if len(text) > LETTERS: raise Odd(f'{len(text)} characters: {text[:300]!r}')
    if one_line(text, 10**5) != text: raise Odd(f'not printable: {text[:200]!r}')


CLOCKS = ((signal.SIGALRM, signal.ITIMER_REAL, PATIENCE), (signal.SIGPROF, signal.ITIMER_PROF, SECONDS))


def reading(read):
    "('read' or 'refused', sentence) or ('failed', why)"
    def late(*_): raise TooSlow
    for s, timer, seconds in CLOCKS:
        signal.signal(s, late)
        signal.setitimer(timer, seconds)
    try:
        read()
        return 'read', ''
    except BadInput as e:
        try: one_sentence(e)
        except Odd as odd: return 'failed', str(odd)
        return 'refused', str(e)
    except TooSlow: return 'failed', f'took more than {SECONDS} s: ' + ''.join(traceback.format_exc()[-600:])
    except BaseException as e: return 'failed', ''.join(traceback.format_exception(e))[-1500:]
    finally:
        for _, timer, _ in CLOCKS: signal.setitimer(timer, 0)


def bounded():
    "From here on this process gets so much memory more and no more"
    pages = int(Path('/proc/self/statm').read_text().split()[0]) if os.path.exists('/proc/self/statm') else 0
    if pages:
        most = pages*resource.getpagesize() + MEGABYTES*10**6
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def series(target, seeds, folder, pipe):
    "Many readings of one reader's spoilt files, in a process of their own"
    warnings.simplefilter('ignore')
    bounded()
    clean, work = folder/'clean', folder/'work'
    clean.mkdir(parents=True)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    files, kinds, read = target(work)
    shutil.copytree(work, clean, dirs_exist_ok=True)
    with contextlib.suppress(Exception): read()  # what is imported on the way costs no reading its time
    state = reading(read)
    pipe.send((None, 'untouched', *(('fine', '') if state[0] == 'read' else ('failed', f'untouched: {state[1]}'))))
    for seed in seeds:
        for f in work.iterdir():  # bring the clean files back
            shutil.rmtree(f) if f.is_dir() and not f.is_symlink() else f.unlink()
        shutil.copytree(clean, work, dirs_exist_ok=True)
        name = random.Random(f'{target.__name__}{seed}').choice(files)
        json_there = kinds is TABLE and name.endswith('.json')
        binary = kinds is TABLE and name.endswith(('.gif', '.png'))
        pipe.send((seed, 'begins', '', ''))
        done = mutate(work/name, TREE if json_there else BYTES if binary else kinds, f'{target.__name__}{seed}')
        began = time.process_time()
        state, why = reading(read)
        pipe.send((seed, f'{name}: {done}', state, why if state == 'failed' else f'{time.process_time() - began:.1f}'))
    pipe.send(None)


def spoil(target, seeds, folder, say=lambda line: None):
    "(counts, failures) of one reader; a process that dies is a failure, and the rest goes on in another"
    seeds, counts, failures = list(seeds), Counter(), []
    fork = multiprocessing.get_context('fork')
    while seeds:
        ours, theirs = fork.Pipe(False)
        p = fork.Process(target=series, args=(target, seeds, Path(folder)/f'{target.__name__}-{seeds[0]}', theirs))
        p.start()
        theirs.close()
        at = None
        while True:
            try: got = ours.recv() if ours.poll(PATIENCE + 30) else 'hangs'
            except EOFError: got = 'died'
            if got is None:
                seeds = []
                break
            if isinstance(got, str):
                p.kill()
                p.join()
                failures.append((target.__name__, at, 'the process ' + got, f'exit {p.exitcode}'))
                counts['failed'] += 1
                seeds = seeds[seeds.index(at) + 1:] if at in seeds else []
                break
            seed, what, state, why = got
            if what == 'begins': at = seed
            elif seed is None:
                if state == 'failed': failures.append((target.__name__, None, what, why))
            else:
                counts[state] += 1
                if state == 'failed': failures.append((target.__name__, seed, what, why))
                else: counts['slowest'] = max(counts['slowest'], float(why))
        p.join()
    say(f'{target.__name__}: {dict(counts)}')
    return counts, failures
