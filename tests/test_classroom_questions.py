"""Short questions: one right answer each, an answer to every choice, shown in every chapter, alive without a kernel."""
import json, re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from usbook.classroom.questions import question_names, short_questions
from usbook.core.errors import BadInput

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT/'nbs'/'chapters').glob('[0-9]*.ipynb'))
FOLDER = ROOT/'usbook'/'classroom'/'short_questions'

def shown(nb):
    "Names of the questions that a notebook shows"
    cells = json.loads(nb.read_text(encoding='utf-8'))['cells']
    return [n for c in cells if c['cell_type'] == 'code'
            for n in re.findall(r"^short_questions\('(\w+)'\)$", ''.join(c['source']), re.M)]

@pytest.mark.parametrize('name', question_names())
def test_three_to_five_each_with_one_right_answer(name):
    asked = short_questions(name)
    assert 3 <= len(asked) <= 5
    for q in asked:
        assert len(q.options) >= 3 and sum(o.right for o in q.options) == 1, q.ask
        assert all(len(o.answer) > 20 and o.answer.strip()[-1] in '.?!)' for o in q.options), q.ask
        assert len({o.say for o in q.options}) == len(q.options)

def test_the_right_answer_has_no_favourite_place():
    places = [q.options.index(q.right) for n in question_names() for q in short_questions(n)]
    assert max(map(places.count, set(places))) < .6*len(places)

@pytest.mark.parametrize('nb', CHAPTERS, ids=lambda p: p.stem)
def test_every_chapter_shows_its_own(nb): assert shown(nb) == [nb.stem[3:]]

def test_every_text_is_shown_somewhere():
    found = {n for nb in (ROOT/'nbs').rglob('[0-9]*.ipynb') for n in shown(nb)}
    assert found >= set(question_names())

class Tags(HTMLParser):
    "Which elements a page has, and whether each is closed"
    def __init__(self): super().__init__(); self.open, self.seen = [], []
    def handle_starttag(self, tag, attrs): self.open.append(tag); self.seen.append(tag)
    def handle_endtag(self, tag): assert self.open.pop() == tag

@pytest.mark.parametrize('name', question_names())
def test_the_page_needs_no_script(name):
    asked, tags = short_questions(name), Tags()
    page = asked._repr_html_()
    tags.feed(page)
    assert not tags.open and not {'script', 'style', 'input', 'button'} & set(tags.seen)
    assert tags.seen.count('details') == sum(len(q.options) for q in asked) + 1 == tags.seen.count('summary')

def test_without_html_the_answers_come_last():
    text = repr(short_questions('lung_signs'))
    assert text.index('(c) precision') < text.index('All answers') < text.index('two intervals') + 5000
    assert 'steps of 1 %' in text.split('All answers')[1]

@pytest.mark.parametrize('file', sorted(FOLDER.glob('*.*.toml')), ids=lambda p: p.name)
def test_a_translation_asks_the_same(file):
    name, lang = file.name.split('.')[:2]
    here, there = short_questions(name), short_questions(name, lang)
    assert there.lang == lang
    assert [[o.right for o in q.options] for q in here] == [[o.right for o in q.options] for q in there]

def test_a_language_that_is_not_there_is_shown_in_english(): assert short_questions('split', 'xx').lang == 'en'

def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(BadInput, match='lung_signs'): short_questions('weather')


def test_the_language_in_use_is_the_one_that_is_shown():
    from usbook.core.language import language, set_language
    before = language()
    try:
        set_language('zh')
        assert short_questions('split').lang == 'zh' and short_questions('split', 'en').lang == 'en'
    finally: set_language(before)
