"CLAIM and TRIPOD+AI: for every item a run either answers, or the report names what is open"
import re
from html import unescape
from types import SimpleNamespace

import pytest
from usbook.evidence.checklists import CHECKLISTS, CITATIONS, fill_checklist
from usbook.evidence.metrics import evaluate
from usbook.predictions.predictions import Predictions, toy_predictions
from usbook.runs.report import checklists_of, facts_of, render, results_of
from usbook.core.errors import BadInput
from usbook.core.settings import Settings
from usbook.studies.images import Source
from usbook.studies.machinery import Arm, Trained
from usbook.studies.study import get_study

RECIPE = dict(
    arch='resnet10t',
    size=96,
    epochs=2,
    batch=16,
    lr=0.002,
    lr_mult=100.0,
    flip=True,
    rotate=10.0,
    zoom=1.1,
    lighting=0.2,
    views=1,
    dropout=0.5,
    balance=True,
)

def outcome(source=Source('sample'), meta=True, warnings=(), reader=None):
    study = get_study('lung_signs')
    def arm(mode, skill):
        p = toy_predictions(20, 4, study.classes, skill, reader=reader)
        p = Predictions(
            p.table, p.classes, dict(recipe=RECIPE, weights=dict(mean=[0.4], std=[0.2]), seed=0) if meta else {}
        )
        return Trained(Arm('resnet10t', mode), p, weights={'source': 'random'}, evaluation=evaluate(p), seconds=1.)
    arms = {a.name: a for a in (arm('frozen', 1.), arm('finetuned', 2.))}
    data = source.as_dict() | dict(images=80, patients=20, counts={'test a_lines': 20}, split='abcdef123456789')
    out = SimpleNamespace(
        study=study,
        settings=Settings(),
        data=data,
        arms=arms,
        comparison=None,
        verdicts=[c.decide({}, 'invented') for c in study.claims],
        warnings=list(warnings),
        figures={},
        source=source,
        images=None,
    )
    out.results = results_of(out)
    return out

ENV = dict(python='3.12', packages=dict(usbook='0.1', torch='2.15', missing=None))
OUT = outcome()
PAGE = unescape(render(OUT, ENV, {}))
ITEMS = [(name, i) for name, items in CHECKLISTS.items() for i in items]

@pytest.mark.parametrize('name,item', ITEMS, ids=[f'{n} {i.number}' for n, i in ITEMS])
def test_every_item_is_answered_or_named_as_open(name, item):
    row = re.search(
        rf'<tr class="s-(\w+)"><td>{item.number}<td>{re.escape(item.asks)}<td>(.*?)<td>(.*?)</tr>',
        PAGE.split(f'<summary>{name}:')[1].split('</details>')[0],
    )
    assert row, item
    status, said, left = row.groups()
    fact = facts_of(OUT, ENV).get(item.fact)
    assert (status != 'open') == bool(fact)
    if status == 'answered': assert said == fact and not left
    else: assert left == (f'<b>{status}</b>: {item.left}' if item.left and (said or not item.fact) else
        f'<b>{status}</b>')
    if status == 'partly': assert said == fact and item.left

def test_every_fact_that_an_item_asks_for_can_be_known():
    "A name that no run ever brings would leave its item open for ever"
    known = set()
    for o in (outcome(), outcome(warnings=['Only simulated.'], reader='ada')):
        o.arms['resnet10t-frozen'].repeat_evaluations = [1]
        o.results['claims'][0] |= dict(text='Grad-CAM points at it', verdict='supported')
        known |= set(facts_of(o, ENV))
    assert {i.fact for _, i in ITEMS if i.fact} <= known

def test_of_own_images_less_is_known():
    "Whoever took part, who labelled and when: a run can't know"
    own = {
        name: {
            a.item.number: a.status
            for a in fill_checklist(name, facts_of(outcome(Source('own', 'mine'), meta=False), ENV))
        }
        for name in CHECKLISTS
    }
    for n in ('5', '8', '11', '13', '14', '16', '17', '9', '25'): assert own['CLAIM'][n] == 'open', n
    for n in ('5b', '6a', '6b', '6c', '8a', '8b', '17', '7'): assert own['TRIPOD+AI'][n] == 'open', n
    assert own['CLAIM']['20'] == 'answered'

def test_image_level_is_said():
    facts = facts_of(outcome(Source('own', 'mine'), warnings=['These are image-level results.']), ENV)
    assert facts['level'].startswith('image')

def test_lists_are_whole_and_cited():
    assert [i.number for i in CHECKLISTS['CLAIM']] == [str(n) for n in range(1, 45)] and len(
        CHECKLISTS['TRIPOD+AI']
    ) == 52
    for name in CHECKLISTS: assert 'doi:' in CITATIONS[name] and CITATIONS[name] in PAGE
    with pytest.raises(BadInput, match='there are CLAIM'): fill_checklist('STARD', {})

def test_counts_add_up():
    for name, _, n, found in checklists_of(OUT, ENV):
        assert sum(n.values()) == len(CHECKLISTS[name]) and f"{name}: {n['answered']} answered" in PAGE
