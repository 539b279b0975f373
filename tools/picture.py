"""The README's picture, from the committed samples and the recorded verdicts: `make picture`."""
import hashlib
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from PIL import Image

from usbook.cli.study import machinery_of
from usbook.core.palette import HUES
from usbook.core.settings import read_settings
from usbook.evidence.froc import froc
from usbook.evidence.plots import plot_froc
from usbook.runs.holds import read_verdicts
from usbook.studies.breast_cine import HIT, RATES, read_long
from usbook.studies.images import Reading, find_images

NBS = Path(__file__).parents[1]/'nbs'
SHADES = {
    'supported': ('#0072B2', 'white'),
    'not supported': ('#D55E00', 'white'),
    'inconclusive': ('#dfe3e7', '#3c434a'),
    'not tested': ('white', HUES['ink']),
}
NAMES = dict(lung_signs='lung ultrasound, four signs', head_ct='head CT, finding or none',
             breast_cine='breast ultrasound, masses in a sweep', abdomen='abdominal ultrasound, eleven views',
             pneumoconiosis='chest radiographs, four stages')

def sources()->list: # the records that the picture shows
    records = NBS/'records'
    return [*sorted(records.glob('verdicts_quick_*.json')), *sorted((records/'breast_cine').rglob('*.csv'))]

def stamp()->str: # changes whenever a source does
    return hashlib.sha256(b''.join(f.read_bytes() for f in sources())).hexdigest()

def draw_studies(axes, recorded):
    "One row per study: an image, and a chip for each claim"
    for (study, name), (left, right) in zip(NAMES.items(), axes):
        machinery = machinery_of(study)
        images, _ = find_images(machinery.study, read_settings(data='sample'), reading=Reading(read=machinery.read))
        at = len(images)//3
        left.imshow(images.load(at) if study != 'breast_cine' else images.clip(images.table.scan[at])[8], cmap='gray')
        left.set_axis_off()
        right.set(xlim=(0, 1), ylim=(0, 1))
        right.set_axis_off()
        right.text(0, .72, name, fontsize=9.5, color='#1f262d')
        for i, c in enumerate(recorded[study].rows if study in recorded else []):
            face, ink = SHADES[c['verdict']]
            box = dict(boxstyle='round,pad=.35', fc=face, ec=HUES['line'], lw=.7)
            right.text(.03 + .1*i, .27, c['id'], fontsize=9, color=ink, ha='center', va='center', bbox=box)

def picture():
    "Left: five studies, and what a quick run says of their claims; right: the evidence for three of them"
    recorded = read_verdicts(NBS/'records').get('quick', {})
    fig = plt.figure(figsize=(10, 4.6), dpi=110, facecolor='white')
    edges = dict(left=.02, right=.98, top=.87, bottom=.13, wspace=.08)
    grid = fig.add_gridspec(len(NAMES), 3, width_ratios=[.75, 4, 4.6], **edges)
    draw_studies([(fig.add_subplot(grid[i, 0]), fig.add_subplot(grid[i, 1])) for i in range(len(NAMES))], recorded)
    ax = fig.add_subplot(grid[:, 2])
    runs = {k: d for k, d in read_long(NBS/'records'/'breast_cine').items() if 'finetuned' in k}
    names = {k: 'the sequence' if 'sequence' in k else 'a single frame' for k in runs}
    plot_froc({names[k]: froc(d, RATES, **HIT) for k, d in runs.items()}, ax=ax)
    ax.set_title('breast ultrasound: masses found, 95 % bands over patients', fontsize=9, pad=3)
    ax.legend(loc='lower right', frameon=False, fontsize=9)
    title = 'Five papers, and which of their claims hold on simulated patients'
    fig.text(.02, .945, title, fontsize=11.5, weight='bold')
    x = .02
    for verdict, (face, ink) in SHADES.items():
        box = dict(boxstyle='round,pad=.35', fc=face, ec=HUES['line'], lw=.7)
        fig.text(x, .035, verdict, fontsize=8.5, color=ink, bbox=box)
        x += .03 + .0075*len(verdict)
    return fig

if __name__ == '__main__':
    matplotlib.use('agg')
    out = NBS/'images'/'usbook.png'
    picture().savefig(out, metadata=dict(Description=stamp()))
    with Image.open(out) as im: print(out, im.size)
