# SPDX-License-Identifier: Apache-2.0
"""The OCI distribution conformance suite as test cases, with every API and kind of data turned on."""

import os
import subprocess
import xml.etree.ElementTree as xml

import check
import command
from tap import note

APIS = ('PING', 'PULL', 'PUSH', 'BLOBS_ATOMIC', 'BLOBS_DELETE', 'BLOBS_DIGEST_HEADER',
        'BLOBS_MOUNT_ANONYMOUS', 'BLOBS_UPLOAD_CANCEL', 'MANIFESTS_ATOMIC', 'MANIFESTS_DELETE',
        'MANIFESTS_DIGEST_HEADER', 'MANIFESTS_TAG_PARAM', 'TAGS_ATOMIC', 'TAGS_DELETE', 'TAGS_LIST',
        'REFERRER')
DATA = ('IMAGE', 'INDEX', 'INDEX_LIST', 'SPARSE', 'ARTIFACT', 'SUBJECT', 'SUBJECT_MISSING',
        'ARTIFACT_LIST', 'SUBJECT_LIST', 'DATA_FIELD', 'NONDISTRIBUTABLE', 'CUSTOM_FIELDS',
        'NO_LAYERS', 'EMPTY_BLOB', 'SHA512')

# Far fewer would mean that the suite was cut short.
LEAST_TESTS = 1000

# Sparse manifests are part of it, and off by default.
SERVER_ENVIRONMENT = {'TIDEMARK_MANIFESTS_ALLOW_SPARSE': 'true'}

COUNTS = ('failures', 'errors', 'skipped', 'disabled')


def environment(server):
    # What the caller has set for another registry does not count here.
    variables = {name: value for name, value in os.environ.items() if not name.startswith('OCI_')}
    variables.update({f'OCI_API_{name}': 'true' for name in APIS})
    variables.update({f'OCI_DATA_{name}': 'true' for name in DATA})
    variables.update({'OCI_REGISTRY': server.address, 'OCI_TLS': 'disabled', 'OCI_VERSION': 'dev',
                      'OCI_RESULTS_DIR': os.path.join(server.directory, 'results')})
    return variables


class Run:
    """One run of the suite against a server, and what came of it; `more` are variables for it."""

    def __init__(self, server, more=None):
        # It stands alone in its directory: a file oci-conformance.yaml would be read.
        result = subprocess.run([command.find('conformance')], cwd=server.directory, check=False,
                                env={**environment(server), **(more or {})}, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=900, text=True)
        self.status = result.returncode
        self.results = os.path.join(server.directory, 'results')
        root = xml.parse(os.path.join(self.results, 'junit.xml')).getroot()
        self.counts = {name: int(root.get(name, 0)) for name in ('tests', *COUNTS)}
        self.cases = list(root.iter('testcase'))
        note('conformance: ' + ', '.join(f'{n} {name}' for name, n in self.counts.items()))

    def check_is_whole(self):
        check.true(self.counts['tests'] >= LEAST_TESTS,
                   f'only {self.counts["tests"]} tests were run')

    def check_all_on(self):
        with open(os.path.join(self.results, 'results.yaml'), encoding='utf-8') as file:
            lines = [line.strip() for line in file]
        off = [line for line in lines if line.endswith(': false') and line != 'cacheAuth: false']
        check.equal(off, [], 'toggles that are off')
        check.true('version: dev' in lines, 'the suite does not test the version in development')

    def check_none(self, kind):
        """`kind` is one of COUNTS."""
        if self.counts[kind] != 0:
            wrong = [case for case in self.cases if case.get('status') not in ('passed', None)]
            for case in wrong[:60]:
                note(f'{case.get("status")}: {case.get("name")}: {case.findtext("system-out")}')
        check.equal(self.counts[kind], 0, kind)

    def check_all(self):
        self.check_is_whole()
        self.check_all_on()
        for kind in COUNTS:
            self.check_none(kind)
        check.equal(self.status, 0, 'exit status')
