#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The conformance suite with a credential: the same result as without authentication, by tokens and
by Basic."""

import sys

import conformance
from access import PASSWORD, AccessServer
from tap import Suite

POLICY = {
    'roles': {'all': ['pull', 'push', 'move-tag', 'delete'], 'admin': ['admin']},
    'bindings': [{'role': 'all', 'to': ['user:tester'], 'repositories': ['**']},
                 {'role': 'admin', 'to': ['user:root'], 'repositories': ['**']}],
}

suite = Suite()


def case(challenge):
    server = AccessServer(POLICY, ['tester'], f'  challenge: {challenge}\n',
                          environment=conformance.SERVER_ENVIRONMENT)
    with server:
        conformance.Run(server, {'OCI_USERNAME': 'tester', 'OCI_PASSWORD': PASSWORD}).check_all()


suite.add('by tokens', case, 'token')
suite.add('by Basic', case, 'basic')

sys.exit(suite.run())
