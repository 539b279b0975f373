"One glossary for metrics, chapters, book and summaries: nothing that is used is missing, and every use leads there"
import json, re, sys
from pathlib import Path

import pytest
from usbook.evidence.glossary import GLOSSARY, GROUPS, show_glossary
from usbook.evidence.metrics import evaluate
from usbook.predictions.predictions import toy_predictions
from usbook.core.errors import BadInput
from usbook.core.language import set_language
from usbook.studies.study import STUDIES

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT/'tools'/'book'))
from terms import glossary_html, glossary_page, link_terms, used_terms
CHAPTERS = sorted((ROOT/'nbs'/'chapters').glob('[0-9]*.ipynb'))
KEYS = {t.key for t in GLOSSARY}

def markdown(nb):
    return [
        ''.join(c['source'])
        for c in json.loads(nb.read_text(encoding='utf-8'))['cells']
        if c['cell_type'] == 'markdown'
    ]

def known(metric):
    "A figure's name, or its parts: macro_f1 is macro and f1"
    base = re.sub(r'^top\d+_accuracy$', 'top_k', metric).removesuffix('_linear').removesuffix('_quadratic')
    kind, _, rest = base.partition('_')
    return base in KEYS or kind in ('macro', 'micro', 'weighted') and kind in KEYS and known(rest)

def test_every_figure_is_explained():
    e = evaluate(toy_predictions(12, 4, ('a', 'b', 'c')))
    names = {*e.overall, *(m for ms in e.per_class.values() for m in ms)}
    assert not (lost := sorted(m for m in names if not known(m))), lost

def test_every_published_figure_is_explained():
    names = {p.name for s in STUDIES.values() for p in s.published if p.unit == 'proportion'}
    same = {
        'sensitivity': 'recall',
        'ppv': 'precision',
        'top2': 'top_k',
        'accuracy_top2': 'top_k',
        'top2_accuracy': 'top_k',
    }
    lost = {
        n
        for n in names
        if not known(same.get(n, n))
        and not known(re.sub(r'_(at_)?[\d.]+$|_\w*class\w*$|_four$|_stages$', '', same.get(n, n)))
        and not n.startswith('sensitivity')
    }
    assert not lost, lost

@pytest.mark.parametrize('t', GLOSSARY, ids=lambda t: t.key)
def test_both_languages(t):
    assert re.search(r'[a-zA-Z]', t.en) and re.search(r'[\u4e00-\u9fff]', t.zh) and t.names

def test_words_that_get_swapped():
    "精确率 is precision and 准确率 accuracy; the abstract of the lung study prints them the other way round"
    t = {k.key: k for k in GLOSSARY}
    assert (
        '精确率' in t['precision'].zh
        and '准确率' in t['accuracy'].zh
        and '准确' not in t['precision'].zh
        and '精确' not in t['accuracy'].zh
    )
    assert (
        '特异度' in t['specificity'].zh
        and '灵敏度' in t['recall'].zh
        and '自助法' in t['bootstrap'].zh
        and '受试者工作特征曲线' in t['roc'].zh
    )

@pytest.mark.parametrize('study', STUDIES)
def test_summary_in_chinese(study):
    text = STUDIES[study].summary_zh
    assert len(re.findall(r'[\u4e00-\u9fff]', text)) > 120 and '本章' in text
    for p in STUDIES[study].published:
        if p.name in ('accuracy',) and not p.label and not p.arm and p.printed.endswith('%'):
            assert p.printed.split()[0] in text, p
    for nb in CHAPTERS:
        if nb.stem[3:] == study:
            assert any(text in m and '## 摘要' in m for m in markdown(nb)), (
                f'{nb.name} lacks the Chinese summary of its study'
            )

@pytest.mark.parametrize('nb', CHAPTERS, ids=lambda p: p.stem)
def test_chapter_uses_terms_that_are_here(nb):
    assert len(used_terms('\n\n'.join(markdown(nb)))) > 12

@pytest.mark.parametrize('nb', CHAPTERS, ids=lambda p: p.stem)
def test_every_use_leads_to_its_entry(nb):
    "As the book makes the page: one link a term, and each leads to a place that exists"
    import book
    made, *_ = book.page(json.loads(nb.read_text(encoding='utf-8')), False, 'chapters')
    linked = re.findall(
        r'href="([^"#]+)#term-(\w+)"', '\n'.join(c['source'] for c in made['cells'] if c['cell_type'] == 'markdown')
    )
    assert {k for _, k in linked} == {t.key for m in markdown(nb) for t in used_terms(m)} and len(linked) == len(
        {k for _, k in linked}
    )
    places = set(re.findall(r'id="term-(\w+)"', glossary_html(GLOSSARY)))
    assert {k for _, k in linked} <= places == KEYS
    assert {a for a, _ in linked} == {'../evidence/00_glossary.html'} and (
        ROOT / 'nbs' / 'evidence' / '00_glossary.ipynb'
    ).is_file()

def test_links_leave_code_links_and_tables_whole():
    text = ('# Recall\n\n`recall` and [recall](x.md), $recall$, <b title="recall">x</b>\n\n| recall | b '
            '|\n|---|---|\n| 1 | kappa |\n')
    out = link_terms(text, set(), 'g.html')
    assert (
        out.count('class="term"') == 2
        and '`recall` and [recall](x.md), $recall$, <b title="recall">x</b>' in out
        and out.startswith('# Recall\n')
    )
    assert all(row.count('|') == 3 for row in out.splitlines() if row.startswith('|'))
    seen = {'recall'}
    assert 'term-recall' not in link_terms('the recall', seen, 'g.html')

def test_chinese_pages_lead_from_chinese_terms():
    "They led from English words in the titles of cited papers, and from no Chinese word"
    set_language('zh')
    try: out = link_terms('*Deep learning* 的**精确率**与平衡准确率，精确率再说一次，`召回率`。', set(), 'g.html')
    finally: set_language('en')
    assert re.findall(r'term-(\w+)" title="([\w ]+)', out) == [('balanced_accuracy', 'balanced accuracy '),
                                                               ('precision', 'precision')]
    assert '**精确率**与<a' in out and '`召回率`' in out and out.startswith('*Deep learning*')

def test_show():
    assert list(show_glossary('auc', 'recall').index) == ['recall', 'auc'] and len(show_glossary()) == sum(
        map(len, GROUPS.values())
    )
    with pytest.raises(BadInput, match="no term 'acuracy'"): show_glossary('acuracy')

def test_the_page_in_the_book_begins_with_the_terms(tmp_path):
    "Its first screen was the signature of a class"
    import book
    book.prepare(tmp_path)
    cells = json.loads((tmp_path/'evidence'/'00_glossary.ipynb').read_text(encoding='utf-8'))['cells']
    assert cells[0]['source'].startswith('# Glossary') and [c['source'] for c in cells[1 : 1 + len(GROUPS)]] == [
        text for _, text in glossary_page()
    ]
    first_code = next(i for i, c in enumerate(cells) if c['cell_type'] == 'code' or '{py:' in c['source'])
    assert first_code > len(GROUPS)
    assert {k for c in cells[1:1 + len(GROUPS)] for k in re.findall(r'id="term-(\w+)"', c['source'])} == KEYS
