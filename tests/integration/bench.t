#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs of tests/bench do what the figures say they do; how fast is not asked here."""

import json
import os
import subprocess
import sys

import check
from image import digest_of
from registry import Registry
from server import Server, binary
from tap import Suite

TAGS = 300
REFERRERS = 40
REPOSITORIES = 3

suite = Suite()


def program(name):
    return os.path.join(os.path.dirname(binary()), 'tests', 'bench', name)


def run(name, *arguments, status=0):
    done = subprocess.run([program(name), *map(str, arguments)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    check.equal(done.returncode, status, f'status of {name}: {done.stderr[-1000:]}')
    return done.stdout


def load(server, *arguments):
    return json.loads(run('http_load', server.address, *arguments))


@suite.case('what is seeded is all there, and fsck finds nothing wrong')
def _(server):
    # Twice: the second time fills up, and meets what it has made.
    for last in (TAGS // 2, TAGS):
        run('seed_registry', server.data, 'tags', 'bench/app', 1, last)
    run('seed_registry', server.data, 'referrers', 'bench/app', REFERRERS)
    run('seed_registry', server.data, 'repositories', 'bench/many', REPOSITORIES)
    server.check_is_clean()
    server.start()
    registry = Registry(server.address)
    check.equal(registry.tags('bench/app'),
                ['subject'] + [f'v{number:07}' for number in range(1, TAGS + 1)])
    subject = registry.digest('bench/app', 'subject')
    check.equal(len(registry.referrers('bench/app', subject)), REFERRERS, 'referrers')
    answer = check.status(registry.request('GET', '/v2/_catalog'), 200)
    check.equal(json.loads(answer.body)['repositories'],
                ['bench/app'] + [f'bench/many-{n:06}' for n in range(1, REPOSITORIES + 1)])
    registry.check_holds('bench/app', f'v{TAGS:07}')
    registry.check_holds('bench/many-000002', 'latest')


@suite.case('http_load repeats HEAD, which has no body')
def _(server):
    told = load(server, 4, 1, 'repeat', 'HEAD', '/v2/bench/app/manifests/v0000001')
    check.equal(told['errors'], 0, 'errors')
    check.true(told['requests'] > 4, f'only {told["requests"]} answers')


@suite.case('http_load counts answers that are not what was asked for')
def _(server):
    told = load(server, 4, 1, 'repeat', 'GET', '/v2/bench/app/manifests/none')
    check.true(told['requests'] > 0, 'no answer')
    check.equal(told['errors'], told['requests'], 'errors')


@suite.case('http_load deletes each tag once, and ends then')
def _(server):
    told = load(server, 4, 60, 'each', 'DELETE', '/v2/bench/app/manifests/v', 101, 200)
    check.equal((told['requests'], told['errors']), (100, 0), 'requests, errors')
    left = Registry(server.address).tags('bench/app')
    check.equal(len(left), 1 + TAGS - 100, 'tags left')
    check.true('v0000101' not in left and 'v0000200' not in left, 'a deleted tag is there')


@suite.case('what http_load pushes in its mixed load is there')
def _(server):
    registry = Registry(server.address)
    config = digest_of(b'{}')
    told = load(server, 4, 1, 'mixed', 'bench/mixed', 50, 1024, 'word',
                '/v2/bench/app/manifests/v0000001', f'/v2/bench/app/blobs/{config}')
    check.equal(told['errors'], 0, 'errors')
    check.true(told['pull']['rate'] > 0, 'no pull')
    tags = registry.tags('bench/mixed')
    check.true(len(tags) >= round(told['push']['rate'] * told['seconds']) > 0,
               f'{told["push"]} pushes, {len(tags)} tags')
    for tag in tags[:3]:
        registry.check_holds('bench/mixed', tag)


@suite.case('wrong arguments are refused')
def _(server):
    run('seed_registry', server.data, 'tags', 'bench/app', status=2)
    run('http_load', server.address, 4, 1, 'mixed', status=2)
    run('http_load', server.address, 'four', 1, 'repeat', 'GET', '/', status=2)


@suite.case('fsck finds nothing wrong after all of that')
def _(server):
    server.check_is_clean()
    server.stop()


def main():
    server = Server()
    try:
        return suite.run(server)
    finally:
        server.remove()


sys.exit(main())
