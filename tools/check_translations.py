"""What a translation may not do: lose a placeholder, a number, a link or code, use another term, be English by chance.

A comment of the translator's own above an entry excuses what is meant so: `# as is` (stays as in English),
`# free: recall` (the glossary's term doesn't fit here), `# numbers` (figures are written otherwise on purpose)."""

import re
from collections import Counter
from functools import lru_cache

from translate import LOCALE, ROOT, read
from usbook.core.shown import has_words

_SLOT = re.compile(r'(?<!\{)\{([^{}]*)\}(?!\})')
_CODE = re.compile(r'`[^`]+`')
_LINK = re.compile(r'\]\(([^)\s]+)\)|(https?://[^\s)）>]+)')
_MATHS = re.compile(r'\$[^$]+\$')
_TAG = re.compile(r'</?[a-zA-Z][^>]*>')
_HAN = r'\u3400-\u9fff'
_COUNTING = re.compile(
    r"""\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|
    sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|
    half|twice|once|both|quarter|first|second|third|fourth|fifth|pair|dozen|each|every|decimal|January|February|March|
    April|May|June|July|August|September|October|November|December)s?\b""",
    re.I | re.X,
)
_HAN_DIGITS = dict(zip('零一二三四五六七八九十壹贰叁两', '0 1 2 3 4 5 6 7 8 9 10 1 2 3 2'.split()))
# English words that are terms in some sentences only
_AMBIGUOUS = set(
    '''head mass window label track frame box mask stage split features loss hit chance power claim audit bias
    seed slice shadow probe cine zones leak threshold reference external paired agreement weights multiple
    interval spectrum phantom clusters backbone calibration bootstrap confusion opacities prevalence
    haemorrhage radiograph test_set training_set verdict finetuned frozen discordant effusion operating_point
    blinded split_image equivalence shortcut'''.split()
)


@lru_cache
def terms(lang):
    "Of (regular expression of the English names, texts one of which has to be there, key)"
    if lang != 'zh':
        return ()  # the glossary is in English and Chinese
    from usbook.evidence.glossary import GLOSSARY

    found = []
    for t in GLOSSARY:
        names = [n for n in t.names if ' ' in n or t.key not in _AMBIGUOUS]
        wanted = [re.sub(r'\s|（.*?）', '', z) for z in re.split(r'[,，、]', re.sub(r'（.*?）', '', t.zh))]
        wanted += [n.replace(' ', '') for n in t.names if n.isupper() or n[0].isupper() and ' ' not in n]  # AUC, Holm
        for n in names:
            found.append((re.compile(rf'\b{re.escape(n)}(?:s|es)?\b', re.I), wanted, t.key, n))
    return sorted(found, key=lambda f: -len(f[3]))


def bare(text):  # without what is not language
    return _MATHS.sub(' ', _CODE.sub(' ', _LINK.sub('] ', _TAG.sub(' ', text))))


def _excused(m, what):
    return any(c.strip() == what or c.strip().startswith(what) for c in m.user_comments)


def _numbers(text):
    return Counter(re.findall(r'\d+', _SLOT.sub(' ', bare(text))))


def _lost(kind, pattern, source, target):
    a, b = (
        Counter(x if isinstance(x, str) else next(filter(None, x), '') for x in pattern.findall(t))
        for t in (source, target)
    )
    if a == b:
        return []
    gone, new = list((a - b).elements()), list((b - a).elements())
    said = [f'lacks {kind} {g!r}' for g in gone[:3]] + [f'has {kind} {n!r}, which the source has not' for n in new[:3]]
    return said


def contradictions(m, lang) -> list:  # of sentences
    "What is wrong with one translation"
    s, t = m.id, m.string
    out = (
        _slots(s, t)
        + _lost('code', _CODE, s, t)
        + _lost('link', _LINK, s, t)
        + _lost('formula', _MATHS, s, t)
        + _lost('tag', _TAG, s, t)
    )
    if not _excused(m, 'numbers'):
        out += _digits(s, t)
    if not _excused(m, 'as is'):
        out += _english(s, t, lang)
    if lang == 'zh':
        out += _punctuation(t)
    return out + _terms(m, lang)


def _slots(s, t):
    a, b = Counter(_SLOT.findall(s)), Counter(_SLOT.findall(t))
    lost = [k for k in (a - b) if not k.startswith('_')]
    return [f'lacks the placeholder {{{k}}}' for k in lost] + [f'has a placeholder {{{k}}} too many' for k in (b - a)]


def _digits(s, t):
    a, b = _numbers(s), _numbers(t)
    said = {_HAN_DIGITS[c] for c in t if c in _HAN_DIGITS}
    gone, new = [g for g in (a - b).elements() if g not in said], [n for n in (b - a).elements() if n != '0']
    out = [f'lacks the number {g}' for g in gone[:3]]
    if new and not _COUNTING.search(s):
        out += [f'has the number {n}, which the source has not' for n in new[:3]]
    return out


def _english(s, t, lang):
    if not has_words(s):
        return []
    if lang == 'zh' and not re.search(f'[{_HAN}]', t):
        return ['is still in English (or say `# as is` above it)']
    if lang != 'zh' and s == t:
        return ['is still in English (or say `# as is` above it)']
    rest = re.sub(r'[（(][^）)]*[）)]|[“"「《][^”"」》]*[”"」》]|\*[^*]+\*', '·', _SLOT.sub('·', bare(t)))
    run = re.search(r"(?:\b[a-z][a-z'’-]+\s+){4,}[a-z]+", rest)
    return [f'holds English: {run[0][:60]!r}'] if run and lang == 'zh' else []


def _punctuation(t):
    b = re.sub(r'\[[^\]]*\]', 'x', _SLOT.sub('x', _MATHS.sub('x', _CODE.sub('x', _LINK.sub(']', t)))))
    wrong = re.search(
        rf'[{_HAN}][,;!?](?![A-Za-z0-9])|[{_HAN}]:(?![/\w])|[{_HAN}]\.(?=\s|$)|[{_HAN}]\([^)]*[{_HAN}]|\([{_HAN}]', b
    )
    return [f'has half-width punctuation beside Chinese: {wrong[0]!r}'] if wrong else []


def _terms(m, lang):
    s, t, out = bare(m.id), re.sub(r'\s', '', m.string), []
    for name, wanted, key, english in terms(lang):
        if not name.search(s):
            continue
        s = name.sub(' ', s)  # a shorter term within a longer one is not asked for again
        if _excused(m, f'free: {english}') or any(w.lower() in t.lower() for w in wanted):
            continue
        out.append(f'"{english}" is {" or ".join(wanted[:3])} in the glossary (or say `# free: {english}` above it)')
    return out


def problems(lang, names=None) -> list:  # of sentences: file, line, what
    "Everything that contradicts its source in a language"
    out, said = [], {}
    for path in sorted((LOCALE / lang).rglob('*.po')):
        where = path.relative_to(ROOT).as_posix()
        name = path.relative_to(LOCALE / lang).with_suffix('').as_posix()
        if names and not any(name.startswith(n) for n in names):
            continue
        for m in read(path, lang):
            if not m.id or not m.string or m.fuzzy:
                continue
            out += [f'{where}:{m.lineno}: {w}\n    {m.id[:110]!r}' for w in contradictions(m, lang)]
            if name.startswith('nbs'):
                continue
            before = said.setdefault(m.id, (m.string, where, m.lineno))
            if before[0] != m.string:
                out.append(
                    f'{where}:{m.lineno}: translated otherwise than in {before[1]}:{before[2]}\n    {m.id[:110]!r}'
                )
    return out
