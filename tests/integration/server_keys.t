#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The server's own keys: made, published, kept from others, used; what they sign is checked by
openssl, not by the server."""

import base64
import json
import os
import stat
import subprocess
import sys
import tempfile

import backups
import check
import event_log
import http1
from server import Server, StartError
from tap import Suite

suite = Suite()

POLICY = {'roles': {'all': ['pull', 'push', 'audit']},
          'bindings': [{'role': 'all', 'to': ['anonymous'], 'repositories': ['**']}]}

# What a public key of Ed25519 has before its 32 bytes (RFC 8410 section 4).
SPKI = bytes.fromhex('302a300506032b6570032100')


def decode(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def with_auth(folder):
    path = os.path.join(folder, 'policy.json')
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(POLICY, file)
    return f'auth:\n  enabled: true\n  policy: {path}\n'


def case(name):
    def register(function):
        def run():
            with tempfile.TemporaryDirectory(prefix='tidemark-keys-') as folder:
                with Server(config=with_auth(folder)) as server:
                    function(server)
        suite.add(name, run)
        return function
    return register


def get(server, target):
    with http1.Connection(server.address) as connection:
        return json.loads(check.status(connection.request('GET', target), 200).body)


def published(server):
    return get(server, '/api/v1/keys')['keys']


def key_files(server):
    folder = os.path.join(server.data, 'keys')
    return sorted(os.path.join(folder, name) for name in os.listdir(folder))


def verified(key, message, signature):
    """Does openssl find it good? `key` and `signature` are base64url."""
    with tempfile.TemporaryDirectory(prefix='tidemark-verify-') as folder:
        paths = {}
        for name, content in (('key', SPKI + decode(key)), ('message', message),
                              ('signature', decode(signature))):
            paths[name] = os.path.join(folder, name)
            with open(paths[name], 'wb') as file:
                file.write(content)
        result = subprocess.run(
            ['openssl', 'pkeyutl', '-verify', '-pubin', '-keyform', 'DER', '-inkey', paths['key'],
             '-rawin', '-in', paths['message'], '-sigfile', paths['signature']],
            capture_output=True, check=False)
        return result.returncode == 0


def head_message(event):
    return f"tidemark log head 1\n{event['size']}\n{event['digest'].split(':')[1]}\n".encode()


@case('a first start makes one key, for the owner alone, and publishes its public half')
def first_start(server):
    key, = published(server)
    check.equal({name: key[name] for name in ('kty', 'crv', 'alg', 'use')},
                {'kty': 'OKP', 'crv': 'Ed25519', 'alg': 'EdDSA', 'use': 'sig'})
    path, = key_files(server)
    check.equal(os.path.basename(path), key['kid'] + '.pem')
    check.equal(stat.S_IMODE(os.stat(path).st_mode), 0o600)
    check.equal(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)
    with open(path, encoding='ascii') as file:
        private = file.read()
    result = subprocess.run(['openssl', 'pkey', '-in', path, '-pubout', '-outform', 'DER'],
                            capture_output=True, check=True)
    check.equal(result.stdout, SPKI + decode(key['x']), 'the public half of the file')
    for line in private.splitlines()[2:-1]:
        check.true(line not in server.log_text(), 'a key in the log')
    server.restart()
    check.equal(published(server), [key], 'the keys after a restart')


@case('an access token is signed by the published key')
def token(server):
    key, = published(server)
    text = get(server, '/token?service=tidemark&scope=repository:app:pull')['token']
    head, claims, signature = text.split('.')
    check.equal(json.loads(decode(head)), {'typ': 'JWT', 'alg': 'EdDSA', 'kid': key['kid']})
    check.true(verified(key['x'], f'{head}.{claims}'.encode(), signature), 'the signature')
    check.true(not verified(key['x'], f'{head}.{claims}A'.encode(), signature), 'another text')


@case('the log says which key signs, and its head is signed at the end')
def signed_head(server):
    key, = published(server)
    server.stop()
    server.check_is_clean()
    events = event_log.by_dump(server.data)
    made, = [event for event in events if event['type'] == 'key.rotated']
    check.equal((made['subject'], made['key']), (key['kid'], key['x']))
    last = events[-1]
    check.equal(last['type'], 'log.signed')
    check.equal(last['size'], last['number'] - 1, 'the event that is signed')
    check.equal((last['subject'], last['key']), (key['kid'], key['x']))
    check.true(verified(key['x'], head_message(last), last['signature']), 'the signature')
    check.true(not verified(key['x'], head_message(dict(last, size=1)), last['signature']),
               'another number')
    server.start()
    event_log.check_same(event_log.by_api(server.address)[:len(events)], events)


@case('without authentication the log goes on being signed by the keys there are')
def without(server):
    server.stop()
    server.write_config('# all defaults\n')
    server.start()
    with http1.Connection(server.address) as connection:
        check.status(connection.request('POST', '/v2/app/blobs/uploads/?digest=sha256:'
            'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
            {'Content-Length': '0'}), 201)
    server.stop()
    check.equal(event_log.by_dump(server.data)[-1]['type'], 'log.signed')
    server.check_is_clean()


@case('a key that others may read stops the start and is found by fsck')
def open_to_others(server):
    server.stop()
    path, = key_files(server)
    os.chmod(path, 0o644)
    try:
        server.start()
        raise AssertionError('the server started')
    except StartError as error:
        check.true('may be read by others' in str(error) + server.log_text(), 'no reason is given')
    result = server.fsck()
    check.equal(result.returncode, 1)
    check.true('may be read by others' in result.stdout, result.stdout)
    os.chmod(path, 0o600)
    server.check_is_clean()
    server.start()


@case('a backup has no keys; what is restored gets a new one')
def backup(server):
    before, = published(server)
    target = backups.target_of(server)
    backups.back_up(server, target)
    found = [name for _, folders, files in os.walk(target) for name in folders + files]
    check.true('keys' not in found and not any(name.endswith('.pem') for name in found), found)
    server.stop()
    restored = os.path.join(server.directory, 'restored')
    check.equal(server.run_verb('restore', '--data', restored, '--from', target).returncode, 0)
    server.data = restored
    server.start()
    after, = published(server)
    check.true(after['kid'] != before['kid'], 'the key after a restore')
    server.stop()
    server.check_is_clean()


sys.exit(suite.run())
