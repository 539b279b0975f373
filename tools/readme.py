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
    body, _ = MarkdownExporter(exclude_output_prompt=True, exclude_input_prompt=True).from_notebook_node(
        nbformat.from_dict(nb | dict(cells=[c | dict(source=''.join(c['source'])) for c in nb['cells']]))
    )
    body = re.sub(r'```python\n(#\| *(hide|default_exp)[^`]*)```\n', '', body)
    body = re.sub(r'(\]\(|src=")(?!https?:|#|mailto:)', r'\1nbs/', body).replace('nbs/../', '')
    title, _, rest = re.sub(r'\n{3,}', '\n\n', body).strip().partition('\n')
    return f'{title}\n\n{OTHER[lang]}\n{rest}\n'

if __name__ == '__main__':
    for lang, name in NAMES.items(): (ROOT/name).write_text(readme(lang), encoding='utf-8')
