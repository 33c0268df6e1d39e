#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Workload tokens against issuers: one that somebody else wrote, and one that does as it is told.

The verification is that of the server, in a program without one (tests/support/workload_probe.c).
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

import check
from fake_registry import send, send_endless
from issuers import AUDIENCE, DISCOVERY, KEYS, Issuer, Provider, encode
from server import REPORTS
from tap import Suite

suite = Suite()

DAY_MS = 86400000
HOUR_MS = 3600000
PATIENT_MS = 60000 # for answers that come


def policy_for(*urls, **changes):
    """Each URL is an issuer, with rules for jobs of acme."""
    issuer = {'audience': AUDIENCE, 'repositories': ['acme/**', 'shared/tools'],
              'verbs': ['pull', 'push'],
              'rules': [{'match': {'repository': 'acme/*', 'ref': 'refs/heads/main'},
                         'identity': 'ci:{repository}', 'groups': ['main-builds', 'builds']},
                        {'match': {'repository': 'acme/*'}, 'identity': 'branch:{repository}',
                         'groups': ['builds']}], **changes}
    return {'issuers': {f'ci{i}': {'url': url, **issuer} for i, url in enumerate(urls)}}


class Probe:
    """The program. `ask` gives it a token and returns what it says."""

    def __init__(self, policy, hosts='127.0.0.1', http_hosts='127.0.0.1', refresh_ms=HOUR_MS,
                 refetch_ms=0, max_age_ms=DAY_MS, timeout_ms=PATIENT_MS, ca_file=''):
        self._directory = tempfile.TemporaryDirectory(prefix='tidemark-workload-')
        path = os.path.join(self._directory.name, 'policy')
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(policy, file)
        program = os.path.join(os.path.dirname(os.environ['TIDEMARK']),
                               'tests/support/workload_probe')
        self._errors = open(os.path.join(self._directory.name, 'stderr'), 'w+', encoding='utf-8')
        self._process = subprocess.Popen(
            [program, path, hosts, http_hosts, str(refresh_ms), str(refetch_ms), str(max_age_ms),
             str(timeout_ms), ca_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True)
        self._lines = 0

    def __enter__(self):
        return self

    def __exit__(self, exception_type, *_):
        self._process.stdin.close()
        rest = self._process.stdout.read()
        status = self._process.wait()
        self._errors.seek(0)
        errors = self._errors.read()
        self._errors.close()
        self._directory.cleanup()
        if exception_type is None:
            check.equal((status, rest), (0, ''), f'the end of the program ({errors[-2000:]})')
            for report in REPORTS:
                check.true(report not in errors, f'a sanitizer has reported: {errors[-8000:]}')

    def send(self, *tokens):
        self._process.stdin.write(''.join(f'{token}\n' for token in tokens))
        self._process.stdin.flush()

    def answer(self):
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise AssertionError(f'the program ended: {self._errors.read()[-4000:]}')
        return json.loads(line)

    def ask(self, token):
        self.send(token)
        return self.answer()

    def log(self):
        with open(self._errors.name, encoding='utf-8') as file:
            return file.read()


def accepted(answer, name='ci:acme/app'):
    check.equal((answer['error'], answer.get('name')), ('', name), answer['text'] or 'answer')
    return answer


def refused(answer, reason, *words):
    check.equal((answer['error'], answer['reason']), ('UNAUTHORIZED', reason), answer['text'])
    for word in words:
        check.contains(answer['text'], word, 'reason')


def unavailable(answer, *words):
    check.equal(answer['error'], 'UNAVAILABLE', answer['text'])
    for word in words:
        check.contains(answer['text'], word, 'reason')


@contextlib.contextmanager
def issuer_and_probe(**options):
    """An issuer with the key `one`, and the program that knows it."""
    with Issuer() as issuer:
        issuer.add_key('one')
        with Probe(policy_for(issuer.url), **options) as probe:
            yield issuer, probe


# ---- An issuer that somebody else wrote

@suite.case('a provider: a job logs in, and again after the provider changed its key')
def _():
    with Provider() as provider, Probe(policy_for(provider.url)) as probe:
        old = provider.token('job-of-app', repository='acme/app', ref='refs/heads/main')
        answer = accepted(probe.ask(old))
        check.equal(answer['groups'], ['main-builds', 'builds'], 'groups')
        check.equal(answer['globs'], ['acme/**', 'shared/tools'], 'globs')
        check.equal(sorted(answer['verbs']), ['pull', 'push'], 'verbs')
        check.equal((answer['kind'], answer['issuer'], answer['may_approve']),
                    ('workload', 'ci0', False), 'identity')
        payload = old.split('.')[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + '=' * (-len(payload) % 4)))
        check.equal(answer['expires_ms'], claims['exp'] * 1000, 'expires_ms')

        accepted(probe.ask(provider.token('other', repository='acme/x', ref='refs/heads/y')),
                 'branch:acme/x')
        refused(probe.ask(provider.token('stranger', repository='evil/app')), 'rule')
        refused(probe.ask(provider.token('a', audience='https://other.example',
                                         repository='acme/app')), 'audience')
        provider.stop()
        accepted(probe.ask(old)) # the key is known, also while the provider is down
        provider.start()
        accepted(probe.ask(provider.token('job-of-app', repository='acme/app',
                                          ref='refs/heads/main')))
        refused(probe.ask(old), 'signature')


# ---- Tokens

@suite.case('every algorithm that is accepted')
def _():
    with Issuer() as issuer:
        for algorithm in Issuer.KINDS:
            issuer.add_key(algorithm, algorithm)
        with Probe(policy_for(issuer.url)) as probe:
            for algorithm in Issuer.KINDS:
                accepted(probe.ask(issuer.token(algorithm)))
            check.equal(issuer.asked_for(KEYS), 1, 'requests for keys')


@suite.case('tokens that are good in their own way')
def _():
    now = int(time.time())
    with issuer_and_probe() as (issuer, probe):
        for changes in ({'aud': ['https://other.example', AUDIENCE]}, {'nbf': None}, {'iat': None},
                        {'exp': now - 1}, {'nbf': now + 3}, {'repository_owner': None}):
            accepted(probe.ask(issuer.token('one', **changes)))


@suite.case('bad tokens, each refused with its reason and with nothing of itself in it')
def _():
    now = int(time.time())
    with issuer_and_probe() as (issuer, probe), Issuer() as other:
        other.add_key('one')
        good = issuer.token('one')
        header, payload, signature = good.split('.')
        public = issuer.keys['one'][1]
        changed = encode(issuer.claims(repository='acme/other'))
        twice = encode(json.dumps(issuer.claims()).encode()[:-1] + b',"repository":"acme/x"}')
        hmac = {'alg': 'HS256', 'kid': 'one'}
        cases = {
            'no signature': (issuer.forged({'alg': 'none'}), 'malformed'),
            'no signature, with a key': (issuer.forged({'alg': 'none', 'kid': 'one'}), 'malformed'),
            'the public key as a secret': (issuer.forged(hmac, secret=public.as_pem(private=False)),
                                           None),
            'the modulus as a secret': (issuer.forged(hmac, secret=public.as_dict()['n'].encode()),
                                        None),
            'signed by another issuer': (issuer.token('one', key=other.keys['one']), 'signature'),
            'of an issuer that is not named': (other.token('one'), 'issuer'),
            'of no issuer': (issuer.token('one', iss=None), 'issuer'),
            'of a list of issuers': (issuer.token('one', iss=[issuer.url]), 'issuer'),
            'of nearly the issuer': (issuer.token('one', iss=issuer.url + '/'), 'issuer'),
            'an unknown key': (issuer.token('two', key=issuer.keys['one']), 'signature'),
            'for another audience': (issuer.token('one', aud='https://other.example'), 'audience'),
            'for nearly our audience': (issuer.token('one', aud=AUDIENCE + '/'), 'audience'),
            'for other audiences': (issuer.token('one', aud=['a', 'b']), 'audience'),
            'for nobody': (issuer.token('one', aud=None), 'audience'),
            'for an object': (issuer.token('one', aud={AUDIENCE: 1}), 'audience'),
            'expired': (issuer.token('one', exp=now - 60), 'time'),
            'without an end': (issuer.token('one', exp=None), 'time'),
            'with an end in words': (issuer.token('one', exp='never'), 'time'),
            'with an end before all time': (issuer.token('one', exp=-1), 'time'),
            'not yet valid': (issuer.token('one', nbf=now + 600), 'time'),
            'another payload': (f'{header}.{changed}.{signature}', 'signature'),
            'a claim twice': (f'{header}.{twice}.{signature}', 'malformed'),
            'cut': (good[:-10], 'signature'),
            'four parts': (good + '.x', 'malformed'),
            'two parts': (f'{header}.{payload}', 'malformed'),
            'padded': (good + '=', 'malformed'),
            'too long': (issuer.token('one', x='y' * 20000), 'malformed'),
            'nothing': ('', 'malformed'),
            'of nobody that a rule knows': (issuer.token('one', repository='evil/app'), 'rule'),
            'without the claim of the rules': (issuer.token('one', repository=None), 'rule'),
            'of a name with a space': (issuer.token('one', repository='acme/a b'), 'rule'),
            'of a name with a line end': (issuer.token('one', repository='acme/a\nb'), 'rule'),
            'of a name in another script': (issuer.token('one', repository='acme/\u0430'), 'rule'),
        }
        accepted(probe.ask(good))
        for name, (token, reason) in cases.items():
            answer = probe.ask(token)
            check.equal(answer['error'], 'UNAUTHORIZED', f'{name} ({answer["text"]})')
            if reason is not None:
                check.equal(answer['reason'], reason, f'{name} ({answer["text"]})')
            for part in filter(None, token.split('.')):
                check.true(len(part) < 12 or part not in answer['text'], f'{name}: {answer}')
            check.true(len(answer['text']) > 10, f'{name}: {answer}')
        accepted(probe.ask(good))
        for part in good.split('.'):
            check.true(part not in probe.log(), 'the log has a piece of a token')


@suite.case('a token that is worth nothing makes nobody ask the issuer')
def _():
    with issuer_and_probe() as (issuer, probe):
        for changes in ({'aud': 'other'}, {'exp': 1}, {'exp': None}, {'nbf': 99999999999}):
            check.equal(probe.ask(issuer.token('one', **changes))['error'], 'UNAUTHORIZED')
        check.equal(issuer.requests, [], 'requests')


# ---- Keys that change

@suite.case('keys change: the new one is found, the old one ends, strangers do not make us ask')
def _():
    with issuer_and_probe(refetch_ms=HOUR_MS) as (issuer, probe):
        accepted(probe.ask(issuer.token('one')))
        for _ in range(50):
            refused(probe.ask(issuer.token('x', key=issuer.keys['one'])), 'signature', 'no key')
        check.equal(issuer.asked_for(KEYS), 1, 'requests for keys')
    with issuer_and_probe() as (issuer, probe):
        accepted(probe.ask(issuer.token('one')))
        issuer.add_key('two', 'ES256')
        accepted(probe.ask(issuer.token('two')))
        accepted(probe.ask(issuer.token('one')))
        check.equal(issuer.asked_for(KEYS), 2, 'requests for keys')
        old = issuer.remove_key('one')
        issuer.add_key('three', 'EdDSA')
        accepted(probe.ask(issuer.token('three')))
        refused(probe.ask(issuer.token('one', key=old)), 'signature')


@suite.case('a key under an old name: who signs with the old one is refused')
def _():
    with issuer_and_probe(refresh_ms=0) as (issuer, probe):
        accepted(probe.ask(issuer.token('one')))
        old = issuer.remove_key('one')
        issuer.add_key('one')
        check.eventually('the new key is there',
                         lambda: probe.ask(issuer.token('one'))['error'] == '')
        refused(probe.ask(issuer.token('one', key=old)), 'signature')


@suite.case('keys change between the two answers of an issuer')
def _():
    with issuer_and_probe() as (issuer, probe):
        asked, go_on = threading.Event(), threading.Event()
        late = issuer.discovery_document()

        def slow(handler):
            asked.set()
            go_on.wait(60)
            send(handler, 200, late)

        issuer.on('GET', DISCOVERY, slow)
        old, new = issuer.token('one'), None
        probe.send(old)
        check.true(asked.wait(60), 'the issuer was not asked')
        gone = issuer.remove_key('one')
        issuer.add_key('two')
        issuer.on('GET', DISCOVERY, slow)
        new = issuer.token('two')
        probe.send(new)
        go_on.set()
        answers = {answer['line']: answer for answer in (probe.answer(), probe.answer())}
        refused(answers[1], 'signature', 'no key')
        accepted(answers[2])
        check.equal(issuer.asked_for(KEYS), 1, 'requests for keys')
        refused(probe.ask(issuer.token('one', key=gone)), 'signature')


@suite.case('two hundred jobs at once: one fetch')
def _():
    with issuer_and_probe() as (issuer, probe):
        asked, go_on = threading.Event(), threading.Event()
        document = issuer.key_set()

        def slow(handler):
            asked.set()
            go_on.wait(60)
            send(handler, 200, document)

        issuer.on('GET', KEYS, slow)
        probe.send(*[issuer.token('one') for _ in range(200)])
        check.true(asked.wait(60), 'the issuer was not asked')
        # This one shows that all before it were read, and that nobody else waits meanwhile.
        refused(probe.ask(issuer.token('one', aud='other')), 'audience')
        go_on.set()
        for _ in range(200):
            accepted(probe.answer())
        check.equal((issuer.asked_for(DISCOVERY), issuer.asked_for(KEYS)), (1, 1), 'requests')


# ---- Issuers in trouble

@suite.case('an issuer that is down: known keys go on, within their age; unknown ones wait')
def _():
    with issuer_and_probe() as (issuer, probe):
        issuer.give(KEYS, 503, b'')
        unavailable(probe.ask(issuer.token('one')), '503', issuer.url)
        issuer.publish()
        accepted(probe.ask(issuer.token('one')))
        issuer.give(DISCOVERY, 503, b'')
        refused(probe.ask(issuer.token('x', key=issuer.keys['one'])), 'signature')
        accepted(probe.ask(issuer.token('one')))
        issuer.publish()
    with issuer_and_probe(max_age_ms=0) as (issuer, probe):
        issuer.give(DISCOVERY, 500, b'')
        unavailable(probe.ask(issuer.token('one')), '500')
    with Issuer() as issuer:
        issuer.add_key('one')
        token = issuer.token('one')
        policy = policy_for(issuer.url)
    with Probe(policy) as probe: # nobody listens there any more
        unavailable(probe.ask(token), issuer.url)


@suite.case('an issuer that is slow')
def _():
    end = threading.Event()

    def never(handler):
        end.wait(60)
        raise OSError('too late')

    def drip(handler):
        handler.send_response(200)
        handler.send_header('Content-Length', '1000')
        handler.end_headers()
        while not end.wait(0.05):
            handler.wfile.write(b' ')
            handler.wfile.flush()

    try:
        for path in (DISCOVERY, KEYS):
            for answer in (never, drip):
                with issuer_and_probe(timeout_ms=500) as (issuer, probe):
                    issuer.on('GET', path, answer)
                    unavailable(probe.ask(issuer.token('one')), 'within 500 ms')
    finally:
        end.set()


@suite.case('an issuer that says too much, and one that says just so much')
def _():
    for path in (DISCOVERY, KEYS):
        with issuer_and_probe() as (issuer, probe):
            document = issuer.discovery_document() if path == DISCOVERY else issuer.key_set()
            issuer.give(path, 200, document.ljust(65537))
            unavailable(probe.ask(issuer.token('one')), 'longer than the 65536 bytes')
            issuer.on('GET', path, send_endless)
            unavailable(probe.ask(issuer.token('one')), 'longer than the 65536 bytes')
            issuer.give(path, 200, document.ljust(65536))
            accepted(probe.ask(issuer.token('one')))


@suite.case('an issuer that says nonsense')
def _():
    for path in (DISCOVERY, KEYS):
        for status, body in ((200, b''), (200, b'<html>'), (200, b'[]'), (200, b'{}'),
                             (200, b'{"keys":[]}'), (200, b'\xff'), (404, b'{}'), (204, b''),
                             (206, b'{}')):
            with issuer_and_probe() as (issuer, probe):
                issuer.give(path, status, body)
                unavailable(probe.ask(issuer.token('one')))


@suite.case('an issuer that says it is another')
def _():
    with issuer_and_probe() as (issuer, probe), Issuer() as other:
        other.add_key('one')
        for name in (other.url, issuer.url + '/', issuer.url.upper(), ''):
            issuer.give(DISCOVERY, 200, issuer.discovery_document(issuer=name))
            unavailable(probe.ask(issuer.token('one')))
        check.equal(issuer.asked_for(KEYS), 0, 'requests for keys')


# ---- Where an issuer may lead

@suite.case('keys at another host are not asked for')
def _():
    with issuer_and_probe() as (issuer, probe), Issuer() as other:
        other.add_key('one')
        port = other.url.rpartition(':')[2]
        for url in (f'http://localhost:{port}{KEYS}', f'http://127.0.0.1@localhost:{port}{KEYS}',
                    f'http://127.0.0.1:{port}@localhost:{port}{KEYS}', 'file:///etc/passwd',
                    f'http://[::1]:{port}/', f'{KEYS}', f'//127.0.0.1:{port}{KEYS}'):
            issuer.give(DISCOVERY, 200, issuer.discovery_document(jwks_uri=url))
            unavailable(probe.ask(issuer.token('one')))
        check.equal(other.requests, [], 'requests')
        # The list of hosts has 127.0.0.1 without a port: any.
        issuer.give(DISCOVERY, 200, issuer.discovery_document(jwks_uri=other.url + KEYS))
        accepted(probe.ask(issuer.token('one', key=other.keys['one'])))


@suite.case('redirects: within the origin, never away from it')
def _():
    def to(target):
        return lambda handler: send(handler, 302, b'', Location=target)

    for path in (DISCOVERY, KEYS):
        with issuer_and_probe() as (issuer, probe), Issuer() as other:
            other.add_key('one')
            issuer.on('GET', path, to(other.url + path))
            unavailable(probe.ask(issuer.token('one')), 'another host')
            check.equal(other.requests, [], 'requests')
            issuer.on('GET', path, to(path))
            unavailable(probe.ask(issuer.token('one')), 'redirect')
            issuer.on('GET', path, to('/moved'))
            issuer.give('/moved', 200, issuer.discovery_document() if path == DISCOVERY
                        else issuer.key_set())
            accepted(probe.ask(issuer.token('one')))


@suite.case('hosts that the configuration does not list are not asked')
def _():
    for options, word in (({'hosts': ''}, 'auth.issuer_hosts'),
                          ({'hosts': 'ci.example,127.0.0.2'}, 'auth.issuer_hosts'),
                          ({'hosts': '127.0.0.1:1'}, 'auth.issuer_hosts'),
                          ({'http_hosts': ''}, 'auth.issuer_http_hosts'),
                          ({'http_hosts': 'localhost'}, 'auth.issuer_http_hosts')):
        with issuer_and_probe(**options) as (issuer, probe):
            unavailable(probe.ask(issuer.token('one')), word)
            check.equal(issuer.requests, [], 'requests')


@suite.case('https: only with a certificate that is trusted')
def _():
    with tempfile.TemporaryDirectory(prefix='tidemark-workload-') as folder:
        with Issuer(tls_folder=folder) as issuer:
            issuer.add_key('one')
            policy = policy_for(issuer.url)
            with Probe(policy, http_hosts='') as probe:
                unavailable(probe.ask(issuer.token('one')), 'certificate')
            check.equal(issuer.requests, [], 'requests')
            with Probe(policy, http_hosts='', ca_file=issuer.certificate) as probe:
                accepted(probe.ask(issuer.token('one')))


@suite.case('two issuers: the keys of one say nothing for the other')
def _():
    with Issuer() as issuer, Issuer() as other:
        issuer.add_key('one')
        other.add_key('one')
        with Probe(policy_for(issuer.url, other.url)) as probe:
            check.equal(accepted(probe.ask(issuer.token('one')))['issuer'], 'ci0', 'issuer')
            check.equal(accepted(probe.ask(other.token('one')))['issuer'], 'ci1', 'issuer')
            refused(probe.ask(issuer.token('one', key=other.keys['one'])), 'signature')


# ---- The recipes of docs/ACCESS.md, with claims as those issuers make them

GITHUB = {'repository': 'acme/app', 'repository_id': '74', 'repository_owner': 'acme',
          'repository_owner_id': '1234567', 'repository_visibility': 'private',
          'actor': 'octocat', 'actor_id': '12', 'event_name': 'push', 'run_id': '9', 'workflow': 'ci',
          'job_workflow_ref': 'acme/app/.github/workflows/ci.yml@refs/heads/main',
          'runner_environment': 'github-hosted'}
GITLAB = {'repository': None, 'repository_owner': None, 'namespace_id': '2345678',
          'namespace_path': 'acme', 'project_id': '7654321', 'project_path': 'acme/app',
          'user_id': '1', 'user_login': 'alice', 'pipeline_source': 'push', 'ref': 'main',
          'ref_type': 'branch', 'ref_path': 'refs/heads/main', 'ref_protected': 'true',
          'sub': 'project_path:acme/app:ref_type:branch:ref:main'}


def pod(namespace, account):
    return {'repository': None, 'repository_owner': None, 'ref': None,
            'sub': f'system:serviceaccount:{namespace}:{account}',
            'kubernetes.io': {'namespace': namespace, 'pod': {'name': 'a-1', 'uid': '6f3b'},
                              'serviceaccount': {'name': account, 'uid': '77ac'}}}


RECIPES = {
    'GitHub Actions': [
        ({**GITHUB, 'ref': 'refs/heads/main'}, 'github:acme/app', ['app-builders']),
        ({**GITHUB, 'ref': 'refs/tags/v1.2.3'}, 'github:acme/app', ['app-builders']),
        ({**GITHUB, 'ref': 'refs/pull/7/merge'}, 'github:acme/app', []),
        ({**GITHUB, 'ref': 'refs/heads/main', 'repository': 'acme/web'}, 'github:acme/web', []),
        ({**GITHUB, 'ref': 'refs/heads/main', 'repository_owner_id': '666'}, None, None)],
    'GitLab CI': [
        (GITLAB, 'gitlab:acme/app', ['app-builders']),
        ({**GITLAB, 'ref': 'topic', 'ref_protected': 'false'}, 'gitlab:acme/app', []),
        ({**GITLAB, 'project_id': '1', 'project_path': 'acme/web'}, 'gitlab:acme/web', []),
        ({**GITLAB, 'project_id': '1', 'namespace_id': '666'}, None, None)],
    'Kubernetes': [
        (pod('ci', 'builder'), 'kubernetes:system:serviceaccount:ci:builder', ['cluster-builders']),
        (pod('ci', 'default'), 'kubernetes:system:serviceaccount:ci:default', []),
        (pod('other', 'builder'), 'kubernetes:system:serviceaccount:other:builder', []),
        ({**pod('ci', 'builder'), 'sub': 'system:node:ci', 'kubernetes.io': None}, None, None)],
}


def recipe(heading):
    """The policy below `### heading`."""
    path = os.path.join(os.environ['TOP_SRCDIR'], 'docs/ACCESS.md')
    with open(path, encoding='utf-8') as file:
        section = file.read().partition(f'\n### {heading}\n')[2].partition('\n### ')[0]
    return json.loads(section.partition('```json\n')[2].partition('```')[0])


def run_recipe(heading):
    policy = recipe(heading)
    (settings,) = policy['issuers'].values()
    with Issuer() as issuer:
        issuer.add_key('one')
        settings['url'] = issuer.url
        with Probe(policy) as probe:
            for claims, name, groups in RECIPES[heading]:
                answer = probe.ask(issuer.token('one', aud=settings['audience'], **claims))
                if name is None:
                    refused(answer, 'rule')
                else:
                    check.equal(accepted(answer, name)['groups'], groups, f'groups of {claims}')


for recipe_of in RECIPES:
    suite.add(f'the recipe for {recipe_of}', run_recipe, recipe_of)

if __name__ == '__main__':
    sys.exit(suite.run())
