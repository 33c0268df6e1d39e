# SPDX-License-Identifier: Apache-2.0
"""Runs test cases and prints TAP (Test Anything Protocol) for automake's driver."""

import os
import sys
import traceback


class NotRun(Exception):
    """A case that could not run here; the text says why."""


def in_ci():
    """Where every case must run: one that could not is a failure."""
    return os.environ.get('CI') == 'true'


class Suite:
    """Cases in the order they were added, each a function that raises when it fails.

    A failed case does not stop the others. `outcomes` tells afterwards what became of each:
    'passed', 'failed' or 'not run'.
    """

    def __init__(self):
        self._cases = []
        self.outcomes = {}

    def add(self, name, function, *arguments):
        self._cases.append((name, function, arguments))

    def case(self, name, *arguments):
        """Decorator: the function is the case `name`."""
        def register(function):
            self.add(name, function, *arguments)
            return function
        return register

    def run(self, *context):
        """Runs all cases with `context` as their first arguments; returns the exit status."""
        for number, (name, function, arguments) in enumerate(self._cases, 1):
            try:
                function(*context, *arguments)
            except NotRun as why:
                self._not_run(number, name, why)
            # Whatever a case raises is its failure, and the next case must still run.
            except Exception:
                self._failed(number, name, traceback.format_exc())
            else:
                self._passed(number, name)
        print(f'1..{len(self._cases)}', flush=True)
        bad = {'failed', 'not run'} if in_ci() else {'failed'}
        return 1 if bad & set(self.outcomes.values()) else 0

    def _passed(self, number, name):
        self.outcomes[name] = 'passed'
        print(f'ok {number} - {name}', flush=True)

    def _failed(self, number, name, report):
        self.outcomes[name] = 'failed'
        print(f'not ok {number} - {name}')
        note(report)

    def _not_run(self, number, name, why):
        self.outcomes[name] = 'not run'
        if in_ci():
            print(f'not ok {number} - {name}')
            note(f'not run: {why}')
        else:
            print(f'ok {number} - {name} # SKIP not run: {why}', flush=True)


def note(text):
    """Diagnostics: shown in the log, no part of the result."""
    for line in str(text).splitlines():
        print(f'# {line}')
    sys.stdout.flush()
