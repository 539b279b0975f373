"Sphinx's settings for the book; `book.py` prepares the pages and calls Sphinx"
import re
from pathlib import Path

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

ROOT = Path(__file__).parents[2]

project, author = 'usbook', 'The usbook authors'
copyright = author
version = release = re.search(
    r"__version__ = ['\"]([^'\"]+)", (ROOT / 'usbook' / '__init__.py').read_text(encoding='utf-8')
)[1]
extensions = ['myst_nb']
root_doc = 'index'

nb_execution_mode = 'off'              # the outputs are those of the notebooks
nb_render_markdown_format = 'gfm'
nb_merge_streams = True
myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 3
myst_update_mathjax = False
suppress_warnings = ['mystnb.unknown_mime_type']

html_theme = 'furo'
html_title = 'usbook'
html_static_path, html_css_files = ['static'], ['book.css']
html_copy_source = html_show_sourcelink = False
html_theme_options = dict(navigation_with_keys=True)
html_math_renderer = 'mathml'          # drawn by the browser itself: no script, no fonts to fetch
python_maximum_signature_line_length = 78
python_display_short_literal_types = True
add_module_names = False
toc_object_entries_show_parents = 'hide'


def _inline(self, node):
    self.body.append(tex2mathml(node.astext()))
    raise SkipNode

def _block(self, node):
    self.body.append(f'<div class="math-block">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise SkipNode

def _titles_only(app, pagename, template, context, doctree):
    "The theme asks on each page for headings of all pages, to leave them out: a fifth of the book's time"
    tree, env = context.get('toctree'), app.env
    if tree is None: return
    if not hasattr(app, 'titles'): app.titles = {page: _first(toc) for page, toc in env.tocs.items()}
    def titles(**how):
        tocs, env.tocs = env.tocs, app.titles
        try: return tree(**how)
        finally: env.tocs = tocs
    context['toctree'] = titles

def _first(toc): # a page's table of contents -> its title
    title = toc.deepcopy()
    for item in title.children: item.children[1:] = []
    return title

def setup(app):
    app.connect('html-page-context', _titles_only, priority=400)         # before the theme
    app.add_html_math_renderer('mathml', inline_renderers=(_inline, None), block_renderers=(_block, None))
    return dict(parallel_read_safe=True, parallel_write_safe=True)
