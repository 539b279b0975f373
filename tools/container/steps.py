"""The steps of a Dockerfile one by one in an empty root, where no Docker is: `python steps.py ROOT [DOCKERFILE]`

For the user root. ROOT is a folder in place of the base image, with a system and Python in it, say from
`mmdebstrap --variant=minbase --include=python3,python3-pip`.
FROM is only said; COPY, RUN, USER, WORKDIR, ENV and ARG are done; then CMD is started for some seconds and asked: the
server must want its token, and run as the last USER. `--context FOLDER` is what COPY copies from (default: the
checkout; for `hub/Dockerfile` of a workshop's box: the box). What is changed for a place without a network is given and
shown: `--replace OLD NEW`, `--bind PLACE` (seen in ROOT under the same path), `--env NAME=VALUE`."""
import argparse, json, os, re, shlex, shutil, signal, subprocess, sys, time, urllib.error, urllib.request
from pathlib import Path

CONTEXT = Path(__file__).parents[2]

def steps(text): # of a Dockerfile -> (word, rest), continued lines joined
    lines = [l for l in text.splitlines() if not l.lstrip().startswith('#')]
    for line in re.sub(r'\\\n', ' ', '\n'.join(lines)).splitlines():
        if line.strip(): yield tuple(line.split(None, 1))

class Root:
    "A folder in the part of a container"
    def __init__(self, folder, env, context=CONTEXT):
        places = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
        self.context = Path(context)
        self.folder, self.env = Path(folder).absolute(), dict(PATH=places, HOME='/root') | env
        self.user, self.place = '0', '/'
    def start(self, words, **kw):
        who = [f'--userspec={self.user}:{self.user}'] if self.user != '0' else []
        inside = ['sh', '-c', f'cd {shlex.quote(self.place)} && exec "$@"', 'sh', *words]
        return subprocess.Popen(['chroot', *who, self.folder, *inside], env=self.env, **kw)
    def arg(self, rest): self.env.setdefault(*rest.split('=', 1))
    def set(self, rest):
        for pair in shlex.split(rest): self.env.__setitem__(*pair.split('=', 1))
    def run(self, rest):
        mounts = []
        while m := re.match(r'--mount=type=bind,source=([^,\s]+),target=(\S+)\s+', rest):
            rest, at = rest[m.end():], self.folder/m[2].lstrip('/')
            at.mkdir(parents=True, exist_ok=True)
            subprocess.run(['mount', '--bind', '-o', 'ro', self.context/m[1], at], check=True)
            mounts.append(at)
        code = self.start(['sh', '-c', rest]).wait()
        for at in mounts: subprocess.run(['umount', at], check=True)
        if code: sys.exit(f'The step ends with {code}.')
    def copy(self, rest):
        words = shlex.split(rest)
        options, (*sources, target) = [w for w in words if w[:2] == '--'], [w for w in words if w[:2] != '--']
        mode = next((int(o.split('=')[1], 8) for o in options if o.startswith('--chmod')), None)
        found = [f for s in sources for f in self.context.glob(s)]
        if not found: sys.exit(f'There is no {sources[0]} to copy.')
        for f in found:
            to = self.folder/target.lstrip('/')
            if target.endswith('/') or to.is_dir(): to = to/f.name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(f, to, dirs_exist_ok=True) if f.is_dir() else shutil.copy(f, to)
            if mode: to.chmod(mode)
    def become(self, rest):
        self.user = rest
        passwd = (self.folder/'etc'/'passwd').read_text().splitlines()
        self.env['HOME'] = next(l.split(':')[5] for l in passwd if l.split(':')[2] == rest)
    def move(self, rest): self.place = rest

def answer(url): # its HTTP status; None where nobody answers
    try: return urllib.request.urlopen(url, timeout=5).status
    except urllib.error.HTTPError as e: return e.code
    except OSError: return None

def ask(root, words, port, health): # CMD, EXPOSE and HEALTHCHECK
    "Start the server, look whether it keeps its token, whose process it is, and end it"
    root.env['PYTHONUNBUFFERED'] = '1'
    log = root.folder/'tmp'/'server.log'
    with log.open('wb') as f: p = root.start(words, stdout=f, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        for _ in range(240):
            if answer(f'http://127.0.0.1:{port}/api') == 200 or p.poll() is not None: break
            time.sleep(.5)
        token = re.search(r'token=([0-9a-f]{32,})', log.read_text(errors='replace'))
        said = {'without a token': answer(f'http://127.0.0.1:{port}/api/contents'),
                'with its token': token and answer(f'http://127.0.0.1:{port}/api/contents?token={token[1]}'),
                'user': os.stat(f'/proc/{p.pid}').st_uid, 'healthy': root.start(health).wait() == 0}
    finally:
        os.killpg(p.pid, signal.SIGTERM)
        p.wait(20)
    print(said)
    if said != {'without a token': 403, 'with its token': 200, 'user': int(root.user), 'healthy': True}:
        sys.exit(f'The server is not as it should be:\n{log.read_text(errors="replace")[-2000:]}')

def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('root')
    p.add_argument('dockerfile', nargs='?', default=Path(__file__).with_name('Dockerfile'))
    p.add_argument('--replace', nargs=2, action='append', default=[], metavar=('OLD', 'NEW'))
    p.add_argument('--bind', action='append', default=[])
    p.add_argument('--env', action='append', default=[])
    p.add_argument('--context', default=CONTEXT)
    args = p.parse_args(argv)
    root = Root(args.root, dict(e.split('=', 1) for e in args.env), args.context)
    mounts = [*args.bind, '/proc', '/dev']
    try:
        for m in mounts:
            inside = root.folder/m.lstrip('/')
            inside.mkdir(parents=True, exist_ok=True)
            subprocess.run(['mount', '--bind', m, inside], check=True)
        go(root, Path(args.dockerfile).read_text(encoding='utf-8'), args.replace)
    finally:
        for m in reversed(mounts): subprocess.run(['umount', root.folder/m.lstrip('/')], stderr=subprocess.DEVNULL)

def go(root, text, replace):
    "Each step, timed"
    known = dict(RUN=root.run, COPY=root.copy, ENV=root.set, ARG=root.arg, USER=root.become, WORKDIR=root.move)
    port = health = None
    for word, rest in steps(text):
        for old, new in replace: rest = rest.replace(old, new)
        print(word, rest, flush=True)
        began = time.time()
        if word in known: known[word](rest)
        elif word == 'EXPOSE': port = rest.strip()
        elif word == 'HEALTHCHECK': health = json.loads(rest[rest.index('CMD') + 3:])
        elif word == 'CMD': ask(root, json.loads(rest), port, health)
        elif word != 'FROM': sys.exit(f'{word} is not known here.')
        if word in ('RUN', 'CMD'): print(f'  {time.time() - began:.0f} s', flush=True)

if __name__ == '__main__': main()
