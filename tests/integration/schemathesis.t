#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests that schemathesis makes from docs/openapi.yaml, good ones and bad ones: no error of the
server, nothing answered that the document does not say. $SCHEMATHESIS_EXAMPLES makes more of them
for each endpoint, $SCHEMATHESIS_SEED others."""

import json
import os
import subprocess
import sys

import check
import command
from image import Artifact, Image, Index, digest_of
from registry import Registry
from server import run_suite
from tap import Suite, note

EXAMPLES = os.environ.get('SCHEMATHESIS_EXAMPLES', '30')
SEED = os.environ.get('SCHEMATHESIS_SEED', '1')

# Methods a server need not know are 501 (RFC 9110, 15.6.2), so they are not among those tried. What
# is under a digest has the route, and so the Allow, of what is under a tag. A condition that does not
# hold is no error of the request. A policy obeys more rules than a schema can say. A file may have
# nearly any name, also a malformed one of theirs.
CONFIG = '''\
[phases.coverage]
unexpected-methods = ["DELETE", "PATCH", "POST", "PUT", "TRACE"]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 429]

[[operations]]
include-path = ["/files/{name}@{digest}/", "/files/{name}@{digest}/{path}"]
checks.unsupported_method.enabled = false

[[operations]]
include-path = "/api/v1/access"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path = "/files/{name}:{tag}/{path}"
checks.negative_data_rejection.enabled = false
'''

IMAGE = Image([{'etc/hello': b'hello'}])
INDEX = Index([IMAGE])
SBOM = Artifact('application/vnd.example.sbom', b'sbom', subject=INDEX)
KNOWN = {
    'name': ['app'],
    'tag': ['one', 'many', 'files'],
    'path': ['dist.tar.gz', 'layer-0'],
    'reference': ['one', 'many', INDEX.digest, SBOM.digest],
    'digest': [digest_of(IMAGE.layers[0]), digest_of(IMAGE.config), IMAGE.digest],
}

suite = Suite()
run = {}


@suite.case('something is stored')
def stored(server):
    registry = Registry(server.address)
    registry.push('app', IMAGE, 'one')
    registry.push('app', INDEX, 'many')
    registry.push('app', SBOM)
    answer = registry.request('PUT', '/files/app:files/dist.tar.gz', {}, b'a file')
    check.status(answer, 201)


@suite.case('schemathesis runs to its end')
def runs(server):
    config = os.path.join(server.directory, 'schemathesis.toml')
    with open(config, 'w', encoding='utf-8') as file:
        file.write(CONFIG)
    document = os.path.join(os.path.abspath(os.environ['TOP_SRCDIR']), 'docs', 'openapi.yaml')
    result = subprocess.run(
        [command.find('st'), '--config-file', config, 'run', document,
         '--url', f'http://{server.address}', '--phases', 'examples,coverage,fuzzing',
         '--max-examples', EXAMPLES, '--seed', SEED, '--request-timeout', '60', '--no-color'],
        cwd=server.directory, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=1800, text=True,
        env={**os.environ, 'SCHEMATHESIS_HOOKS': 'schemathesis_hooks',
             'SCHEMATHESIS_KNOWN': json.dumps(KNOWN)})
    run['status'] = result.returncode
    run['output'] = result.stdout
    check.contains(result.stdout, 'SUMMARY', 'output of schemathesis')


@suite.case('it tested every endpoint of the document')
def tested_all(_server):
    check.true('output' in run, 'schemathesis did not run')
    lines = run['output'].splitlines()
    selected = [line.split()[1] for line in lines if line.strip().startswith('Selected:')]
    tested = [line.split()[1] for line in lines if line.strip().startswith('Tested:')]
    check.equal(len(selected), 1, 'lines of what was selected')
    count, _, total = selected[0].partition('/')
    check.equal((count, tested), (total, [total]), 'endpoints tested')


@suite.case('and found nothing')
def found_nothing(_server):
    if run.get('status') != 0:
        note(run.get('output', 'schemathesis did not run')[-20000:])
    check.equal(run.get('status'), 0, 'exit status of schemathesis')


sys.exit(run_suite(suite))
