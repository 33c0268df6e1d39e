#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CI jobs log in to the server: the token of the job is the password, whatever the user name.

What tokens are good is shown by workload.t; here, what they open, with the clients that jobs use.
"""

import base64
import contextlib
import json
import os
import sys
import tempfile
import threading
import urllib.parse

import check
import command
import event_log
import image
from clients.client import Ground
from clients.docker import Docker
from fake_registry import send
from issuers import AUDIENCE, KEYS, Issuer, Provider
from registry import Registry
from server import Server
from tap import Suite

suite = Suite()

IMAGE = image.small('workload')


def policy_for(url):
    """Jobs on main push to acme/app; all of acme pull below acme. The roles give more than the
    issuer may have: it is cut off."""
    return {
        'roles': {'owner': ['pull', 'push', 'delete', 'move-tag', 'admin', 'audit', 'metrics'],
                  'reader': ['pull']},
        'bindings': [
            {'role': 'owner', 'to': ['group:main-builds'], 'repositories': ['acme/app', 'other/**']},
            {'role': 'reader', 'to': ['issuer:ci'], 'repositories': ['**']}],
        'issuers': {'ci': {
            'url': url, 'audience': AUDIENCE, 'repositories': ['acme/**'],
            'rules': [{'match': {'repository': 'acme/app', 'ref': 'refs/heads/main'},
                       'identity': 'ci:{repository}', 'groups': ['main-builds']},
                      {'match': {'repository': 'acme/*'}, 'identity': 'ci:{repository}'}]}}}


class AsJob(Registry):
    """Requests with a token as the password of Basic."""

    def __init__(self, address, token, user='anybody'):
        super().__init__(address)
        self.fields = {'Authorization': 'Basic ' + base64.b64encode(
            f'{user}:{token}'.encode()).decode()}

    def request(self, method, target, fields=None, body=None):
        return super().request(method, target, {**self.fields, **(fields or {})}, body)

    def access_token(self, scope):
        query = urllib.parse.urlencode({'service': 'tidemark', 'scope': scope})
        answer = check.status(self.request('GET', f'/token?{query}'), 200)
        return json.loads(answer.body)['token']


class AsBearer(Registry):
    """Requests with a token of the token service."""

    def __init__(self, address, token):
        super().__init__(address)
        self.fields = {'Authorization': f'Bearer {token}'}

    def request(self, method, target, fields=None, body=None):
        return super().request(method, target, {**self.fields, **(fields or {})}, body)


@contextlib.contextmanager
def server_for(url, **settings):
    """A server whose policy has the issuer at `url`."""
    with tempfile.TemporaryDirectory(prefix='tidemark-login-') as folder:
        path = os.path.join(folder, 'policy.json')
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(policy_for(url), file)
        keys = {'enabled': 'true', 'policy': path, 'issuer_hosts': '127.0.0.1',
                'issuer_http_hosts': '127.0.0.1', 'issuer_refetch': '1s', 'issuer_timeout': '30s',
                **settings}
        config = 'auth:\n' + ''.join(f'  {key}: {value}\n' for key, value in keys.items())
        with Server(config=config) as server:
            yield server


@contextlib.contextmanager
def issuer_and_server(**settings):
    with Issuer() as issuer:
        issuer.add_key('one')
        with server_for(issuer.url, **settings) as server:
            yield issuer, server


def is_let_in(server, token):
    return AsJob(server.address, token).request('GET', '/v2/').status == 200


def refused(server, token, *words):
    answer = AsJob(server.address, token).request('GET', '/v2/')
    check.error(answer, 401, 'UNAUTHORIZED', *words)


# ---- What it opens

@suite.case('a job pushes and pulls where the policy lets it, with Basic')
def _():
    with issuer_and_server() as (issuer, server):
        job = AsJob(server.address, issuer.token('one'))
        check.status(job.request('GET', '/v2/'), 200)
        job.push('acme/app', IMAGE, 'v1')
        job.check_holds('acme/app', 'v1')
        check.status(job.request('POST', '/v2/acme/other/blobs/uploads/'), 403)
        # The binding has it, the issuer does not reach there.
        check.status(job.request('POST', '/v2/other/app/blobs/uploads/'), 403)
        check.status(job.request('GET', '/v2/other/app/tags/list'), 403)
        # The role has these verbs, the jobs of an issuer cannot.
        check.status(job.delete_manifest('acme/app', 'v1'), 403)
        check.status(job.request('GET', '/metrics'), 403)
        check.status(job.request('GET', '/api/v1/access'), 403)

        branch = AsJob(server.address, issuer.token('one', ref='refs/heads/topic'))
        branch.check_holds('acme/app', 'v1')
        check.status(branch.request('POST', '/v2/acme/app/blobs/uploads/'), 403)
        check.status(Registry.of(server).request('GET', '/v2/acme/app/tags/list'), 401)


@suite.case('a job gets an access token that is good for what the policy gives it')
def _():
    with issuer_and_server() as (issuer, server):
        job = AsJob(server.address, issuer.token('one'))
        pusher = AsBearer(server.address,
                          job.access_token('repository:acme/app:pull,push,delete'))
        pusher.push('acme/app', IMAGE, 'v1')
        pusher.check_holds('acme/app', 'v1')
        check.one_of(pusher.delete_manifest('acme/app', 'v1').status, {401, 403}, 'DELETE')
        puller = AsBearer(server.address, job.access_token('repository:acme/app:pull'))
        puller.check_holds('acme/app', 'v1')
        check.one_of(puller.request('POST', '/v2/acme/app/blobs/uploads/').status, {401, 403},
                     'POST')


@suite.case('the events of a push name the job')
def _():
    with issuer_and_server() as (issuer, server):
        AsJob(server.address, issuer.token('one')).push('acme/app', IMAGE, 'v1')
        server.stop()
        actors = {event['type']: event.get('actor') for event in event_log.by_dump(server.data)}
        for kind in ('blob.pushed', 'manifest.pushed', 'tag.bound'):
            check.equal(actors.get(kind), 'ci:acme/app', f'actor of {kind}')


# ---- What it does not open

@suite.case('tokens that are refused: a reason for the job and in the log, and nothing of the token')
def _():
    with issuer_and_server() as (issuer, server):
        good = issuer.token('one')
        header, payload, signature = good.split('.')
        swapped = 'B' if signature[0] == 'A' else 'A'
        tokens = [(issuer.token('one', aud='other'), 'audience'),
                  (issuer.token('one', exp=1000000000), 'expired'),
                  (issuer.token('one', iss='https://evil.example'), 'issuer'),
                  (issuer.token('one', repository='evil/app'), 'rule'),
                  (issuer.token('two', key=issuer.keys['one']), 'key'),
                  (issuer.forged({'alg': 'none', 'kid': 'one'}), ''),
                  (f'{header}.{payload}.{swapped}{signature[1:]}', '')]
        check.true(is_let_in(server, good), 'the good token is refused')
        for token, word in tokens:
            refused(server, token, word)
        def reasons():
            return sorted(event['reason'] for event in server.log_events()
                          if event.get('event') == 'login.refused')

        check.eventually('each is in the log', lambda: len(reasons()) >= len(tokens))
        # Without a signature it is not of the form of a token, and no password of anybody either.
        check.equal(reasons(), ['audience', 'issuer', 'rule', 'signature', 'signature', 'time',
                                'unknown-user'], 'reasons in the log')
        log = server.log_text()
        for token, _ in [*tokens, (good, '')]:
            for part in token.split('.'):
                check.true(len(part) < 12 or part not in log, f'the log has {part[:20]}...')


@suite.case('an issuer that is down is no refusal: 503, and in again when it is there')
def _():
    with issuer_and_server() as (issuer, server):
        issuer.give(KEYS, 500, b'')
        answer = AsJob(server.address, issuer.token('one')).request('GET', '/v2/')
        check.status(answer, 503)
        issuer.publish()
        check.eventually('the job is let in', lambda: is_let_in(server, issuer.token('one')))


@suite.case('a provider changes its key: new jobs come in, old tokens do not')
def _():
    with Provider() as provider, server_for(provider.url) as server:
        old = provider.token('job', repository='acme/app', ref='refs/heads/main')
        check.true(is_let_in(server, old), 'the first job is refused')
        provider.stop()
        provider.start()
        new = provider.token('job', repository='acme/app', ref='refs/heads/main')
        check.eventually('the second job is let in', lambda: is_let_in(server, new))
        check.true(is_let_in(server, new), 'the second job is refused')


@suite.case('a hundred jobs at once: one fetch, and nobody else waits for the issuer')
def _():
    with issuer_and_server() as (issuer, server):
        asked, go_on = threading.Event(), threading.Event()
        document = issuer.key_set()

        def slow(handler):
            asked.set()
            go_on.wait(30)
            send(handler, 200, document)

        issuer.on('GET', KEYS, slow)
        results = []
        jobs = [threading.Thread(target=lambda token=issuer.token('one'): results.append(
            is_let_in(server, token))) for _ in range(100)]
        for job in jobs:
            job.start()
        check.true(asked.wait(60), 'the issuer was not asked')
        for _ in range(10):
            check.status(Registry.of(server).request('GET', '/livez'), 200)
            refused(server, issuer.token('one', aud='other'), 'audience')
        check.equal(results, [], 'answers before there are keys')
        go_on.set()
        for job in jobs:
            job.join()
        check.equal(results, [True] * 100, 'answers')
        check.equal(issuer.asked_for(KEYS), 1, 'requests for keys')


@suite.case('a server that stops while a job waits for its issuer')
def _():
    with issuer_and_server(issuer_timeout='2s') as (issuer, server):
        asked, end = threading.Event(), threading.Event()

        def never(handler):
            asked.set()
            end.wait(60)
            raise OSError('too late')

        issuer.on('GET', KEYS, never)
        job = threading.Thread(target=_ask_and_forget, args=(server, issuer.token('one')))
        job.start()
        check.true(asked.wait(60), 'the issuer was not asked')
        server.stop()
        end.set()
        job.join()
        server.check_is_clean()


def _ask_and_forget(server, token):
    with contextlib.suppress(Exception):
        is_let_in(server, token)


# ---- Clients

@contextlib.contextmanager
def home_of(name, folder):
    """The environment of a client with no settings but its own."""
    home = os.path.join(folder, name)
    os.makedirs(home)
    yield {'HOME': home, 'DOCKER_CONFIG': home, 'XDG_CONFIG_HOME': home, 'XDG_RUNTIME_DIR': home,
           'REGISTRY_AUTH_FILE': os.path.join(home, 'auth.json')}


@suite.case('docker logs in with the token of a job, pushes and pulls')
def _():
    with issuer_and_server() as (issuer, server), \
            tempfile.TemporaryDirectory(prefix='tidemark-docker-') as folder:
        docker = Docker(Ground(server, folder))
        docker.version()
        docker.start()
        try:
            with home_of('job', folder) as environment:
                def run(*arguments, **options):
                    return command.run('docker', '-H', docker._socket, *arguments,
                                       environment=environment, **options)

                reference = f'{server.address}/acme/app:docker'
                archive = os.path.join(folder, 'archive.tar')
                image.write_docker_archive(archive, IMAGE, reference)
                run('load', '-i', archive)
                run('push', reference, fails=True)
                run('login', '--username', 'github', '--password-stdin', server.address,
                    stdin=issuer.token('one').encode())
                run('push', reference)
                run('rmi', '-f', reference)
                run('pull', reference)
                run('login', '--username', 'github', '--password-stdin', server.address,
                    stdin=issuer.token('one', aud='other').encode(), fails=True)
        finally:
            docker.stop()


@suite.case('skopeo logs in with the token of a job, pushes and pulls')
def _():
    with issuer_and_server() as (issuer, server), \
            tempfile.TemporaryDirectory(prefix='tidemark-skopeo-') as folder, \
            home_of('job', folder) as environment:
        layout = os.path.join(folder, 'layout')
        image.write_layout(layout, {'latest': IMAGE})
        target = f'docker://{server.address}/acme/app:skopeo'
        insecure = ['--src-tls-verify=false', '--dest-tls-verify=false']
        command.run('skopeo', 'copy', *insecure, f'oci:{layout}:latest', target,
                    environment=environment, fails=True)
        command.run('skopeo', 'login', '--tls-verify=false', '--username', 'gitlab',
                    '--password-stdin', server.address, environment=environment,
                    stdin=issuer.token('one').encode())
        command.run('skopeo', 'copy', *insecure, f'oci:{layout}:latest', target,
                    environment=environment)
        command.run('skopeo', 'copy', *insecure, target, f'oci:{folder}/again:latest',
                    environment=environment)
        check.equal(image.read_layout(f'{folder}/again'), image.contents(IMAGE), 'what came back')


if __name__ == '__main__':
    sys.exit(suite.run())
