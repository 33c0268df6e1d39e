#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every route's answers as httplint sees them: no bad note."""

import os
import re
import subprocess
import sys

import check
import command
import http1
from image import Artifact, Image, Index, digest_of
from registry import Registry
from server import run_suite
from tap import Suite, note

IMAGE = Image([{'etc/hello': b'hello'}])
INDEX = Index([IMAGE])
SBOM = Artifact('application/vnd.example.sbom', b'sbom', subject=INDEX)
LAYER = digest_of(IMAGE.layers[0])

# Notes of httplint that are wrong for us: the text, and why.
EXCUSED = {
    "[BAD] This response is partial, but doesn't have a Content-Range header.":
        'of several ranges each part has its own, and the head must have none (RFC 9110, 15.3.7.2)',
    '[BAD] "Range" isn\'t valid in a response.':
        'the distribution specification wants it in the answers about uploads',
}

# Requests for each pattern of route.def: (method, target, fields, status).
REQUESTS = {
    '/v2/': [('GET', '/v2/', {}, 200)],
    '/v2/_catalog': [('GET', '/v2/_catalog', {}, 200), ('GET', '/v2/_catalog?n=1', {}, 200)],
    '/v2/_oci/ext/discover': [('GET', '/v2/_oci/ext/discover', {}, 200)],
    '/v2/<name>/tags/list': [('GET', '/v2/lint/app/tags/list?n=1', {}, 200),
                             ('GET', '/v2/unknown/tags/list', {}, 404)],
    '/v2/<name>/manifests/<arg>': [
        ('GET', '/v2/lint/app/manifests/one', {}, 200),
        ('GET', '/v2/lint/app/manifests/one', {'Range': 'bytes=0-3'}, 206),
        ('GET', '/v2/lint/app/manifests/one', {'If-None-Match': f'"{IMAGE.digest}"'}, 304),
        ('GET', '/v2/lint/app/manifests/none', {}, 404),
        ('DELETE', '/v2/lint/app/manifests/gone', {}, 202)],
    '/v2/<name>/blobs/<arg>': [
        ('GET', f'/v2/lint/app/blobs/{LAYER}', {}, 200),
        ('GET', f'/v2/lint/app/blobs/{LAYER}', {'Range': 'bytes=1-2'}, 206),
        ('GET', f'/v2/lint/app/blobs/{LAYER}', {'Range': 'bytes=1-2,5-6'}, 206),
        ('GET', f'/v2/lint/app/blobs/{LAYER}', {'Range': 'bytes=99999-'}, 416),
        ('DELETE', f'/v2/lint/app/blobs/{LAYER}', {}, 405)],
    '/v2/<name>/blobs/uploads/': [('POST', '/v2/lint/app/blobs/uploads/', {}, 202)],
    '/v2/<name>/blobs/uploads/<arg>': [('GET', '/v2/lint/app/blobs/uploads/0', {}, 404)],
    '/v2/<name>/referrers/<arg>': [('GET', f'/v2/lint/app/referrers/{INDEX.digest}', {}, 200)],
    '/api/v1/version': [('GET', '/api/v1/version', {}, 200),
                        ('PUT', '/api/v1/version', {}, 405)],
    '/api/v1/repos': [('GET', '/api/v1/repos', {}, 200), ('GET', '/api/v1/repos?n=0', {}, 400)],
    '/api/v1/repos/<name>': [('GET', '/api/v1/repos/lint/app', {}, 200)],
    '/api/v1/repos/<name>/-/tags': [('GET', '/api/v1/repos/lint/app/-/tags', {}, 200)],
    '/api/v1/repos/<name>/-/tags/<arg>': [('GET', '/api/v1/repos/lint/app/-/tags/one', {}, 200),
                                          ('GET', '/api/v1/repos/lint/app/-/tags/no', {}, 404)],
    '/api/v1/repos/<name>/-/manifests/<arg>': [
        ('GET', '/api/v1/repos/lint/app/-/manifests/many', {}, 200)],
    '/api/v1/repos/<name>/-/manifests/<arg>/referrers': [
        ('GET', '/api/v1/repos/lint/app/-/manifests/many/referrers', {}, 200)],
    '/api/v1/repos/<name>/-/layers/<arg>': [
        ('GET', f'/api/v1/repos/lint/app/-/layers/{LAYER}', {}, 200),
        ('GET', f'/api/v1/repos/lint/app/-/layers/{LAYER}', {'If-None-Match': f'"{LAYER}"'}, 304),
        ('GET', f'/api/v1/repos/lint/app/-/layers/{digest_of(IMAGE.config)}', {}, 415)],
    '/api/v1/events': [('GET', '/api/v1/events', {}, 200)],
    '/api/v1/whoami': [('GET', '/api/v1/whoami', {}, 200)],
    '/api/v1/access': [('GET', '/api/v1/access', {}, 404)],
    '/api/v1/access/explain': [
        ('GET', '/api/v1/access/explain?subject=a&verb=pull&repository=a', {}, 200)],
    '/api/v1/keys': [('GET', '/api/v1/keys', {}, 404)],
    '/api/v1/users': [('GET', '/api/v1/users', {}, 404)],
    '/api/v1/users/<arg>': [('GET', '/api/v1/users/x', {}, 404)],
    '/api/v1/groups': [('GET', '/api/v1/groups', {}, 404)],
    '/api/v1/groups/<arg>': [('GET', '/api/v1/groups/x', {}, 404)],
    '/api/v1/robots': [('GET', '/api/v1/robots', {}, 404)],
    '/api/v1/robots/<arg>': [('GET', '/api/v1/robots/x', {}, 404)],
    '/api/v1/robots/<arg>/secrets': [('GET', '/api/v1/robots/x/secrets', {}, 405)],
    '/api/v1/tokens': [('GET', '/api/v1/tokens', {}, 404)],
    '/api/v1/tokens/<arg>': [('GET', '/api/v1/tokens/x', {}, 404)],
    '/token': [('GET', '/token', {}, 404)],
    '/files/<name><ref>/': [('GET', '/files/lint/files:1/', {}, 200),
                            ('GET', '/files/lint/files:1/', {'Accept': 'text/html'}, 200),
                            ('POST', '/files/lint/files:1/?publish', {}, 404)],
    '/files/<name><ref>/<path>': [('GET', '/files/lint/files:1/a/b.txt', {}, 200),
                                  ('GET', '/files/lint/files:1/a/b.txt', {'Range': 'bytes=1-'}, 206),
                                  ('GET', '/files/lint/files:1/none', {}, 404)],
    '/livez': [('GET', '/livez', {}, 200)],
    '/readyz': [('GET', '/readyz', {}, 200)],
    '/metrics': [('GET', '/metrics', {}, 200)],
}

suite = Suite()


def patterns():
    path = os.path.join(os.environ['TOP_SRCDIR'], 'server', 'route.def')
    with open(path, encoding='utf-8') as file:
        return re.findall(r'^X\(\w+, "([^"]+)"\)', file.read(), re.M)


def raw_answer(server, method, target, fields):
    """All bytes of one answer, as they came."""
    head = http1.head(server.address, method, target, {**fields, 'Connection': 'close'})
    with http1.Connection(server.address) as connection:
        connection.send(head)
        parts = []
        while True:
            part = connection.socket.recv(1 << 16)
            if part == b'':
                return b''.join(parts)
            parts.append(part)


def lint(answer):
    """httplint's notes, as lines."""
    result = subprocess.run([command.find('httplint')], input=answer, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=120, check=False)
    text = result.stdout.decode()
    check.true('* [' in text, f'httplint has nothing to say: {text[-2000:]}')
    return re.findall(r'^\* (\[\w+\] .*)$', text, re.M)


def is_bad(line):
    return line.startswith('[BAD]') and line not in EXCUSED


@suite.case('httplint finds what is bad')
def finds(_server):
    answer = (b'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: yesterday\r\n'
              b'Content-Length: 2\r\n\r\nok')
    check.true(any(is_bad(line) for line in lint(answer)), 'a broken Date is no bad note')


@suite.case('something is stored')
def stored(server):
    registry = Registry(server.address)
    registry.push('lint/app', IMAGE, 'one')
    registry.push('lint/app', IMAGE, 'gone')
    registry.push('lint/app', INDEX, 'many')
    registry.push('lint/app', SBOM)
    if '/files/<name><ref>/<path>' in patterns():
        answer = registry.request('PUT', '/files/lint/files:1/a/b.txt', {}, b'a file')
        check.status(answer, 201)


def clean(server, pattern):
    for method, target, fields, status in REQUESTS[pattern]:
        answer = raw_answer(server, method, target, fields)
        line = answer.split(b'\r\n', 1)[0].decode()
        check.equal(line.split()[1], str(status), f'status of {method} {target}')
        bad = [text for text in lint(answer) if is_bad(text)]
        for text in bad:
            note(f'{method} {target} {fields}: {text}')
        check.equal(bad, [], f'{method} {target}')


for each in patterns():
    suite.add(each, clean, each)

sys.exit(run_suite(suite))
