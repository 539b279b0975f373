"""README.md from nbs/index.ipynb; `python tools/readme.py` writes it, test_project.py compares."""
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

def readme()->str:
    from nbconvert import MarkdownExporter
    body, _ = MarkdownExporter(exclude_output_prompt=True, exclude_input_prompt=True).from_filename(
        str(ROOT / 'nbs' / 'index.ipynb')
    )
    body = re.sub(r'```python\n(#\| *(hide|default_exp)[^`]*)```\n', '', body)
    body = re.sub(r'(\]\(|src=")(?!https?:|#|mailto:)', r'\1nbs/', body).replace('nbs/../', '')
    return re.sub(r'\n{3,}', '\n\n', body).strip() + '\n'

if __name__ == '__main__': (ROOT/'README.md').write_text(readme(), encoding='utf-8')
