#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Users, groups, robots and tokens: by the API, and by the client verbs with the credential store
of container clients."""

import base64
import json
import os
import pty
import stat
import subprocess
import sys
import tempfile

import check
import http1
from fake_registry import FakeRegistry, send
from server import binary, run_suite
from tap import Suite

CONFIG = '''\
auth:
  enabled: true
  bcrypt_cost: 8
  lockout_failures: 0
'''
ROOT = ('root', 'correct horse')
POLICY = {
    'roles': {'admin': ['admin', 'audit', 'metrics', 'pull', 'push', 'move-tag', 'delete'],
              'developer': ['pull', 'push', 'move-tag']},
    'bindings': [
        {'role': 'admin', 'to': ['user:root'], 'repositories': ['**']},
        {'role': 'developer', 'to': ['group:team', 'robot:ci'], 'repositories': ['team/**']},
    ],
}

suite = Suite()


def basic(user, secret):
    return {'Authorization': 'Basic ' + base64.b64encode(f'{user}:{secret}'.encode()).decode()}


def call(server, method, path, body=None, who=ROOT, status=200, fields=None):
    """One request of /api/v1 as `who` (None: nobody); its JSON, or None when there is none."""
    fields = {**(basic(*who) if who else {}), **(fields or {})}
    if body is not None:
        fields.setdefault('Content-Type', 'application/json')
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = http1.request(server.address, method, '/api/v1' + path, fields, body)
    check.status(answer, status)
    return json.loads(answer.body) if answer.body else None


def refused(server, method, path, body, status, *words, **more):
    answer = call(server, method, path, body, status=status, **more)
    for word in words:
        check.contains(answer['detail'], word, 'detail')
    return answer


def events(server, kind, after=0):
    found = call(server, 'GET', f'/events?types={kind}&n=1000&after={after}')['events']
    return [event['subject'] for event in found]


def last_event(server):
    return call(server, 'GET', '/events?after=last')['last']


class Client:
    """The client verbs, with a credential store of their own."""

    def __init__(self, server, path):
        self.url = f'http://{server.address}' if hasattr(server, 'address') else server
        self.path = path
        self.store = os.path.join(path, 'docker')

    def run(self, *arguments, status=0, stdin=b'', environment=None):
        process = subprocess.run(
            [binary(), *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self.path, timeout=240, check=False,
            env={**os.environ, 'TIDEMARK_SERVER': self.url, 'DOCKER_CONFIG': self.store,
                 'LC_ALL': 'C.UTF-8', **(environment or {})})
        self.out, self.err = process.stdout.decode(), process.stderr.decode()
        check.equal(process.returncode, status,
                    f'exit status of {" ".join(arguments)}: {self.out[-500:]}{self.err[-1500:]}')
        return self.out

    def login(self, user, secret, **more):
        return self.run('login', '--user', user, '--password-stdin', stdin=secret.encode(), **more)

    def config(self):
        with open(os.path.join(self.store, 'config.json'), encoding='utf-8') as file:
            return json.load(file)

    def write_config(self, document):
        os.makedirs(self.store, exist_ok=True)
        with open(os.path.join(self.store, 'config.json'), 'w', encoding='utf-8') as file:
            json.dump(document, file)


def with_client(case):
    def run(server):
        with tempfile.TemporaryDirectory(prefix='tidemark-accounts-') as path:
            case(server, Client(server, path))
    return run


# ---- The beginning

@suite.case('the token of the first start makes the first administrator, and is used up')
@with_client
def first(server, client):
    token = os.path.join(server.data, 'bootstrap-token')
    with open(token, encoding='utf-8') as file:
        text = file.read().strip()
    client.login('any', text, status=2)
    check.contains(client.err, 'good for one request')
    client.run('user', 'add', ROOT[0], '--token-file', token, '--password-stdin',
               stdin=ROOT[1].encode())
    who = call(server, 'GET', '/whoami')
    check.equal((who['name'], 'admin' in who['server']), ('root', True), 'whoami')
    call(server, 'GET', '/users', who=('any', text), status=401)
    call(server, 'GET', '/users', who=None, status=401)
    call(server, 'PUT', '/access', POLICY)


# ---- The API

@suite.case('a user lives: made, listed, changed, disabled, deleted')
def user(server):
    begin = last_event(server)
    call(server, 'PUT', '/groups/team', {'description': 'the team'}, status=201)
    call(server, 'PUT', '/groups/team', {'description': 'all of it'}, status=200)
    made = call(server, 'POST', '/users', {'name': 'alice', 'password': 'wonderland',
                                           'groups': ['team'], 'description': 'a: "b"'},
                status=201)
    check.equal((made['name'], made['password'], made['groups'], made['disabled'],
                 made['description']), ('alice', 'kept', ['team'], False, 'a: "b"'), 'the user')
    alice = ('alice', 'wonderland')
    who = call(server, 'GET', '/whoami', who=alice)
    check.equal((who['name'], who['kind'], who['groups']), ('alice', 'user', ['team']), 'whoami')
    call(server, 'GET', '/users', who=alice, status=403)
    check.equal([u['name'] for u in call(server, 'GET', '/users')['users']], ['alice', 'root'],
                'users')
    check.equal([u['name'] for u in call(server, 'GET', '/users?group=team')['users']], ['alice'],
                'members')
    page = call(server, 'GET', '/users?n=1')
    check.equal(page['next'], 'alice', 'next')
    page = call(server, 'GET', '/users?n=1&after=alice')
    check.equal([u['name'] for u in page['users']], ['root'], 'the second page')

    # A change counts at once, although the password was cached.
    call(server, 'PATCH', '/users/alice', {'password': 'looking glass'})
    call(server, 'GET', '/whoami', who=alice, status=401)
    alice = ('alice', 'looking glass')
    call(server, 'GET', '/whoami', who=alice)
    call(server, 'PATCH', '/users/alice', {'disabled': True})
    call(server, 'GET', '/whoami', who=alice, status=401)
    call(server, 'PATCH', '/users/alice', {'disabled': False, 'groups': []})
    check.equal(call(server, 'GET', '/whoami', who=alice)['groups'], [], 'groups')
    call(server, 'DELETE', '/users/alice', status=204)
    call(server, 'GET', '/users/alice', status=404)
    call(server, 'GET', '/whoami', who=alice, status=401)
    check.equal(events(server, 'account.created', begin), ['alice'], 'created')
    check.equal(events(server, 'account.changed', begin), ['alice'] * 3, 'changed')
    check.equal(events(server, 'account.deleted', begin), ['alice'], 'deleted')


BAD_USERS = [
    (b'{"name":"x"', 400, 'line'),
    (b'[]', 400, 'JSON object'),
    ({}, 400, 'name', 'missing'),
    ({'name': 'x y'}, 400, 'name'),
    ({'name': 'anonymous'}, 400, 'name'),
    ({'name': 'x\r\nSet-Cookie: a'}, 400, 'name'),
    ({'name': 7}, 400, 'name must be a text'),
    ({'name': 'x', 'pasword': 'y'}, 400, 'pasword', 'password'),
    ({'name': 'x', 'password': 'short'}, 400, 'too short'),
    ({'name': 'x', 'password': 'p' * 73}, 400, 'password'),
    ({'name': 'x', 'groups': ['nobody-made-it']}, 404, 'nobody-made-it'),
    ({'name': 'x', 'groups': ['team', 'team']}, 400, 'twice'),
    ({'name': 'x', 'groups': [1]}, 400, 'groups[0]'),
    ({'name': 'x', 'description': 'a\nb'}, 400),
    ({'name': 'x', 'external': True}, 400, 'htpasswd'),
    ({'name': 'root'}, 409, 'already'),
    (b'{"name":"x","name":"y"}', 400),
    (b'{"name":"' + b'x' * 70000 + b'"}', 413, '65536'),
]


@suite.case('what is wrong with a new user is said, and nothing is made')
def bad_users(server):
    begin = last_event(server)
    for body, status, *words in BAD_USERS:
        refused(server, 'POST', '/users', body, status, *words)
    refused(server, 'POST', '/users', {'name': 'x'}, 415, 'application/json',
            fields={'Content-Type': 'text/plain'})
    refused(server, 'PATCH', '/users/nobody', {'disabled': True}, 404, 'nobody')
    refused(server, 'PATCH', '/users/root', {'name': 'other'}, 400, 'name')
    refused(server, 'DELETE', '/users/nobody', None, 404, 'nobody')
    refused(server, 'GET', '/users/a%00b', None, 400)
    check.equal([e for kind in ('created', 'changed', 'deleted')
                 for e in events(server, f'account.{kind}', begin)], [], 'events')


@suite.case('a group with members stays')
def group(server):
    call(server, 'PUT', '/groups/ops', {}, status=201)
    call(server, 'POST', '/users', {'name': 'bob', 'password': 'the builder', 'groups': ['ops']},
         status=201)
    refused(server, 'DELETE', '/groups/ops', None, 409, 'ops')
    call(server, 'PATCH', '/users/bob', {'groups': []})
    call(server, 'DELETE', '/groups/ops', status=204)
    refused(server, 'GET', '/groups/ops', None, 404, 'ops')
    refused(server, 'PUT', '/groups/-ops', {}, 400)
    check.equal([g['name'] for g in call(server, 'GET', '/groups')['groups']], ['team'], 'groups')


@suite.case('a robot: its secret is shown once, two live at a time, one ends')
def robot(server):
    begin = last_event(server)
    made = call(server, 'POST', '/robots', {'name': 'ci', 'expiresIn': 3600}, status=201)
    first_secret = made['secret']
    check.true('secret' not in call(server, 'GET', '/robots/ci'), 'the secret is shown again')
    check.true(first_secret not in json.dumps(call(server, 'GET', '/robots/ci')), 'and in the list')
    who = call(server, 'GET', '/whoami', who=('ci', first_secret))
    check.equal((who['name'], who['kind']), ('robot:ci', 'robot'), 'whoami')
    check.true('expires' in who, 'no end')
    second = call(server, 'POST', '/robots/ci/secrets', {'verbs': ['pull']}, status=201)['secret']
    refused(server, 'POST', '/robots/ci/secrets', {}, 409, '2 live secrets')
    check.equal(call(server, 'GET', '/whoami', who=('ci', second))['limit'], ['pull'], 'limit')
    # What a policy gives is cut by the secret.
    upload = '/v2/team/app/blobs/uploads/'
    for secret, status in ((first_secret, 202), (second, 403)):
        answer = http1.request(server.address, 'POST', upload, basic('ci', secret))
        check.status(answer, status)
    secrets = {s['id']: s for s in call(server, 'GET', '/robots/ci')['secrets']}
    check.equal(len(secrets), 2, 'secrets')
    old = first_secret[6:17]
    check.true('expiresAt' in secrets[old] and 'lastUsedAt' in secrets[old], secrets[old])
    call(server, 'DELETE', f'/tokens/{old}', status=204)
    call(server, 'GET', '/whoami', who=('ci', first_secret), status=401)
    call(server, 'GET', '/whoami', who=('ci', second))
    refused(server, 'DELETE', f'/tokens/{old}', None, 404)
    check.equal(events(server, 'token.revoked', begin), ['robot:ci'], 'revoked')
    call(server, 'PATCH', '/robots/ci', {'disabled': True})
    call(server, 'GET', '/whoami', who=('ci', second), status=401)
    call(server, 'PATCH', '/robots/ci', {'disabled': False})
    refused(server, 'PATCH', '/users/ci', {'password': 'no robot has one'}, 404, 'ci')
    refused(server, 'POST', '/robots', {'name': 'CI'}, 400)
    refused(server, 'POST', '/robots', {'name': 'bob'}, 409, 'bob')
    refused(server, 'POST', '/robots', {'name': 'x', 'expiresIn': 5}, 400, 'expiresIn')
    refused(server, 'POST', '/robots', {'name': 'x', 'verbs': ['pul']}, 400, 'pull')
    refused(server, 'POST', '/robots', {'name': 'x', 'verbs': []}, 400, 'verbs')
    refused(server, 'POST', '/robots', {'name': 'x', 'repositories': ['***']}, 400)
    call(server, 'DELETE', '/robots/ci', status=204)
    call(server, 'GET', '/whoami', who=('ci', second), status=401)


@suite.case('personal tokens: never more than the credential that asks')
def tokens(server):
    bob = ('bob', 'the builder')
    made = call(server, 'POST', '/tokens', {'description': 'laptop', 'verbs': ['pull', 'push'],
                                            'repositories': ['team/**'], 'expiresIn': 600},
                who=bob, status=201)
    token = ('bob', made['secret'])
    who = call(server, 'GET', '/whoami', who=token)
    check.equal((who['name'], sorted(who['limit']), who['repositories']),
                ('bob', ['pull', 'push'], ['team/**']), 'whoami')
    # From a token: less, or the same.
    heir = call(server, 'POST', '/tokens', {'verbs': ['pull']}, who=token, status=201)
    check.equal((heir['verbs'], heir['repositories']), (['pull'], ['team/**']), 'inherited')
    check.true(heir['expiresAt'] <= made['expiresAt'], f'{heir} outlives {made}')
    for body, word in (({'verbs': ['delete']}, 'verbs'), ({'repositories': ['**']}, 'repositories'),
                       ({'expiresIn': 86400}, 'expiresIn'), ({'approve': True}, 'password')):
        refused(server, 'POST', '/tokens', body, 403, word, who=token)
    # To approve: with the password, and not for long.
    approve = call(server, 'POST', '/tokens', {'approve': True}, who=bob, status=201)
    check.equal(call(server, 'GET', '/whoami', who=('bob', approve['secret']))['approve'], True,
                'approve')
    refused(server, 'POST', '/tokens', {'approve': True, 'expiresIn': 12 * 3600 + 1}, 400,
            'expiresIn', who=bob)
    # Lists: one's own; of others only for an admin.
    ids = {t['id'] for t in call(server, 'GET', '/tokens', who=bob)['tokens']}
    check.equal(ids, {t['id'] for t in (made, heir, approve)}, 'ids')
    check.equal(call(server, 'GET', '/tokens')['tokens'], [], "root's")
    check.equal(len(call(server, 'GET', '/tokens?account=bob')['tokens']), 3, "bob's, for root")
    refused(server, 'GET', '/tokens?account=root', None, 403, 'admin', who=bob)
    call(server, 'POST', '/users', {'name': 'eve', 'password': 'dropping in'}, status=201)
    eve = ('eve', 'dropping in')
    call(server, 'GET', f'/tokens/{made["id"]}', who=eve, status=404)
    call(server, 'DELETE', f'/tokens/{made["id"]}', who=eve, status=404)
    refused(server, 'DELETE', f'/tokens/{heir["id"]}', None, 403, 'limits', who=token)
    call(server, 'DELETE', f'/tokens/{heir["id"]}', who=bob, status=204)
    call(server, 'DELETE', f'/tokens/{made["id"]}', status=204)
    call(server, 'GET', '/whoami', who=token, status=401)
    call(server, 'GET', '/tokens', who=None, status=401)
    refused(server, 'GET', '/tokens/none', None, 404)


@suite.case('an access token of /token manages nothing')
def bearer(server):
    answer = http1.request(server.address, 'GET', '/token?service=tidemark', basic(*ROOT))
    check.status(answer, 200)
    access = {'Authorization': 'Bearer ' + json.loads(answer.body)['token']}
    for method, path, body in (('GET', '/tokens', None), ('POST', '/tokens', {}),
                               ('GET', '/users', None)):
        call(server, method, path, body, who=None, fields=access, status={401, 403})


@suite.case('the secrets stand nowhere in the data directory or the log')
def nothing_kept(server):
    made = call(server, 'POST', '/robots', {'name': 'secretive'}, status=201)
    call(server, 'GET', '/whoami', who=('x', made['secret']))
    call(server, 'GET', '/whoami', who=('x', made['secret'][:-1] + '_'), status=401)
    secret = made['secret'].encode()
    places = [server.log_path()]
    for folder, _, files in os.walk(os.path.join(server.data, 'index')):
        places += [os.path.join(folder, name) for name in files]
    for place in places:
        with open(place, 'rb') as file:
            content = file.read()
        for word in (secret, secret[18:], ROOT[1].encode()):
            check.true(word not in content, f'{word} is in {place}')


# ---- The verbs

@suite.case('login stores what works, and every verb uses it')
@with_client
def login(server, client):
    client.run('whoami', status=1)
    check.contains(client.err, 'tidemark login')
    client.login('root', 'wrong', status=1)
    check.true(not os.path.exists(client.store), 'a wrong password was stored')
    client.login('root', ROOT[1])
    file = os.path.join(client.store, 'config.json')
    check.equal(stat.S_IMODE(os.stat(file).st_mode), 0o600, 'mode')
    auth = client.config()['auths'][server.address]['auth']
    check.equal(base64.b64decode(auth).decode(), ':'.join(ROOT), 'auth')
    check.contains(client.run('whoami'), 'root (user)')
    with open(os.path.join(client.path, 'a.txt'), 'w', encoding='utf-8') as out:
        out.write('hello')
    client.run('push', 'a.txt', 'team/files:1')
    client.run('pull', 'team/files:1', '-o', 'there')
    for verb in (['ls'], ['ls', 'team/files'], ['show', 'team/files:1'], ['tree', 'team/files:1'],
                 ['events', '--quiet']):
        client.run(*verb)
    client.run('logout')
    client.run('logout', status=1)
    client.run('pull', 'team/files:1', '-o', 'elsewhere', status=1)
    check.contains(client.err, '401')
    check.equal(client.config(), {'auths': {}}, 'the store')


@suite.case('login asks at a terminal, and the password is not shown')
@with_client
def terminal(server, client):
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(binary(), [binary(), 'login'],
                  {**os.environ, 'TIDEMARK_SERVER': client.url, 'DOCKER_CONFIG': client.store})
    shown = read_until(fd, b'User: ')
    os.write(fd, b'root\n')
    shown += read_until(fd, b'token: ')
    os.write(fd, ROOT[1].encode() + b'\n')
    shown += read_until(fd, b'Logged in')
    read_to_end(fd)
    check.equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, 'exit status')
    check.true(ROOT[1].encode() not in shown, shown)
    check.contains(client.run('whoami'), 'root')
    # Without a terminal there is nobody to ask.
    process = subprocess.run([binary(), 'login', '--user', 'root'], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                             start_new_session=True,
                             env={**os.environ, 'TIDEMARK_SERVER': client.url})
    check.equal(process.returncode, 2, 'exit status')
    check.contains(process.stderr.decode(), '--password-stdin')


def read_until(fd, words):
    got = b''
    while words not in got:
        piece = os.read(fd, 1024)
        assert piece, got
        got += piece
    return got


def read_to_end(fd):
    try:
        while os.read(fd, 1024):
            pass
    except OSError:
        pass # how a terminal says that nobody has it open any more


@suite.case('the rest of the file stays, and a broken one is not overwritten')
@with_client
def other_members(server, client):
    others = {'auths': {'https://example.org/v1/': {'auth': 'YTpi'}},
              'HttpHeaders': {'X': ['1', 2.50, True, None]}, 'detachKeys': 'ctrl-e,e'}
    client.write_config(others)
    client.login(*ROOT)
    got = client.config()
    check.equal(got['auths'].pop(server.address)['auth'],
                base64.b64encode(':'.join(ROOT).encode()).decode(), 'auth')
    check.equal(got, others, 'the others')
    # A link stays one.
    real = os.path.join(client.path, 'real.json')
    os.rename(os.path.join(client.store, 'config.json'), real)
    os.symlink(real, os.path.join(client.store, 'config.json'))
    client.run('logout')
    check.true(os.path.islink(os.path.join(client.store, 'config.json')), 'no link any more')
    check.equal(client.config(), others, 'after logout')
    with open(real, 'w', encoding='utf-8') as file:
        file.write('{"auths": ')
    client.login(*ROOT, status=1)
    check.contains(client.err, 'config.json')
    with open(real, encoding='utf-8') as file:
        check.equal(file.read(), '{"auths": ', 'the broken file')


HELPER = '''#!/bin/sh
read -r host 2>/dev/null || true
dir=$HELPER_DIR
case $1 in
store) printf '%s' "$host" >"$dir/stored" ;;
get) [ -f "$dir/stored" ] || { echo 'credentials not found in native keychain'; exit 1; }
     [ -z "$HELPER_FAILS" ] || { echo 'the keychain is locked'; exit 1; }
     cat "$dir/stored" ;;
erase) rm -f "$dir/stored" ;;
esac
'''


@suite.case('credential helpers are asked and told')
@with_client
def helpers(server, client):
    bin_path = os.path.join(client.path, 'bin')
    os.mkdir(bin_path)
    program = os.path.join(bin_path, 'docker-credential-test')
    with open(program, 'w', encoding='utf-8') as file:
        file.write(HELPER)
    os.chmod(program, 0o755)
    environment = {'PATH': f'{bin_path}:{os.environ["PATH"]}', 'HELPER_DIR': client.path}
    for config in ({'credsStore': 'test'}, {'credHelpers': {server.address: 'test'}}):
        client.write_config(config)
        client.run('whoami', status=1, environment=environment)
        client.login(*ROOT, environment=environment)
        check.equal(client.config(), config, 'the file')
        with open(os.path.join(client.path, 'stored'), encoding='utf-8') as file:
            check.equal(json.load(file), {'ServerURL': server.address, 'Username': ROOT[0],
                                          'Secret': ROOT[1]}, 'what the helper got')
        check.contains(client.run('whoami', environment=environment), 'root')
        client.run('whoami', status=1, environment={**environment, 'HELPER_FAILS': '1'})
        check.contains(client.err, 'the keychain is locked')
        client.run('logout', environment=environment)
        check.true(not os.path.exists(os.path.join(client.path, 'stored')), 'not erased')
    client.write_config({'credsStore': '../../bin/evil'})
    client.run('whoami', status=2)
    check.contains(client.err, 'no name of a credential helper')


@suite.case('a refresh token in the store is exchanged')
@with_client
def refresh(server, client):
    answer = http1.request(server.address, 'GET', '/token?service=tidemark&offline_token=true'
                           '&client_id=test&account=root', basic(*ROOT))
    check.status(answer, 200)
    token = json.loads(answer.body)['refresh_token']
    client.write_config({'auths': {server.address: {'auth': '', 'identitytoken': token}}})
    with open(os.path.join(client.path, 'b.txt'), 'w', encoding='utf-8') as out:
        out.write('by refresh token')
    client.run('push', 'b.txt', 'team/refreshed:1')
    client.run('pull', 'team/refreshed:1', '-o', 'out')


@suite.case('a registry with a token service only, and one that leads the password astray')
@with_client
def token_service(_, client):
    with FakeRegistry() as registry:
        client.url = registry.url
        challenge = f'Bearer realm="{registry.url}/auth?x=1",service="s p",scope="repository:a:pull"'
        asked = []

        def base(handler):
            asked.append(handler.headers.get('Authorization'))
            if handler.headers.get('Authorization') == 'Bearer good':
                send(handler, 200, b'{}')
            else:
                send(handler, 401, b'', WWW_Authenticate=challenge)

        registry.on('GET', '/v2/', base)
        registry.give('/auth', 200, b'{"access_token":"good","expires_in":300}')
        client.login('u', 'p:w')
        check.equal(asked, [basic('u', 'p:w')['Authorization'], 'Bearer good'], 'tries')
        fields = registry.asked('GET', '/auth?x=1&service=s%20p&scope=repository%3Aa%3Apull')
        check.equal([f['Authorization'] for f in fields], [basic('u', 'p:w')['Authorization']],
                    'what the service got')
        challenge = 'Bearer realm="http://127.0.0.2:1/auth",service="s"'
        client.login('u', 'other', status=1)
        check.contains(client.err, 'without encryption')


@suite.case('users, groups, robots, tokens and the policy by verbs')
@with_client
def verbs(server, client):
    client.login(*ROOT)
    client.run('group', 'add', 'qa', '--description', 'checks')
    client.run('user', 'add', 'carol', '--groups', 'qa', '--password-stdin', stdin=b'sings well\n')
    check.contains(client.run('user', 'list'), 'carol')
    check.contains(client.run('user', 'show', 'carol'), 'qa')
    client.run('user', 'password', 'carol', '--password-stdin', stdin=b'sings better\n')
    call(server, 'GET', '/whoami', who=('carol', 'sings better'))
    client.run('user', 'change', 'carol', '--disable', '--groups', '')
    shown = json.loads(client.run('user', 'show', 'carol', '--output', 'json'))
    check.equal((shown['disabled'], shown['groups']), (True, []), 'carol')
    client.run('user', 'change', 'carol', status=2)
    client.run('user', 'delete', 'carol')
    client.run('user', 'show', 'carol', status=1)
    client.run('group', 'delete', 'qa')

    secret = client.run('robot', 'add', 'deploy', '--expires', '30d', '--quiet').strip()
    call(server, 'GET', '/whoami', who=('deploy', secret))
    second = client.run('robot', 'rotate', 'deploy', '-q', '--repositories', 'team/**').strip()
    check.contains(client.run('robot', 'show', 'deploy'), 'team/**')
    client.run('robot', 'revoke', secret[6:17])
    call(server, 'GET', '/whoami', who=('deploy', secret), status=401)
    call(server, 'GET', '/whoami', who=('deploy', second))
    client.run('robot', 'change', 'deploy', '--description', 'x')
    check.contains(client.run('robot', 'list'), 'deploy')
    client.run('robot', 'delete', 'deploy')
    client.run('robot', 'add', 'x', '--expires', 'soon', status=2)
    client.run('robot', 'jump', status=2)
    check.contains(client.err, 'rotate')

    token = json.loads(client.run('token', 'create', '--verbs', 'pull', '--output', 'json'))
    check.contains(client.run('token', 'list'), token['id'])
    check.contains(client.run('token', 'list', '--quiet').split(), token['id'])
    client.run('token', 'revoke', token['id'])
    call(server, 'GET', '/whoami', who=('root', token['secret']), status=401)

    check.equal(json.loads(client.run('access', 'show')), POLICY, 'the policy')
    with open(os.path.join(client.path, 'policy.yaml'), 'w', encoding='utf-8') as file:
        file.write('roles:\n  admin: [admin, audit, pull, push]\n'
                   'bindings:\n  - {role: admin, to: ["user:root"], repositories: ["**"]}\n')
    client.run('access', 'apply', 'policy.yaml')
    check.contains(client.run('access', 'explain', 'root', 'push', 'team/app'), 'bindings[0]')
    check.equal(client.run('access', 'explain', 'bob', 'push', 'team/app', '-q'), 'no\n', 'bob')
    client.run('access', 'apply', '-', stdin=json.dumps(POLICY).encode())
    client.run('access', 'apply', '-', stdin=b'roles: [', status=1)
    client.run('access', 'apply', '-', stdin=b'{"rules": {}}', status=1)
    check.equal(json.loads(client.run('access', 'show')), POLICY, 'the policy')


sys.exit(run_suite(suite, config=CONFIG))
