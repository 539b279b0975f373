"""What a beginner meets in a chapter: two import cells, a reason before every cell, short lines, no machinery."""
import ast, json, re, sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT/'nbs'/'chapters').glob('[0-9]*.ipynb'))
EACH = pytest.mark.parametrize('nb', CHAPTERS, ids=lambda p: p.stem)

HOME = re.search(r'^Homepage = "(.+)"', (ROOT/'pyproject.toml').read_text(encoding='utf-8'), re.M)[1]
INSTALL = """try: import usbook
except ImportError:
    get_ipython().run_line_magic('pip', 'install --quiet git+{}')"""

def cells(nb): return json.loads(nb.read_text(encoding='utf-8'))['cells']
def source(cell): return ''.join(cell['source'])
def code(nb): return [source(c) for c in cells(nb) if c['cell_type'] == 'code']
def prose(nb): return '\n'.join(source(c) for c in cells(nb) if c['cell_type'] == 'markdown')

def test_there_are_five_and_your_own(): assert len(CHAPTERS) == 6

@EACH
def test_at_most_two_import_cells(nb):
    "Beside the cell that installs, which comes before them and is the same in each"
    found = [c for c in code(nb) if any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in ast.walk(ast.parse(c)))]
    assert found[0] == code(nb)[0] == INSTALL.format(HOME)
    assert 1 <= len(found[1:]) <= 2, found

@EACH
def test_it_opens_where_nothing_is_installed(nb):
    "Links to Colab, Kaggle and Binder lead to this chapter of the repository that pyproject.toml names"
    file, repo = nb.relative_to(ROOT).as_posix(), HOME.removeprefix('https://github.com/')
    wanted = [f'https://colab.research.google.com/github/{repo}/blob/main/{file}',
              f'https://kaggle.com/kernels/welcome?src={HOME}/blob/main/{file}',
              f'https://mybinder.org/v2/gh/{repo}/main?urlpath=lab/tree/{file}']
    assert re.findall(r'\]\((https://(?:colab|kaggle|mybinder)[^)]*)\)', prose(nb)) == wanted

@EACH
def test_nothing_is_exported_and_nothing_hidden(nb):
    assert not [c for c in code(nb) if re.search(r'^#\s*\|', c, re.M)]

@EACH
def test_no_profile_is_asked_for(nb):
    "What a profile does differently is in its plan"
    assert not [c for c in code(nb) if re.search(r'profile\s*(==|!=|in\b)', c)]

@EACH
def test_lines_fit_a_page(nb):
    long = [l for c in code(nb) for l in c.splitlines() if len(l) > 100]
    assert not long, long

@EACH
def test_a_sentence_says_why_before_each_code_cell(nb):
    bare = []
    for before, cell in zip([None, *cells(nb)], cells(nb)):
        if cell['cell_type'] != 'code': continue
        lines = source(before).strip().splitlines() if before and before['cell_type'] == 'markdown' else []
        if not lines or lines[-1].startswith('#'): bare.append(source(cell)[:80])
    assert not bare, bare

@EACH
def test_long_cells_say_how_long_they_take(nb):
    "Whatever trains is timed where it stands; `LessonTimes` says beforehand what it took on this machine"
    assert any('LessonTimes(' in c for c in code(nb))
    trains = re.compile(
        r'(?<![\w.])(train|train_detector|classify|cross_predict|ablation|find_all_lungs|shortcut_arms)\('
    )
    bare = [
        c[:80] for c in code(nb) if trains.search(c) and not re.search(r'with times\(', c) and not c.startswith('def ')
    ]
    assert not bare, bare

@EACH
def test_only_abstracts_were_read(nb):
    "What a paper leaves out is not known from its abstract"
    said = re.findall(r"[^.|\n]*\bpaper (?:does ?n[o']t say|doesn't print|leaves out|never says)[^.|\n]*", prose(nb))
    assert not said, said

@EACH
def test_words(nb):
    bad = re.findall(r'\b(?:learnt|weighed|called (?:wrongly|rightly))\b', prose(nb))
    assert not bad, bad

def test_static_twins_are_folded_in_the_book():
    "A widget that moves without a kernel and its picture do not stand one under the other"
    sys.path.insert(0, str(ROOT/'tools'/'book'))
    from book import page
    nb = json.loads((ROOT/'nbs'/'chapters'/'01_lung_signs.ipynb').read_text(encoding='utf-8'))
    made = page(nb, False, 'chapters')[0]['cells']
    twins = [c for c in made if c['cell_type'] == 'code' and re.fullmatch(r'\w+\.figure\(\)', c['source'].strip())]
    assert twins and all('hide-cell' in c['metadata']['tags'] for c in twins)

def test_plots_have_no_paper_of_their_own():
    "White slabs on a dark page: figures are transparent, and the book gives them no ground"
    css = (ROOT/'tools'/'book'/'static'/'book.css').read_text(encoding='utf-8')
    assert not re.search(r'\.cell_output img \{[^}]*background: *(#fff|white)', css)
    for nb in CHAPTERS: assert any('lesson_style(' in c for c in code(nb)), nb

def test_the_other_notebooks_draw_as_chapters_do(tmp_path):
    "In the book their plots were white slabs: `make notebooks` runs them with the settings of `lesson_style`"
    import matplotlib as mpl
    from usbook.runs.lesson import lesson_style
    assert 'MATPLOTLIBRC="$(CURDIR)/tools/book/matplotlibrc"' in (ROOT/'Makefile').read_text(encoding='utf-8')
    ours = mpl.rc_params_from_file(ROOT/'tools'/'book'/'matplotlibrc', use_default_template=False)
    with mpl.rc_context():
        lesson_style()
        assert len(ours) == 10
        for k, v in ours.items():
            assert mpl.colors.to_hex(mpl.rcParams[k], True) == mpl.colors.to_hex(v, True) if 'color' in k else (
                mpl.rcParams[k] == v), k

def test_a_legend_covers_no_interval():
    "Bands of FROC curves ran below their legend"
    from usbook.core.interval import Interval
    from usbook.evidence.froc import froc, toy_detections
    from usbook.evidence.plots import plot_froc, plot_intervals
    curves = {name: froc(toy_detections(12, model=k), n_boot=50) for k, name in enumerate(('single frame', 'sequence'))}
    rows = {'recall': dict(frozen=Interval(.5, .1, .9), finetuned=Interval(.9, .8, 1.))}
    for fig in (plot_froc(curves), plot_intervals(rows)):
        fig.canvas.draw()
        ax = fig.axes[0]
        assert not ax.get_legend().get_window_extent().overlaps(ax.get_window_extent())

def test_a_kept_training_counts_with_the_seconds_it_took(tmp_path):
    "A cell whose networks were kept was said to take about a second for ever, and took minutes on the next machine"
    from usbook.core.settings import read_settings
    from usbook.learn import fits
    from usbook.runs.lesson import LessonTimes
    times = LessonTimes('x', read_settings(tmp_path, cache=str(tmp_path/'cache')), tmp_path/'none.json')
    with times('both networks'): fits._SPARED.append(300.)
    fits._SPARED.pop()
    assert times.expected('both networks') == 'about 5 minutes, as measured on this machine'

STEP = re.compile(r"with times\('([^']+)'\)")

@EACH
def test_the_table_of_times_has_the_steps_of_the_chapter(nb):
    "A step that was gone stayed in the table of times for ever, and a new one was missing"
    text = nb.read_text(encoding='utf-8')
    tables = [''.join(o['data']['text/markdown']) for c in json.loads(text)['cells'] for o in c.get('outputs', [])
              if '| long cell |' in ''.join(o.get('data', {}).get('text/markdown', ''))]
    assert [re.findall(r'^\| ([^|]+) \|', t, re.M)[1:] for t in tables] == [list(dict.fromkeys(STEP.findall(text)))]

def test_a_step_that_the_lesson_no_longer_has_is_not_in_its_table(tmp_path, monkeypatch):
    from usbook.core.settings import read_settings
    from usbook.runs.lesson import LessonTimes
    monkeypatch.chdir(tmp_path)
    settings = read_settings(tmp_path, cache=str(tmp_path/'cache'))
    with LessonTimes('x', settings)('three sites'): pass
    cells = [dict(source=["times = LessonTimes('x', settings)\n", "with times('another site'): pass"])]
    (tmp_path/'x.ipynb').write_text(json.dumps(dict(cells=cells)))
    rows = LessonTimes('x', settings)._repr_markdown_().splitlines()[2:]
    assert rows == ['| another site | not measured on this machine yet |']
