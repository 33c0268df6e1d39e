#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The OCI distribution conformance suite with every API and every kind of data turned on."""

import os
import subprocess
import sys
import xml.etree.ElementTree as xml

import check
import command
from server import run_suite
from tap import Suite, note

APIS = ('PING', 'PULL', 'PUSH', 'BLOBS_ATOMIC', 'BLOBS_DELETE', 'BLOBS_DIGEST_HEADER',
        'BLOBS_MOUNT_ANONYMOUS', 'BLOBS_UPLOAD_CANCEL', 'MANIFESTS_ATOMIC', 'MANIFESTS_DELETE',
        'MANIFESTS_DIGEST_HEADER', 'MANIFESTS_TAG_PARAM', 'TAGS_ATOMIC', 'TAGS_DELETE', 'TAGS_LIST',
        'REFERRER')
DATA = ('IMAGE', 'INDEX', 'INDEX_LIST', 'SPARSE', 'ARTIFACT', 'SUBJECT', 'SUBJECT_MISSING',
        'ARTIFACT_LIST', 'SUBJECT_LIST', 'DATA_FIELD', 'NONDISTRIBUTABLE', 'CUSTOM_FIELDS',
        'NO_LAYERS', 'EMPTY_BLOB', 'SHA512')

# Far fewer would mean that the suite was cut short.
LEAST_TESTS = 1000

suite = Suite()
run = {}


def environment(server):
    # What the caller has set for another registry does not count here.
    variables = {name: value for name, value in os.environ.items() if not name.startswith('OCI_')}
    variables.update({f'OCI_API_{name}': 'true' for name in APIS})
    variables.update({f'OCI_DATA_{name}': 'true' for name in DATA})
    variables.update({'OCI_REGISTRY': server.address, 'OCI_TLS': 'disabled', 'OCI_VERSION': 'dev',
                      'OCI_RESULTS_DIR': os.path.join(server.directory, 'results')})
    return variables


@suite.case('the suite runs to its end')
def runs(server):
    # It stands alone in its directory: a file oci-conformance.yaml would be read.
    result = subprocess.run([command.find('conformance')], cwd=server.directory, check=False,
                            env=environment(server), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=900, text=True)
    run['output'] = result.stdout
    run['status'] = result.returncode
    root = xml.parse(os.path.join(server.directory, 'results', 'junit.xml')).getroot()
    run['counts'] = {name: int(root.get(name, 0))
                     for name in ('tests', 'failures', 'errors', 'skipped', 'disabled')}
    run['cases'] = list(root.iter('testcase'))
    note('conformance: ' + ', '.join(f'{count} {name}' for name, count in run['counts'].items()))
    check.true(run['counts']['tests'] >= LEAST_TESTS,
               f'only {run["counts"]["tests"]} tests were run')


@suite.case('every API and every kind of data is turned on')
def all_on(server):
    with open(os.path.join(server.directory, 'results', 'results.yaml'), encoding='utf-8') as file:
        lines = [line.strip() for line in file]
    off = [line for line in lines if line.endswith(': false') and line != 'cacheAuth: false']
    check.equal(off, [], 'toggles that are off')
    check.true('version: dev' in lines, 'the suite does not test the version in development')


def no(kind):
    def count_is_zero(_server):
        check.true('counts' in run, 'the suite did not run')
        wrong = [case for case in run['cases'] if case.get('status') not in ('passed', None)]
        if run['counts'][kind] != 0:
            for case in wrong[:60]:
                note(f'{case.get("status")}: {case.get("name")}: {case.findtext("system-out")}')
        check.equal(run['counts'][kind], 0, kind)
    return count_is_zero


for word in ('failures', 'errors', 'skipped', 'disabled'):
    suite.add(f'0 {word}', no(word))


@suite.case('its exit status says so')
def exit_status(_server):
    check.equal(run.get('status'), 0, 'exit status')


sys.exit(run_suite(suite, environment={'TIDEMARK_MANIFESTS_ALLOW_SPARSE': 'true'}))
