"""What a stranger needs: a release that is whole, workflows whose steps exist, files that cite, describe and invite."""
import os, re, subprocess, sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT/'tools'))
import lock
import release

WORKFLOWS = sorted((ROOT/'.github'/'workflows').glob('*.yml'))

def git(root, *words):
    who = ['-c', 'user.name=a', '-c', 'user.email=a@b.org']
    subprocess.run(['git', '-C', root, *who, *words], check=True, capture_output=True)

@pytest.fixture
def tree(tmp_path):
    "A small project that is ready to be released as 1.2.0"
    root = tmp_path/'project'
    (root/'usbook').mkdir(parents=True)
    (root/'usbook'/'__init__.py').write_text("__version__ = '1.2.0'\n")
    (root/'CHANGELOG.md').write_text('# Changelog\n\n## Unreleased\n\n## 1.2.0\n\n- New.\n\n## 1.1.0\n\n- Old.\n')
    (root/'CITATION.cff').write_text('cff-version: 1.2.0\nversion: 1.2.0\n')
    (root/'.gitignore').write_text('dist/\n')
    git(tmp_path, 'init', '-q', str(root))
    git(root, 'add', '-A')
    git(root, 'commit', '-qm', 'all')
    return root

def spoil(root, kind):
    if kind == 'dirty': (root/'more.py').write_text('')
    if kind == 'tag': git(root, 'tag', 'v1.2.0')
    if kind == 'built':
        (root/'dist').mkdir()
        (root/'dist'/'usbook-1.2.0.tar.gz').write_text('')
    for k, file, old, new in (('own', 'usbook/__init__.py', "'1.2.0'", "'1.1.0'"),
                              ('log', 'CHANGELOG.md', '1.2.0', '1.3.0'), ('empty', 'CHANGELOG.md', '- New.', ''),
                              ('cited', 'CITATION.cff', '\nversion: 1.2.0\n', '\n')):
        if k == kind:
            (root/file).write_text((root/file).read_text().replace(old, new))
            git(root, 'commit', '-qam', kind)

@pytest.mark.parametrize('kind,said', [
    ('dirty', 'more.py'), ('tag', 'has the tag v1.2.0'), ('built', 'in dist/'), ('own', 'says 1.1.0'),
    ('log', 'no entry for 1.2.0'), ('empty', 'no entry for 1.2.0'), ('cited', 'CITATION.cff says')])
def test_no_release_in_one_sentence(tree, kind, said):
    spoil(tree, kind)
    with pytest.raises(release.Refused, match=said) as e: release.check_tree(tree, '1.2.0')
    assert '\n' not in str(e.value) and str(e.value).startswith('No release: ')

@pytest.mark.parametrize('version', ['v1.2.0', 'next', '', '1.2.0-final', '1.02'])
def test_a_version_is_a_version(tree, version):
    with pytest.raises(release.Refused, match='is no version'): release.check_tree(tree, version)

def test_a_tree_that_is_ready(tree):
    release.check_tree(tree, '1.2.0')
    with pytest.raises(release.Refused, match='not at this commit'): release.check_tree(tree, '1.2.0', tagged=True)
    git(tree, 'tag', 'v1.2.0')
    release.check_tree(tree, '1.2.0', tagged=True)

def test_this_version_is_in_one_place():
    import usbook
    said = [p for p in ('pyproject.toml', 'environment.yml', 'Makefile') if f'version = "{usbook.__version__}"' in
            (ROOT/p).read_text(encoding='utf-8')]
    assert not said

@pytest.fixture(scope='module')
def wheel(tmp_path_factory): return release.build(ROOT, tmp_path_factory.mktemp('dist'), 'wheel')

def test_the_wheel_holds_what_git_knows_and_no_more(wheel):
    there = release.held(wheel)
    assert there == release.wanted(ROOT)
    assert wheel.stat().st_size < release.LARGEST
    assert not [f for f in there if f.endswith(('.pyc', '.part')) or 'checkpoint' in f or '/tests/' in f]

@pytest.mark.slow
def test_the_sdist_builds_the_same_wheel(tmp_path): assert len(release.built(ROOT, tmp_path)) == 2

# The lock -------------------------------------------------------------------------------------------------

def test_the_lock_meets_what_the_project_asks_for():
    text = lock.LOCK.read_text(encoding='utf-8')
    assert not list(lock.unmet(lock.project()['dependencies'], text)), 'run make lock'
    assert lock.made_on(text)

@pytest.mark.parametrize('wanted,said', [
    ('numpy>=2.0', []), ('numpy>=3', ['numpy is 2.1, and pyproject.toml asks for >=3']),
    ('scipy', ['scipy is missing']), ('numpy<2.1', ['numpy is 2.1, and pyproject.toml asks for <2.1'])])
def test_a_stale_lock_is_noticed(wanted, said):
    text = lock.HEAD.format('2026-01-31') + 'numpy==2.1 \\\n    --hash=sha256:aa\n'
    assert list(lock.unmet([wanted], text)) == said
    assert str(lock.made_on(text)) == '2026-01-31'

def test_a_package_without_a_hash_is_noticed():
    text = 'head\nnumpy==2.1 \\\n    --hash=sha256:aa\nsix==1.0\n'
    assert list(lock.unmet(['numpy'], text)) == ['six==1.0 has no hash']

# Workflows -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('file', WORKFLOWS, ids=lambda p: p.stem)
class TestWorkflow:
    def steps(self, file):
        for job in yaml.safe_load(file.read_text(encoding='utf-8'))['jobs'].values(): yield from job['steps']

    def test_its_shell_can_be_read(self, file):
        for s in self.steps(file):
            if 'run' in s:
                r = subprocess.run(['bash', '-n'], input=s['run'], text=True, capture_output=True)
                assert r.returncode == 0, (s['run'], r.stderr)

    def test_its_targets_exist(self, file):
        made = re.findall(r'^(\w+):', (ROOT/'Makefile').read_text(encoding='utf-8'), re.M)
        for s in self.steps(file):
            assert set(re.findall(r'\bmake (\w+)', s.get('run', ''))) <= set(made)

    def test_it_may_do_no_more_than_it_must(self, file):
        d = yaml.safe_load(file.read_text(encoding='utf-8'))
        assert d['permissions'] == {'contents': 'read'}
        for job in d['jobs'].values():
            assert set(job.get('permissions', {})) <= {'id-token', 'pages'}
            if job.get('permissions'): assert not any('run' in s for s in job['steps']) # no shell near a right to write
        assert 'secrets.' not in file.read_text(encoding='utf-8')

def test_a_tag_becomes_a_version():
    jobs = yaml.safe_load((ROOT/'.github'/'workflows'/'publish.yml').read_text(encoding='utf-8'))['jobs']
    words = next(s['run'] for s in jobs['build']['steps'] if 'release' in s.get('run', '')).replace('make', 'echo')
    env = os.environ | dict(GITHUB_REF_NAME='v1.2.0')
    r = subprocess.run(['bash', '-c', words], env=env, capture_output=True, text=True)
    assert r.stdout.split() == ['release', 'VERSION=1.2.0', 'TAGGED=yes']

# Found, cited, trusted -------------------------------------------------------------------------------------

def test_cards_are_those_of_what_is_there():
    import cards
    made = cards.cards()
    assert len(made) == 6
    stale = [p.name for p, text in made.items() if not p.is_file() or p.read_text(encoding='utf-8') != text]
    assert not stale, f'{stale}: run make cards'

@pytest.mark.parametrize('file', sorted((ROOT/'data_samples').glob('*.croissant.json')), ids=lambda p: p.name)
def test_a_data_card_names_what_it_must(file):
    "What the Croissant specification, 1.0, asks of a data set; every reference leads somewhere"
    import json
    card = json.loads(file.read_text(encoding='utf-8'))
    assert {'@context', '@type', 'conformsTo', 'name', 'description', 'license', 'url', 'creator', 'datePublished',
            'distribution', 'recordSet', 'version'} <= set(card)
    known = {d['@id'] for d in card['distribution']}
    assert all(d['containedIn']['@id'] in known for d in card['distribution'] if 'containedIn' in d)
    assert all(f['source']['fileObject']['@id'] in known for r in card['recordSet'] for f in r['field'])
    assert 'no person' in card['description']

def test_a_data_card_passes_its_own_validator():
    mlc = pytest.importorskip('mlcroissant', reason='mlcroissant is not installed')
    for file in sorted((ROOT/'data_samples').glob('*.croissant.json')):
        issues = mlc.Dataset(str(file)).metadata.issues
        assert not issues.errors, issues.errors

def test_the_model_card_can_be_read():
    text = (ROOT/'usbook'/'weights'/'README.md').read_text(encoding='utf-8')
    front = yaml.safe_load(text.split('---')[1])
    assert front['license'] == 'apache-2.0' and front['library_name'] == 'timm' and 'not for' in text.lower()

def test_every_part_has_a_licence():
    text = (ROOT/'NOTICE').read_text(encoding='utf-8')
    for part in ('Code', 'Text', 'Images', 'Weights', 'Fonts', 'Public sets'):
        assert re.search(rf'^{part} ', text, re.M), part

def test_forms_can_be_read():
    forms = sorted((ROOT/'.github'/'ISSUE_TEMPLATE').glob('[0-9]*.yml'))
    assert len(forms) == 3
    for f in forms:
        d = yaml.safe_load(f.read_text(encoding='utf-8'))
        assert {'name', 'description', 'body'} <= set(d)
        ids = [b['id'] for b in d['body'] if b['type'] != 'markdown']
        assert len(ids) == len(set(ids)) and all(b['attributes'].get('label') for b in d['body'] if 'id' in b)

# Containers ------------------------------------------------------------------------------------------------

def test_the_container_is_no_root_and_has_one_port():
    lines = (ROOT/'tools'/'container'/'Dockerfile').read_text(encoding='utf-8').splitlines()
    assert [l for l in lines if l.startswith('EXPOSE')] == ['EXPOSE 8888']
    users = [l for l in lines if l.startswith('USER')]
    assert users == ['USER 1000'] and lines.index('USER 1000') < lines.index('CMD ["start-usbook"]')
    start = (ROOT/'tools'/'container'/'start.sh').read_text(encoding='utf-8')
    assert '--allow-root' not in start and not re.search(r'token *= *.?.?$|IdentityProvider.token', start, re.M)
    assert subprocess.run(['sh', '-n', ROOT/'tools'/'container'/'start.sh']).returncode == 0

@pytest.mark.skipif(sys.platform != 'linux', reason='hadolint is installed on Linux only')
def test_the_containers_lint(tmp_path):
    from usbook.classroom.workshop import write_scripts
    write_scripts(tmp_path, ['linux'], ['3.12'])
    files = [ROOT/'tools'/'container'/'Dockerfile', tmp_path/'hub'/'Dockerfile']
    r = subprocess.run([Path(sys.executable).with_name('hadolint'), *files], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout
