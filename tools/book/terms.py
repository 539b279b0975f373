"The glossary in the book: its page as HTML, and a link from the first use of each term"
import re
from html import escape

from usbook.core.language import language, translated
from usbook.evidence.glossary import GLOSSARY, GROUPS

PAGE = 'evidence/00_glossary'
_OTHER = re.compile(
    r'```.*?```|`[^`]*`|\$[^$\n]*\$|!?\[[^\]]*\]\([^)]*\)|<[^>]*>|https?://\S+|^#[^\n]*$|^\|?[ :|-]+\|$', re.S | re.M
)

def _pattern(term):
    names = sorted(term.names, key=len, reverse=True)
    return re.compile(
        r'(?<![\w-])(' + '|'.join(re.escape(n) + ('s?' if n[-1].isalpha() else '') for n in names) + r')(?![\w-])', re.I
    )

PATTERNS = {t.key: _pattern(t) for t in GLOSSARY}
_UNCLEAR = {'结论', '界值'} # also said of something else
CHINESE = {n: t for t in GLOSSARY for n in re.sub('（.*?）', '', t.zh).split(', ') if n not in _UNCLEAR and len(n) > 1}
_CHINESE = re.compile('|'.join(map(re.escape, sorted(CHINESE, key=len, reverse=True))))
_EMPHASIS = re.compile(r'(\*+)[^*]+\1') # a tag at its edge would undo it where no blank is before it

def used_terms(text:str)->list: # Markdown -> Terms, in the order of the glossary
    "The terms that appear in a text, outside of code, links and headings"
    plain = _OTHER.sub(' ', text)
    return [t for t in GLOSSARY if PATTERNS[t.key].search(plain)]

# Markdown; keys that were linked before; address of the glossary's page -> Markdown
def link_terms(text:str, seen:set, address:str)->str:
    "Lead from the first use of each term to its entry; `seen` grows"
    keep = []
    def hide(m): keep.append(m[0]); return f'\0{len(keep) - 1}\0'
    def link(term, word):
        seen.add(term.key)
        other = term.en if language() == 'zh' else term.zh.replace(', ', '、')
        title = ' · '.join(filter(None, (other, translated(term.formula))))
        title = title.replace('"', '&quot;').replace('<', '&lt;').replace('|', '&#124;')
        return hide([f'<a class="term" href="{address}#term-{term.key}" title="{title}">{word}</a>'])
    plain = _OTHER.sub(hide, text)
    if language() == 'zh':
        first = lambda m: m[0] if CHINESE[m[0]].key in seen else link(CHINESE[m[0]], m[0])
        plain = _CHINESE.sub(first, _EMPHASIS.sub(hide, plain))
    else:
        for t in GLOSSARY:
            if t.key in seen or not (m := PATTERNS[t.key].search(plain)): continue
            plain = plain[:m.start()] + link(t, m[0]) + plain[m.end():]
    while '\0' in plain: plain = re.sub('\0(\\d+)\0', lambda m: keep[int(m[1])], plain)
    return plain

def glossary_html(terms)->str: # Terms
    "A table of terms; each row is a place that links can lead to"
    def row(t):
        zh, formula, note = map(escape, (t.zh.replace(', ', '、'), translated(t.formula), translated(t.note)))
        return (f'<tr id="term-{t.key}"><td lang="en"><b>{escape(t.en)}</b>'
                f'<td lang="zh">{zh}<td>{formula}<td>{note}</tr>')
    head = f"<tr><th>English<th>中文<th>{translated('formula')}<th>{translated('note')}</tr>"
    return f'<table class="glossary"><thead>{head}</thead><tbody>{"".join(map(row, terms))}</tbody></table>'

def glossary_page()->list: # [(key, Markdown)], to come right after the title
    "Every term, group by group"
    pages = (f'## {translated(name)}\n\n{glossary_html(terms)}' for name, terms in GROUPS.items())
    return [(f'terms{i}', page) for i, page in enumerate(pages)]
