"""The font of plots in a language, cut from a free one: `python tools/plot_font.py FONT` writes locale/zh/plots.ttf.

FONT is WenQuanYi Micro Hei 0.2.0-beta (Debian's fonts-wqy-microhei: wqy-microhei.ttc), which Apache-2.0 allows to be
cut and passed on. Kept are the 7445 characters of GB 2312 and those of the catalogues; hints and layout tables go.
"""
import argparse
from pathlib import Path

ROOT = Path(__file__).parents[1]

def characters(lang): # that its plots may need
    from usbook.core.language import LOCALE, catalogue
    names = [path.relative_to(LOCALE/lang).with_suffix('').as_posix() for path in (LOCALE/lang).rglob('*.po')]
    found = {c for name in names for text, _ in catalogue(lang, name).values() for c in ''.join(text)}
    return {c for c in found | gb2312() if ord(c) > 127}

def gb2312():
    pairs = (bytes([a, b]) for a in range(0xa1, 0xf8) for b in range(0xa1, 0xff))
    return {c for p in pairs for c in p.decode('gb2312', errors='ignore')}

def write(font, lang):
    from fontTools import subset
    options = subset.Options(hinting=False, layout_features=[], name_IDs=['*'], notdef_outline=True, font_number=0,
                             drop_tables=['FFTM', 'GSUB', 'GPOS', 'GDEF'], recalc_timestamp=False)
    cut = subset.load_font(str(font), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=map(ord, characters(lang)))
    subsetter.subset(cut)
    subset.save_font(cut, str(ROOT/'usbook'/'locale'/lang/'plots.ttf'), options)

if __name__ == '__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('font', type=Path)
    p.add_argument('--lang', default='zh')
    a = p.parse_args()
    write(a.font, a.lang)
