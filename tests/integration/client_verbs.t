#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The client verbs: against the real server, and against registries that lie.

TIDEMARK_BIG_BLOB_MIB is the size of the large file.
"""

import contextlib
import hashlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import check
import command
import image
from fake_registry import (FakeRegistry, layer, manifest_of, problem, send, send_endless,
                           send_part)
from image import digest_of
from registry import Registry
from server import Server, binary, is_sanitized, run_suite
from tap import NotRun, Suite

BIG_MIB = int(os.environ.get('TIDEMARK_BIG_BLOB_MIB', '256'))
CLIENT_MEMORY_MIB = 48

suite = Suite()


class Result:
    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err

    def json(self):
        return json.loads(self.out)


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix='tidemark-verbs-') as path:
        yield path


def run(url, *arguments, status=0, cwd=None, environment=None, timeout=240):
    """Runs a verb against the registry at `url`; the exit status must be as told."""
    process = subprocess.run(
        [binary(), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=cwd, timeout=timeout, check=False,
        env={**os.environ, 'TIDEMARK_SERVER': url, 'LC_ALL': 'C.UTF-8', **(environment or {})})
    result = Result(process.returncode, process.stdout.decode(), process.stderr.decode())
    check.equal(result.status, status,
                f'exit status of {" ".join(arguments)}: {result.out[-500:]}{result.err[-2000:]}')
    return result


def url_of(server):
    return f'http://{server.address}'


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(content)
    return path


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def tree_of(path):
    """All that is below a folder, as {relative path: content}; folders end with a slash."""
    found = {}
    for parent, folders, files in os.walk(path):
        for name in files:
            found[os.path.relpath(os.path.join(parent, name), path)] = \
                read(os.path.join(parent, name))
        for name in folders:
            found[os.path.relpath(os.path.join(parent, name), path) + '/'] = None
    return found


# ---- Round trips

FILES = {
    'a.txt': b'hello\n',
    'empty': b'',
    'dist/app.bin': image.noise(300_000, 1),
    'dist/deep/er/b.txt': b'same',
    'dist/deep/er/c.txt': b'same',
    'with space, ünï 文.txt': b'name',
}


@suite.case('files come back as they were, in folders, empty ones, with odd names')
def round_trip(server):
    with folder() as here:
        for name, content in FILES.items():
            write(f'{here}/{name}', content)
        pushed = run(url_of(server), 'push', *FILES, 'trip/a:1', '--output', 'json', cwd=here)
        document = pushed.json()
        check.equal(sorted(file['file'] for file in document['files']), sorted(FILES), 'files')
        registry = Registry(server.address)
        check.equal(registry.digest('trip/a', '1'), document['digest'], 'digest of the tag')
        manifest = registry.check_holds('trip/a', '1')
        check.equal(manifest['artifactType'], 'application/vnd.tidemark.files.v1', 'artifactType')
        for reference in ('trip/a:1', f'trip/a@{document["digest"]}',
                          f'{url_of(server)}/trip/a:1'):
            out = tempfile.mkdtemp(dir=here)
            run(url_of(server), 'pull', reference, '-o', out)
            got = {name: content for name, content in tree_of(out).items()
                   if not name.endswith('/')}
            check.equal(got, FILES, 'what came back')
        # A folder that is not there yet, and the current one.
        run(url_of(server), 'pull', 'trip/a:1', '--directory', f'{here}/new')
        check.equal(read(f'{here}/new/a.txt'), FILES['a.txt'])
        os.mkdir(f'{here}/cwd')
        run(url_of(server), 'pull', 'trip/a:1', cwd=f'{here}/cwd')
        check.equal(read(f'{here}/cwd/dist/app.bin'), FILES['dist/app.bin'])


@suite.case('the same files make the same manifest, in any order and from anywhere')
def byte_stable(server):
    digests = set()
    names = ['b', 'a', 'c/d']
    for number, order in enumerate((names, names[::-1], sorted(names))):
        with folder() as here:
            for name in names:
                write(f'{here}/{name}', name.encode())
            digests.add(run(url_of(server), 'push', '-q', *order, f'stable/r{number}:t',
                            cwd=here).out.strip())
    check.equal(len(digests), 1, 'number of digests')
    body = Registry(server.address).get_manifest('stable/r0', 't').body
    check.equal(digest_of(body), digests.pop(), 'digest')
    check.equal(body, image.to_json({
        'schemaVersion': 2, 'mediaType': image.OCI_MANIFEST,
        'artifactType': 'application/vnd.tidemark.files.v1',
        'config': {'mediaType': image.OCI_EMPTY, 'digest': digest_of(b'{}'), 'size': 2,
                   'data': 'e30='},
        'layers': [layer(name, name.encode()) for name in ('a', 'b', 'c/d')]}), 'manifest')


@suite.case('a path out of the folder gives the file its last name only')
def names_of_paths(server):
    with folder() as here:
        write(f'{here}/sub/x', b'x')
        write(f'{here}/y', b'y')
        write(f'{here}/w/z', b'z')
        pushed = run(url_of(server), 'push', f'{here}/y', '../sub/x', './/z', 'names:1',
                     '--output', 'json', cwd=f'{here}/w').json()
        check.equal([file['file'] for file in pushed['files']], ['x', 'y', 'z'], 'names')


@suite.case('what the registry has is not sent again')
def skips_blobs(server):
    with folder() as here:
        write(f'{here}/f', image.noise(100_000, 2))
        first = run(url_of(server), 'push', 'f', 'skip:1', '--output', 'json', cwd=here).json()
        write(f'{here}/g', b'new')
        second = run(url_of(server), 'push', 'f', 'g', 'skip:2', '--output', 'json',
                     cwd=here).json()
    check.equal([file['sent'] for file in first['files']], [True], 'sent at first')
    check.equal({file['file']: file['sent'] for file in second['files']},
                {'f': False, 'g': True}, 'sent then')


def sha256_of_file(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f'sha256:{digest.hexdigest()}'


@suite.case(f'a file of {BIG_MIB} MiB goes there and back in little memory')
def big_file(server):
    with folder() as here:
        with open(f'{here}/big', 'wb') as file:
            for number in range(BIG_MIB):
                file.write(image.noise(1 << 20, number))
        digest = sha256_of_file(f'{here}/big')
        for arguments in (['push', 'big', 'big:1'], ['pull', 'big:1', '-o', 'out']):
            process = subprocess.Popen([binary(), *arguments], cwd=here,
                                       stdout=subprocess.DEVNULL,
                                       env={**os.environ, 'TIDEMARK_SERVER': url_of(server)})
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            check.equal(process.returncode, 0, f'exit status of {arguments[0]}')
            if not is_sanitized():
                check.true(usage.ru_maxrss < CLIENT_MEMORY_MIB * 1024,
                           f'{arguments[0]} used {usage.ru_maxrss} KiB')
        check.equal(sha256_of_file(f'{here}/out/big'), digest, 'digest of what came back')


@suite.case('oras pulls what we pushed')
def oras_pulls(server):
    command.find('oras')
    with folder() as here:
        for name in ('a.txt', 'dist/app.bin', 'empty'):
            write(f'{here}/{name}', FILES[name])
        run(url_of(server), 'push', 'a.txt', 'dist/app.bin', 'empty', 'oras/ours:1', cwd=here)
        command.run('oras', 'pull', '--plain-http', '-o', f'{here}/out',
                    f'{server.address}/oras/ours:1')
        for name in ('a.txt', 'dist/app.bin', 'empty'):
            check.equal(read(f'{here}/out/{name}'), FILES[name], name)


@suite.case('we pull what oras pushed')
def pulls_from_oras(server):
    command.find('oras')
    with folder() as here:
        for name in ('a.txt', 'dist/app.bin'):
            write(f'{here}/{name}', FILES[name])
        os.mkdir(f'{here}/packed')
        write(f'{here}/packed/in', b'in')
        command.run('oras', 'push', '--plain-http', f'{server.address}/oras/theirs:1',
                    'a.txt:text/plain', 'dist/app.bin', 'packed', cwd=here)
        result = run(url_of(server), 'pull', 'oras/theirs:1', '-o', f'{here}/out')
        check.contains(result.err, 'packed is a packed folder')
        for name in ('a.txt', 'dist/app.bin'):
            check.equal(read(f'{here}/out/{name}'), FILES[name], name)
        command.run('tar', '-xzf', 'packed', '-C', here, cwd=f'{here}/out')


@suite.case('files put by plain HTTP are pulled, and make the manifest that push makes')
def same_as_plain_http(server):
    registry = Registry(server.address)
    names = ('dist/app.bin', 'a.txt', 'empty')
    with folder() as here:
        for name in names:
            write(f'{here}/{name}', FILES[name])
            check.status(registry.request('PUT', f'/files/plain/http:1/{name}', None, FILES[name]),
                         201)
        pushed = run(url_of(server), 'push', '-q', *names, 'plain/push:1', cwd=here)
        check.equal(registry.digest('plain/http', '1'), pushed.out.strip(), 'digest')
        run(url_of(server), 'pull', 'plain/http:1', '-o', f'{here}/out')
        got = {name: content for name, content in tree_of(f'{here}/out').items() if content
               is not None}
        check.equal(got, {name: FILES[name] for name in names}, 'what came back')
        # And the other way round.
        for name in names:
            answer = registry.request('GET', f'/files/plain/push:1/{name}')
            check.equal(check.status(answer, 200).body, FILES[name], name)


# ---- What is refused on the way there

@suite.case('push: folders, fifos, missing files and two of one name are refused, nothing is sent')
def push_refusals(server):
    url = url_of(server)
    with folder() as here:
        write(f'{here}/f', b'f')
        write(f'{here}/d/f', b'f')
        os.mkfifo(f'{here}/fifo')
        write(f'{here}/new\nline', b'')
        for names, words in ((['d'], 'tar -czf'), (['d/'], 'is a folder'), (['fifo'], 'no plain'),
                             (['absent'], 'No such file'), (['f', '/' + 'd'], 'No such file'),
                             (['f', f'{here}/d/f'], 'two files'), (['f', './f'], 'two files'),
                             (['new\nline'], 'control characters')):
            result = run(url, 'push', *names, 'refused:1', status=1, cwd=here)
            check.contains(result.err, words, f'words for {names}')
            check.equal(result.out, '', 'standard output')
    check.true('refused' not in run(url, 'ls', '-q').out.split(), 'a repository was made')


@suite.case('push: a file that becomes shorter meanwhile is told so')
def push_shrinks(_):
    with FakeRegistry() as fake, folder() as here:
        path = f'{here}/f'
        with open(path, 'wb') as file:
            file.truncate(64 << 20)

        def cut(handler):
            handler.rfile.read(1 << 16)
            os.truncate(path, 1 << 10)
            while handler.rfile.read(1 << 16):
                pass

        fake.on('POST', '/v2/a/b/blobs/uploads/',
                lambda handler: send(handler, 202, b'', Location='/up?x=1'))
        fake.on('PUT', '/up', cut)
        result = run(fake.url, 'push', path, 'a/b:1', status=1)
        check.contains(result.err, 'became shorter')


@suite.case('push: an upload that leads to another host is refused')
def push_location(_):
    with FakeRegistry() as fake, FakeRegistry() as other, folder() as here:
        write(f'{here}/f', b'f')
        for location in (f'{other.url}/up', f'//{other.address}/up', 'ftp://127.0.0.1/up', '',
                         f'{other.url}/\x1b[2J', 'http://\x1b[2J/'):
            fake.on('POST', '/v2/a/b/blobs/uploads/',
                    lambda handler, to=location: send(handler, 202, b'', Location=to))
            result = run(fake.url, 'push', 'f', 'a/b:1', status=1, cwd=here)
            check.true('\x1b' not in result.err, 'an escape sequence reached the terminal')
        check.equal(other.requests, [], 'requests to another host')


@suite.case('push: the words of the registry are shown')
def push_words(_):
    with FakeRegistry() as fake, folder() as here:
        write(f'{here}/f', b'f')
        body = b'{"errors":[{"code":"DENIED","message":"the disk is \\u001b[31mfull\\n"}]}'
        fake.on('POST', '/v2/a/b/blobs/uploads/', lambda handler: send(handler, 507, body))
        result = run(fake.url, 'push', 'f', 'a/b:1', status=1, cwd=here)
        check.contains(result.err, 'the disk is')
        check.contains(result.err, '(507 DENIED)')
        check.true('\x1b' not in result.err, 'an escape sequence reached the terminal')
        fake.on('POST', '/v2/a/b/blobs/uploads/', lambda handler: send_endless(handler, 500))
        check.contains(run(fake.url, 'push', 'f', 'a/b:1', status=1, cwd=here).err, '(500)')


# ---- What is refused on the way back

def pull_one(fake, here, *options, title='f', status=1, **more):
    """Pulls the one file of a/b:1 into a new folder, which must not be there after a failure."""
    out = f'{here}/out'
    result = run(fake.url, 'pull', 'a/b:1', '-o', out, *options, status=status, **more)
    if status != 0:
        check.true(not os.path.lexists(out), f'left behind: {tree_of(out)}')
    else:
        check.true(os.path.exists(f'{out}/{title}'), f'{title} is not there')
    return result


BAD_TITLES = ('/etc/passwd', '../f', 'a/../f', 'a/./f', './f', 'a//f', 'a/', '..', '.', '/',
              'f\n', 'a\x1b[31m', 'a\x7f', 'a\u0085', 'x' * 256, 'a/' * 600 + 'f',
              '.tidemark-abc')


@suite.case('pull: names that lead elsewhere are refused before anything is fetched')
def hostile_titles(_):
    for title in BAD_TITLES:
        with FakeRegistry() as fake, folder() as here:
            fake.manifest(manifest_of(layer('good', b'good'), layer(title, b'evil')))
            fake.blob(digest_of(b'good'), b'good')
            fake.blob(digest_of(b'evil'), b'evil')
            result = pull_one(fake, here)
            check.equal(fake.asked('GET', '/blobs/'), [], f'blobs asked for with {title!r}')
            check.equal(sorted(os.listdir(here)), [], 'in the folder above')
            check.true('\x1b' not in result.err, 'an escape sequence reached the terminal')


@suite.case('pull: two files of one name, a file and a folder of one name')
def colliding_titles(_):
    with FakeRegistry() as fake, folder() as here:
        fake.manifest(manifest_of(layer('f', b'1'), layer('f', b'2')))
        check.contains(pull_one(fake, here).err, 'two files')
        fake.manifest(manifest_of(layer('f', b'1'), layer('f/g', b'2')))
        fake.blob(digest_of(b'1'), b'1')
        fake.blob(digest_of(b'2'), b'2')
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', status=1)
        check.equal(tree_of(f'{here}/out'), {'f': b'1'}, 'what is there')


@suite.case('pull: symbolic links are not followed')
def symbolic_links(_):
    with FakeRegistry() as fake, folder() as here:
        fake.manifest(manifest_of(layer('d/f', b'new')))
        fake.blob(digest_of(b'new'), b'new')
        os.makedirs(f'{here}/elsewhere')
        os.makedirs(f'{here}/out')
        os.symlink('../elsewhere', f'{here}/out/d')
        for options in ([], ['--force']):
            result = run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', *options, status=1)
            check.contains(result.err, 'symbolic link')
        check.equal(os.listdir(f'{here}/elsewhere'), [], 'behind the link')
        os.unlink(f'{here}/out/d')
        os.makedirs(f'{here}/out/d')
        write(f'{here}/elsewhere/f', b'old')
        os.symlink('../../elsewhere/f', f'{here}/out/d/f')
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', status=1)
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', '--force', status=1)
        check.equal(read(f'{here}/elsewhere/f'), b'old', 'behind the link')
        # A link in the place of our temporary file.
        os.unlink(f'{here}/out/d/f')
        os.symlink('../elsewhere/f',
                   f'{here}/out/.tidemark-{digest_of(b"new").partition(":")[2]}')
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', status=1)
        check.equal(read(f'{here}/elsewhere/f'), b'old', 'behind the link')
        # The folder itself may be one.
        os.symlink('elsewhere', f'{here}/link')
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/link')
        check.equal(read(f'{here}/elsewhere/d/f'), b'new', 'in the folder named by the user')


@suite.case('pull: a file that is there and differs stays, unless forced')
def existing_files(_):
    with FakeRegistry() as fake, folder() as here:
        fake.manifest(manifest_of(layer('a', b'new a'), layer('f', b'new')))
        fake.blob(digest_of(b'new a'), b'new a')
        fake.blob(digest_of(b'new'), b'new')
        write(f'{here}/out/f', b'old')
        result = run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', status=1)
        check.contains(result.err, '--force')
        check.equal(tree_of(f'{here}/out'), {'f': b'old'}, 'what is there')
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', '--force')
        check.equal(tree_of(f'{here}/out'), {'a': b'new a', 'f': b'new'}, 'what is there then')
        # And one that is the same is not fetched again.
        fake.requests.clear()
        files = run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', '--output', 'json').json()
        check.equal([file['fetched'] for file in files['files']], [False, False], 'fetched')
        check.equal(fake.asked('GET', '/blobs/'), [], 'blobs asked for')
        os.unlink(f'{here}/out/f')
        os.makedirs(f'{here}/out/f')
        check.contains(run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', '--force',
                           status=1).err, 'no plain file')


def lies():
    content = image.noise(100_000, 3)
    digest = digest_of(content)
    other = content[:-1] + bytes([content[-1] ^ 1])

    def cut_off(handler):
        send(handler, 200, content[:-1], Content_Length=None)

    def longer(handler):
        send(handler, 200, content + b'x', Content_Length=None)

    yield 'other bytes', layer('f', content), digest, other, 'damaged'
    yield 'too few bytes', layer('f', content), digest, content[:-1], 'of the 100000 bytes'
    yield 'too few bytes, no length', layer('f', content), digest, cut_off, 'of the 100000 bytes'
    yield 'too many bytes', layer('f', content), digest, content + b'x', 'more than'
    yield 'too many bytes, no length', layer('f', content), digest, longer, 'more than'
    yield 'no end', layer('f', content), digest, send_endless, 'more than'
    yield 'a size that is too small', layer('f', content, size=10), digest, content, 'more than'
    yield 'a size that is too large', layer('f', content, size=100_001), digest, content, '100001'
    yield 'no size', layer('f', content, size=None), digest, content, 'no size'
    yield 'a negative size', layer('f', content, size=-1), digest, content, 'no size'
    yield 'no digest', layer('f', content, digest='sha256:x'), digest, content, 'no digest'
    yield 'a digest for the terminal', layer('f', content, digest='\x1b[2J:\x1b'), digest, content, \
        'no digest'
    yield 'a digest of another kind', layer('f', content, digest='md5:00'), digest, content, \
        'no digest'
    yield 'more than fits the disk', layer('f', content, size=1 << 62), digest, content, 'free'
    yield 'a part that nobody asked for', layer('f', content), digest, \
        lambda handler: send(handler, 206, content, Content_Range='bytes 0-99999/100000'), 'part'
    yield 'no content', layer('f', content), digest, \
        lambda handler: send(handler, 204, b''), 'part'
    yield 'a refusal without end', layer('f', content), digest, \
        lambda handler: send_endless(handler, 404), '(404)'
    yield 'something else than HTTP', layer('f', content), digest, \
        lambda handler: handler.wfile.write(b'SSH-2.0-x\r\n' * 10), 'http'
    yield 'compressed bytes', layer('f', content), digest, \
        lambda handler: send(handler, 200, b'\x1f\x8b', Content_Encoding='gzip'), '2 of the'


for lie in lies():
    def told_lie(_, said, digest, answer, words):
        with FakeRegistry() as fake, folder() as here:
            fake.manifest(manifest_of(said))
            fake.blob(digest, answer)
            result = pull_one(fake, here)
            check.contains(result.err.lower(), words.lower())
            check.true('\x1b' not in result.err, 'an escape sequence reached the terminal')
    suite.add(f'pull: {lie[0]}: refused, nothing is left', told_lie, *lie[1:])


@suite.case('pull: manifests that are none, damaged, endless, or of something else')
def bad_manifests(_):
    content = b'file'
    good = manifest_of(layer('f', content))
    with FakeRegistry() as fake, folder() as here:
        fake.blob(digest_of(content), content)
        for body, words in ((b'', 'cannot be read'), (b'{', 'cannot be read'),
                            (b'[]', 'layers'), (b'{"layers":7}', 'layers'),
                            (b'{"manifests":[]}', 'index'), (manifest_of(), 'file name'),
                            (b'{"layers":[7]}', 'no size'),
                            (b'[' * 100000, 'cannot be read')):
            fake.manifest(body)
            check.contains(pull_one(fake, here).err, words)
        fake.manifest(good, Docker_Content_Digest=digest_of(b'other'))
        check.contains(pull_one(fake, here).err, 'damaged')
        fake.manifest(good, reference=digest_of(b'other'))
        check.contains(run(fake.url, 'pull', f'a/b@{digest_of(b"other")}', '-o', f'{here}/out',
                           status=1).err, 'damaged')
        fake.on('GET', '/v2/a/b/manifests/1', send_endless)
        check.contains(pull_one(fake, here).err, 'longer than')
        fake.manifest(good, Docker_Content_Digest=digest_of(good, 'sha512'))
        pull_one(fake, here, status=0)


@suite.case('pull: a container image and an index are told from files')
def not_files(server):
    registry = Registry(server.address)
    registry.push('not/files', image.Image([{'bin/sh': b'#!'}]), 'image')
    registry.push('not/files', image.multi_arch('verbs'), 'index')
    check.contains(run(url_of(server), 'pull', 'not/files:image', status=1).err, 'skopeo')
    check.contains(run(url_of(server), 'pull', 'not/files:index', status=1).err, 'index')


@suite.case('pull: redirects are followed within the registry, never to another host')
def redirects(_):
    content = b'moved'
    with FakeRegistry() as fake, FakeRegistry() as other, folder() as here:
        fake.manifest(manifest_of(layer('f', content)))
        other.give('/moved', 200, content)
        fake.give('/moved', 200, content)
        for status in (301, 302, 303, 307, 308):
            for target in (f'{other.url}/moved', f'//{other.address}/moved',
                           f'file://{here}/x', 'gopher://127.0.0.1/'):
                fake.blob(digest_of(content), lambda handler, to=target, s=status:
                          send(handler, s, b'go away', Location=to))
                pull_one(fake, here)
        check.equal(other.requests, [], 'requests to another host')
        fake.blob(digest_of(content), lambda handler: send(handler, 307, content,
                                                           Location=handler.path))
        check.contains(pull_one(fake, here).err, 'redirect')
        fake.blob(digest_of(content), lambda handler: send(handler, 307, b'not this',
                                                           Location='/moved'))
        pull_one(fake, here, status=0)


# ---- Going on

def partial_of(content):
    return f'.tidemark-{digest_of(content).partition(":")[2]}'


@suite.case('pull: what was cut off goes on where it stopped')
def resumes(_):
    content = image.noise(1_000_000, 4)
    with FakeRegistry() as fake, folder() as here:
        fake.manifest(manifest_of(layer('d/f', content)))
        fake.blob(digest_of(content), lambda handler: send_part(handler, content, 400_000))
        result = run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', status=1)
        check.contains(result.err, 'goes on there')
        # Again cut: 800,000 bytes. Then the rest.
        check.equal(tree_of(f'{here}/out'), {partial_of(content): content[:400_000]})
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', status=1)
        check.equal(tree_of(f'{here}/out'), {partial_of(content): content[:800_000]})
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out')
        check.equal(tree_of(f'{here}/out'), {'d/': None, 'd/f': content})
        check.equal([fields.get('Range') for fields in fake.asked('GET', '/blobs/')],
                    [None, 'bytes=400000-', 'bytes=800000-'], 'ranges')


@suite.case('pull: a killed client goes on as well')
def killed(_):
    content = image.noise(1_000_000, 5)
    with FakeRegistry() as fake, folder() as here:
        fake.manifest(manifest_of(layer('f', content)))

        def stall(handler):
            handler.send_response(200)
            handler.send_header('Content-Length', str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[:500_000])
            handler.wfile.flush()
            handler.rfile.read(1)

        fake.blob(digest_of(content), stall)
        process = subprocess.Popen([binary(), 'pull', 'a/b:1', '-o', 'out'], cwd=here,
                                   env={**os.environ, 'TIDEMARK_SERVER': fake.url})
        partial = f'{here}/out/{partial_of(content)}'
        check.eventually('half of it is on the disk', lambda: os.path.exists(partial) and
                         os.path.getsize(partial) == 500_000)
        # Nobody else may write there meanwhile.
        check.contains(run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', status=1).err,
                       'another pull')
        process.kill()
        process.wait()
        fake.blob(digest_of(content), lambda handler: send_part(handler, content, 500_000))
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out')
        check.equal(tree_of(f'{here}/out'), {'f': content})


@suite.case('pull: goes on with the real server; a damaged part is fetched anew')
def resumes_for_real(server):
    content = image.noise(3_000_000, 6)
    with folder() as here:
        write(f'{here}/f', content)
        run(url_of(server), 'push', 'f', 'resume:1', cwd=here)
        for part in (content[:1_234_567], b'x' * 1_234_567, content, content + b'x',
                     b'x' * len(content), b''):
            out = tempfile.mkdtemp(dir=here)
            write(f'{out}/{partial_of(content)}', part)
            run(url_of(server), 'pull', 'resume:1', '-o', out)
            check.equal(tree_of(out), {'f': content}, 'what is there')


@suite.case('pull: a registry without ranges sends it all again')
def no_ranges(_):
    content = image.noise(100_000, 7)
    with FakeRegistry() as fake, folder() as here:
        fake.manifest(manifest_of(layer('f', content)))
        fake.blob(digest_of(content), content)
        write(f'{here}/out/{partial_of(content)}', content[:1000])
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out')
        check.equal(tree_of(f'{here}/out'), {'f': content})
        # And one that sends another part than asked for is not believed.
        os.unlink(f'{here}/out/f')
        write(f'{here}/out/{partial_of(content)}', content[:1000])
        fake.blob(digest_of(content), lambda handler: send(
            handler, 206, content[500:], Content_Range='bytes 500-99999/100000'))
        run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/out', status=1)
        check.equal(tree_of(f'{here}/out'), {}, 'left behind')


# ---- Looking

def arrange(server):
    """look/at has an image, an index, an artifact that refers to the image, one that refers to it."""
    registry = Registry(server.address)
    one = image.Image([{'a': b'look'}])
    registry.push('look/at', one, 'one')
    registry.push('look/at', image.multi_arch('look'), 'many')
    digests = [one.digest]
    for kind in ('application/x-sbom', 'application/x-signature'):
        body = image.to_json({
            'schemaVersion': 2, 'mediaType': image.OCI_MANIFEST, 'artifactType': kind,
            'config': {'mediaType': image.OCI_EMPTY, 'digest': digest_of(b'{}'), 'size': 2},
            'layers': [],
            'subject': {'mediaType': image.OCI_MANIFEST, 'digest': digests[-1],
                        'size': len(registry.get_manifest('look/at', digests[-1]).body)}})
        registry.push_blob('look/at', b'{}')
        check.status(registry.put_manifest('look/at', digest_of(body), body, image.OCI_MANIFEST),
                     201)
        digests.append(digest_of(body))
    return digests


@suite.case('ls, show and tree say what is there; as JSON as well')
def look(server):
    url = url_of(server)
    digests = arrange(server)
    check.contains(run(url, 'ls').out, 'look/at')
    check.contains(run(url, 'ls', '-q').out.split(), 'look/at')
    check.contains(run('http://127.0.0.1:1', 'ls', '-q', f'{url}/').out.split(), 'look/at')
    check.contains([r['name'] for r in run(url, 'ls', '--output', 'json').json()['repositories']],
                   'look/at')
    check.equal(run(url, 'ls', '-q', 'look/at').out.split(), ['many', 'one'], 'tags')
    check.contains(run(url, 'ls', 'look/at').out, 'linux/arm64')
    tags = run(url, 'ls', 'look/at', '--output=json').json()
    check.equal([tag['tag'] for tag in tags['tags']], ['many', 'one'], 'tags')
    check.equal(run(url, 'show', '-q', 'look/at:one').out.strip(), digests[0], 'digest')
    check.contains(run(url, 'show', 'look/at:many').out, 'linux/arm64')
    check.contains(run(url, 'show', f'look/at@{digests[1]}').out, digests[0])
    check.equal(run(url, 'show', 'look/at:one', '--output', 'json').json()['digest'], digests[0])
    lines = run(url, 'tree', 'look/at:one').out.splitlines()
    check.equal(len(lines), 3, 'lines of the tree')
    check.true(lines[1].startswith('└── application/x-sbom'), lines[1])
    check.true(lines[2].startswith('    └── application/x-signature'), lines[2])
    ascii_lines = run(url, 'tree', 'look/at:one', environment={'LC_ALL': 'C'}).out.splitlines()
    check.true(ascii_lines[1].startswith('`-- application/x-sbom'), ascii_lines[1])
    check.equal(run(url, 'tree', '-q', 'look/at:one').out.split(), digests[1:], 'digests')
    document = run(url, 'tree', 'look/at:one', '--output', 'json').json()
    check.equal(document['referrers'][0]['referrers'][0]['digest'], digests[2], 'the signature')
    check.contains(run(url, 'tree', 'look/at:many').out, 'linux/arm64')
    check.equal(len(run(url, 'tree', 'look/at:many', '--output', 'json').json()['manifests']), 2)


@suite.case('ls goes through all pages')
def pages(server):
    registry = Registry(server.address)
    body = manifest_of()
    registry.push_blob('pages', b'{}')
    wanted = [f't{number:03}' for number in range(230)]
    for tag in wanted:
        check.status(registry.put_manifest('pages', tag, body, image.OCI_MANIFEST), 201)
    check.equal(run(url_of(server), 'ls', '-q', 'pages').out.split(), wanted, 'tags')
    document = run(url_of(server), 'ls', 'pages', '--output', 'json').json()
    check.equal([tag['tag'] for tag in document['tags']], wanted, 'tags')


@suite.case('ls: pages that never end, answers of something else')
def bad_lists(_):
    with FakeRegistry() as fake:
        path = '/api/v1/repos'
        fake.give(path, 200, b'{"repositories":[],"next":"x"}')
        check.contains(run(fake.url, 'ls', status=1).err, 'again and again')
        for body in (b'', b'<html>', b'[]', b'{"repositories":7}', b'{"repositories":[}'):
            fake.give(path, 200, body)
            run(fake.url, 'ls', status=1)
        fake.on('GET', path, send_endless)
        check.contains(run(fake.url, 'ls', status=1).err, 'longer than')
        fake.give(path, 200, b'{"repositories":[{"name":"a\\u001b[2J\\u009b31mb","tags":1},7,{}]}')
        check.true('\x1b' not in run(fake.url, 'ls').out, 'an escape sequence got through')
        check.true('\x9b' not in run(fake.url, 'ls').out, 'an escape sequence got through')


@suite.case('refusals: both kinds of documents, and the way out')
def refusals(server):
    url = url_of(server)
    for arguments in (['ls', 'no/such'], ['show', 'no/such:1'], ['tree', 'no/such:1'],
                      ['pull', 'no/such:1']):
        check.contains(run(url, *arguments, status=1).err, '404 NAME_UNKNOWN')
        check.contains(run(url, *arguments, status=1).err, 'tidemark ls')
    run(url, 'push', '-q', __file__, 'is/such:1')
    check.contains(run(url, 'pull', 'is/such:2', status=1).err, '404 MANIFEST_UNKNOWN')
    check.contains(run(url, 'show', 'is/such:2', status=1).err, '_UNKNOWN')
    with FakeRegistry() as fake:
        fake.give('/api/v1/repos', 429, problem(429, 'TOOMANYREQUESTS', 'come back \x1b[31mlater'))
        result = run(fake.url, 'ls', status=1)
        check.contains(result.err, '(429 TOOMANYREQUESTS)')
        check.contains(result.err, 'later')
        check.true('\x1b' not in result.err, 'an escape sequence got through')
        fake.answers.clear()
        check.contains(run(fake.url, 'ls', status=1).err, 'Is it a Tidemark?')


# ---- Events

def events_of(result):
    return [json.loads(line) for line in result.out.splitlines()]


@suite.case('events: all, after one, of one repository, of one type')
def events(server):
    url = url_of(server)
    run(url, 'push', '-q', __file__, 'told:1')
    everything = events_of(run(url, 'events', '--output', 'json'))
    numbers = [event['number'] for event in everything]
    check.equal(numbers, list(range(1, numbers[-1] + 1)), 'numbers')
    check.equal(len(run(url, 'events').out.splitlines()), len(numbers), 'lines of text')
    last = events_of(run(url, 'events', '--after', str(numbers[-2]), '--output', 'json'))
    check.equal(last, everything[-1:], 'the last one')
    told = events_of(run(url, 'events', '--repo', 'told', '--types', 'tag.bound', '--output',
                         'json'))
    check.equal([(event['type'], event['tag']) for event in told], [('tag.bound', '1')], 'told')


def read_line(process, seconds=60):
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    check.true(ready, 'no line came')
    return json.loads(process.stdout.readline())


@suite.case('events -f follows, also over a restart of the server')
def follow(server):
    server.listen = server.address
    url = url_of(server)
    process = subprocess.Popen(
        [binary(), 'events', '-f', '--repo', 'followed', '--types', 'tag.bound', '--output',
         'json'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, 'TIDEMARK_SERVER': url})
    try:
        for tag in ('1', '2'):
            run(url, 'push', '-q', __file__, f'followed:{tag}')
            check.equal(read_line(process)['tag'], tag, 'tag')
        server.restart()
        run(url, 'push', '-q', __file__, 'followed:3')
        check.equal(read_line(process)['tag'], '3', 'tag')
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        check.equal(process.wait(30), -signal.SIGTERM, 'how it ended')


# ---- The command line

@suite.case('exit status 2 for mistakes on the command line, which are named')
def usage(server):
    for arguments, words in (
            (['push'], 'missing'), (['push', 'x:1'], 'missing'), (['pull'], 'missing'),
            (['pull', 'a:1', 'b:1'], 'too many'), (['ls', 'a', 'b'], 'too many'),
            (['events', 'x'], 'too many'), (['show'], 'missing'), (['tree', 'a'], 'no tag'),
            (['pull', 'a'], 'no tag'), (['push', __file__, 'a'], 'no tag'),
            (['push', __file__, f'a@{digest_of(b"")}'], 'digest cannot'),
            (['ls', 'a:1'], 'without a tag'), (['pull', 'A:1'], 'lower-case'),
            (['pull', 'a:'], 'no tag'), (['pull', 'a@sha256:1'], 'no digest'),
            (['pull', 'localhost:5000/a:1'], 'http://'), (['pull', 'http://'], 'no host'),
            (['pull', 'http://u:p@h/a:1'], 'no host'), (['ls', '--output', 'xml'], 'text or json'),
            (['ls', '--server', 'localhost'], 'http://'), (['ls', '--server', 'http://h/x'], 'host'),
            (['ls', '--nonsense'], 'nonsense'), (['ls', '-o', 'x'], "'o'"),
            (['events', '--after', '-1'], 'digits'), (['completion', 'fish'], 'bash'),
            (['completion'], 'missing'), (['sevre'], 'no verb')):
        result = run(url_of(server), *arguments, status=2)
        check.contains(result.err, words, f'words for {arguments}')
        check.equal(result.out, '', 'standard output')
    check.contains(run('nonsense', 'ls', status=2).err, 'http://HOST:PORT')


@suite.case('a registry that is not there: what to do is said; a proxy is not asked for loopback')
def no_server(server):
    result = run('http://127.0.0.1:1', 'ls', status=1)
    check.contains(result.err, 'tidemark serve')
    check.contains(result.err, 'TIDEMARK_SERVER')
    run(url_of(server), 'ls', environment={'http_proxy': 'http://127.0.0.1:1', 'no_proxy': ''})
    run('http://127.0.0.1:1', 'ls', '--server', url_of(server))


@suite.case('output that cannot be written is a failure')
def full_output(server):
    with open('/dev/full', 'wb') as full:
        process = subprocess.run([binary(), 'ls', '--server', url_of(server)], stdout=full,
                                 stderr=subprocess.PIPE, check=False)
    check.equal(process.returncode, 1, 'exit status')
    check.contains(process.stderr.decode(), 'standard output')


@suite.case('every verb has a page of help')
def help_pages(server):
    for verb in ('push', 'pull', 'ls', 'show', 'tree', 'events', 'completion'):
        check.contains(run(url_of(server), 'help').out, f'\n  {verb}')
        for option in ('-h', '--help'):
            result = run(url_of(server), verb, option)
            check.contains(result.out, f'Usage: tidemark {verb}')
            check.equal(result.err, '', 'standard error')


# ---- Terminals and shells

def on_terminal(fake, here, *options):
    """What pull writes to a terminal while a file comes slowly."""
    content = image.noise(100_000, 8)
    fake.manifest(manifest_of(layer('slow.bin', content)))

    def slowly(handler):
        handler.send_response(200)
        handler.send_header('Content-Length', str(len(content)))
        handler.end_headers()
        for at in range(0, len(content), 20_000):
            handler.wfile.write(content[at:at + 20_000])
            handler.wfile.flush()
            time.sleep(0.4)

    fake.blob(digest_of(content), slowly)
    master, slave = pty.openpty()
    process = subprocess.Popen([binary(), 'pull', 'a/b:1', '-o', tempfile.mkdtemp(dir=here),
                                *options], stdout=subprocess.DEVNULL, stderr=slave,
                               env={**os.environ, 'TIDEMARK_SERVER': fake.url})
    os.close(slave)
    written = b''
    with contextlib.suppress(OSError): # EIO: the other end is closed
        while data := os.read(master, 4096):
            written += data
    os.close(master)
    check.equal(process.wait(60), 0, 'exit status')
    return written.decode()


@suite.case('a long transfer shows how far it is: on a terminal only, and not when quiet')
def progress(_):
    with FakeRegistry() as fake, folder() as here:
        shown = on_terminal(fake, here)
        check.contains(shown, 'pulling slow.bin')
        check.contains(shown, '%')
        check.contains(shown, 'of 98 KiB')
        check.true(shown.endswith('\r\x1b[K'), f'the line is not erased: {shown!r}')
        check.true('\n' not in shown, f'more than one line: {shown!r}')
        check.equal(on_terminal(fake, here, '--quiet'), '', 'when quiet')
        fake.requests.clear()
        check.equal(run(fake.url, 'pull', 'a/b:1', '-o', f'{here}/pipe').err, '', 'on a pipe')


COMPLETE = '''\
source <("$TIDEMARK" completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_tidemark
printf '%s\\n' "${COMPREPLY[@]}"
'''


def complete(*words, cwd=None):
    result = subprocess.run(['bash', '-c', COMPLETE, 'bash', *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, cwd=cwd, check=False)
    check.equal(result.stderr, b'', 'errors of bash')
    return result.stdout.decode().splitlines()


@suite.case('bash completes verbs, options, words and files')
def bash(_):
    check.equal(complete('tidemark', 'pu'), ['push', 'pull'], 'verbs')
    check.contains(complete('tidemark', ''), 'serve')
    check.equal(complete('tidemark', 'pull', '--f'), ['--force'], 'options')
    check.equal(complete('tidemark', 'ls', '--output', ''), ['text', 'json'], 'words')
    check.equal(complete('tidemark', 'completion', 'z'), ['zsh'], 'shells')
    with folder() as here:
        write(f'{here}/a file', b'')
        os.mkdir(f'{here}/a folder')
        check.equal(sorted(complete('tidemark', 'push', 'a', cwd=here)), ['a file', 'a folder'])
        check.equal(complete('tidemark', 'pull', '-o', 'a', cwd=here), ['a folder'])
        check.equal(complete('tidemark', 'serve', '--data', 'a', cwd=here), ['a folder'])


@suite.case('zsh takes its completion')
def zsh(_):
    if shutil.which('zsh') is None:
        raise NotRun('zsh is missing')
    script = 'autoload -U compinit && compinit -u -D && source <("$TIDEMARK" completion zsh) && ' \
             '(( $+functions[_tidemark] )) && [[ $_comps[tidemark] = _tidemark ]]'
    result = subprocess.run(['zsh', '-f', '-c', script], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, check=False)
    check.equal((result.returncode, result.stdout), (0, b''), 'zsh')


sys.exit(run_suite(suite))
