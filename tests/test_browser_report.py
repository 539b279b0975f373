"The report in a browser: on a phone, in the dark, on paper; own images as a report of one's own"
import base64
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from usbook.core.settings import Settings
from usbook.data.manifest import Manifest
from usbook.evidence.metrics import evaluate
from usbook.predictions.predictions import toy_predictions
from usbook.runs.report import results_of, write_report
from usbook.studies.images import Source
from usbook.studies.machinery import Arm, Trained
from usbook.studies.study import get_study

ODD = r'$\frac{$'
ENV = dict(python='3', packages={})


def images(folder, classes):
    "A manifest of grey squares, three patients per class with two images each"
    rows = []
    for k, c in enumerate(classes):
        for i in range(6):
            name = f'{k}-{i}.png'
            Image.fromarray(np.random.default_rng(10*k + i).integers(0, 255, (40, 60), 'uint8')).save(folder/name)
            rows.append(dict(image=name, patient=f'p{k}{i//2}', label=c))
    return Manifest(pd.DataFrame(rows), folder, list(classes))


def outcome(folder, own, classes):
    "A run that was never run: two arms of invented predictions"
    study = get_study('lung_signs')
    source = Source('own', 'my_folder') if own else Source('sample')

    def arm(mode, skill):
        p = toy_predictions(30, 4, classes, skill)
        return Trained(Arm('resnet10t', mode), p, weights={'source': 'random'}, evaluation=evaluate(p), seconds=1.)
    arms = {a.name: a for a in (arm('frozen', 1.), arm('finetuned', 2.))}
    why = 'the images have other classes than the study' if own else 'invented'
    data = source.as_dict() | dict(images=120, patients=30, counts={}, split='abc', given=dict(images=162, patients=44))
    out = SimpleNamespace(study=study, settings=Settings(), data=data, arms=arms, comparison=None, source=source,
                          verdicts=[c.decide({}, why) for c in study.claims],
                          warnings=['All are used with --profile quick.'],
                          figures={'a plot of its own': lambda: 1/0}, images=images(folder, classes))
    out.results = results_of(out)
    return out


@pytest.fixture(scope='module', params=['own', 'sample'])
def report(request, tmp_path_factory):
    own, folder = request.param == 'own', tmp_path_factory.mktemp(request.param)
    classes = ['cyst', ODD, 'a_long_name_of_a_class'] if own else get_study('lung_signs').classes
    return own, write_report(outcome(folder, own, classes), folder, ENV)


@pytest.fixture(params=[390, 1200], ids=['phone', 'desk'])
def page(request, report, chromium):
    context = chromium.new_context(viewport=dict(width=request.param, height=900), offline=True)
    p = context.new_page()
    p.goto(report[1].as_uri())
    p.own = report[0]
    yield p
    context.close()


BROKEN = '''() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let t; (t = walk.nextNode());) {
    if (!t.parentElement.closest('td.n, .heads, .claim, .soft, .warn')) continue;
    for (const m of t.data.matchAll(/\\d[\\d.]*/g)) {
      const r = document.createRange();
      r.setStart(t, m.index); r.setEnd(t, m.index + m[0].length);
      if (new Set([...r.getClientRects()].map(b => Math.round(b.top))).size > 1) found.push(m[0]);
    }
  }
  return found; }'''


def test_nothing_runs_over_the_edge(page):
    assert page.evaluate('document.documentElement.scrollWidth') <= page.viewport_size['width']


def test_no_number_is_broken_over_two_lines(page):
    assert page.locator('td.n').count() > 10
    assert page.evaluate(BROKEN) == []


def test_an_interval_in_a_table_is_whole(page):
    "Each bracket with its two ends lies on one line"
    brackets = page.locator('td.n .w', has_text='to')
    rows = brackets.evaluate_all('all => all.map(e => e.getClientRects().length).filter(n => n)')
    assert rows and set(rows) == {1}


def test_the_first_screen_says_whose_report_it_is(page):
    study = get_study('lung_signs')
    title, text = page.locator('h1').inner_text(), page.locator('body').inner_text()
    if page.own:
        assert title == 'my_folder' and study.title not in text and 'The claims' not in text
        assert '120 images of 30 patients, out of 162 images of 44 patients given' in text
        assert page.locator('.sheet img').count() == 3*6 and page.locator('.heads div').count() == 2*4
        assert re.fullmatch(r'0\.\d{3}|1\.000', page.locator('.heads b').first.inner_text())
    else: assert title == study.title and page.locator('.claim').count() == len(study.claims)


def test_every_picture_is_there_and_a_lost_plot_is_a_sentence(page):
    assert page.evaluate('[...document.images].filter(i => !i.complete || !i.naturalWidth).length') == 0
    assert 'A plot is missing, "a plot of its own"' in page.locator('body').inner_text()
    if page.own: assert f'{ODD}: 6 of 6 images' in page.locator('.sheet').inner_text()


def test_no_row_of_a_table_takes_a_screen(page):
    assert max(page.locator('tr, .claim').evaluate_all('all => all.map(e => e.getBoundingClientRect().height)')) < 600


def test_printed_it_is_no_longer_than_it_needs_to_be(report, chromium):
    p = chromium.new_page()
    p.goto(report[1].as_uri())
    pdf = p.pdf(format='A4', margin=dict.fromkeys(('top', 'bottom', 'left', 'right'), '15mm'))
    p.emulate_media(media='print')
    body, small = (p.evaluate(f'getComputedStyle(document.querySelector("{s}")).fontSize') for s in ('body', '.soft'))
    p.close()
    assert len(re.findall(rb'/Type\s*/Page\b', pdf)) <= 5
    assert float(small[:-2]) <= float(body[:-2])               # remarks were printed larger than the text


def drawn_there(page):
    "The first plot as the page shows it: its text, and the ground that the page gives it"
    src = page.locator('.figs img').first.evaluate('i => i.currentSrc')
    ground = page.locator('.figs img').first.evaluate('i => getComputedStyle(i).backgroundColor')
    return base64.b64decode(src.split(',', 1)[1]).decode(), ground


def test_in_the_dark_it_is_dark(report, chromium):
    "Plots lay on white slabs in a dark page; printed, they have dark ink again"
    context = chromium.new_context(color_scheme='dark')
    p = context.new_page()
    p.goto(report[1].as_uri())
    paper = p.evaluate('getComputedStyle(document.body).backgroundColor')
    (dark, ground), _ = drawn_there(p), p.emulate_media(media='print')
    p.wait_for_function('src => document.querySelector(".figs img").currentSrc !== src', arg='')
    light, _ = drawn_there(p)
    context.close()
    assert max(map(int, re.findall(r'\d+', paper)[:3])) < 60 and ground == 'rgba(0, 0, 0, 0)'
    assert '#e6ebf0' in dark and '#1b2530' not in dark and '#1b2530' in light
    for svg in (dark, light): assert '#fffffe' not in svg and 'fill: #ffffff' not in svg


def test_text_of_the_interval_plot_can_be_read_on_a_phone(report, chromium):
    "It was as wide as a desk, and 4 points high at 390 pixels"
    context = chromium.new_context(viewport=dict(width=390, height=800))
    p = context.new_page()
    p.goto(report[1].as_uri())
    shown, natural = p.locator('.figs img').first.evaluate('i => [i.clientWidth, i.naturalWidth]')
    context.close()
    assert 8*96/72*shown/natural > 8.5  # pixels of its smallest text, which is 8 points high


def test_a_verdict_says_what_it_rests_on(tmp_path, chromium):
    "Each comparison with its own verdict, patients and events, Holm where it differs, and what luck would give"
    out = outcome(tmp_path, False, get_study('lung_signs').classes)
    out.results['claims'][1] |= dict(
        ours='precision.a_lines - precision.b_lines 0.329 (0.100 to 0.500); precision.a_lines 0.9 (0.8 to 1.0)',
        reason='precision.a_lines - precision.b_lines above 0: supported; precision.a_lines above 0.5: supported',
        verdict='supported', holm='inconclusive', support='48 patients, 20 events')
    out.results['luck'] = dict(sentence='By luck alone 0.075 of them would be supported.')
    p = chromium.new_page()
    p.goto(write_report(out, tmp_path, ENV).as_uri())
    row = p.locator('.claim').nth(1).inner_text().replace('\u00a0', ' ')
    body = p.locator('body').inner_text()
    p.close()
    assert 'precision (a lines) − precision (b lines) 0.329 (0.100 to 0.500), supported' in row
    assert 'on 48 patients, 20 events' in row and 'inconclusive when all tests of this run are counted (Holm)' in row
    assert 'By luck alone 0.075' in body
