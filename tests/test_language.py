"""Two languages: every text that is read has its place in a catalogue, and no translation contradicts its source."""
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT/'tools'))

import check_translations as checks
import translate as tr

def test_a_cell_is_its_segments_joined():
    for f in (ROOT/'nbs').rglob('*.ipynb'):
        if '.ipynb_checkpoints' in f.parts: continue
        for c in json.loads(f.read_text(encoding='utf-8'))['cells']:
            if c['cell_type'] != 'markdown': continue
            source = ''.join(c['source'])
            assert ''.join(t for t, _ in tr.segments(source)) == source

def test_no_translation_contradicts_its_source():
    wrong = [w for lang in tr.languages() for w in checks.problems(lang)]
    assert not wrong, '\n'.join(wrong[:40])
