"""README.md from nbs/index.ipynb, and README.zh.md; `python tools/readme.py` writes them, test_project.py compares."""
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = {'en': 'README.md', 'zh': 'README.zh.md'}
OTHER = {'en': '[中文](README.zh.md)', 'zh': '[English](README.md)'}

def readme(lang='en')->str:
    import nbformat
    from nbconvert import MarkdownExporter
    from usbook.core.shown import translated_notebook
    nb = json.loads((ROOT / 'nbs' / 'index.ipynb').read_text(encoding='utf-8'))
    if lang != 'en': nb = translated_notebook(nb, 'index', lang)
    nb = nbformat.reads(json.dumps(nb | dict(cells=[_shown(c, lang) for c in nb['cells']])), 4)
    body, _ = MarkdownExporter(exclude_output_prompt=True, exclude_input_prompt=True).from_notebook_node(nb)
    body = re.sub(r'```python\n(#\| *(hide|default_exp)[^`]*)```\n', '', body)
    body = re.sub(r'(\]\(|src=")(?!https?:|#|mailto:)', r'\1nbs/', body).replace('nbs/../', '')
    title, _, rest = re.sub(r'\n{3,}', '\n\n', body).strip().partition('\n')
    return f'{title}\n\n{OTHER[lang]}\n{rest}\n'

def _shown(c, lang):
    "A cell as a page has it; of one that asks for no echo, only the table that it gave"
    source = ''.join(c['source'])
    if not source.startswith('#| echo: false'): return c | dict(source=source)
    tables = [''.join(o['data']['text/markdown']) for o in c['outputs'] if 'text/markdown' in o.get('data', {})]
    return dict(cell_type='markdown', id=c['id'], metadata={}, source='\n\n'.join(_told(t, lang) for t in tables))

def _told(table, lang):
    "A table with its head in the page's language"
    from usbook.core.language import language, set_language, translated
    before, (head, *rows) = language(), table.split('\n')
    set_language(lang)
    head = '|'.join(map(translated, head.split('|')))
    set_language(before)
    return '\n'.join([head, *rows])

if __name__ == '__main__':
    for lang, name in NAMES.items(): (ROOT/name).write_text(readme(lang), encoding='utf-8')
