#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The OCI distribution conformance suite with every API and every kind of data turned on."""

import sys

import check
import conformance
from server import run_suite
from tap import Suite

suite = Suite()
runs = []


@suite.case('the suite runs to its end')
def runs_to_end(server):
    runs.append(conformance.Run(server))
    runs[0].check_is_whole()


def the_run():
    check.true(runs, 'the suite did not run')
    return runs[0]


@suite.case('every API and every kind of data is turned on')
def all_on(_server):
    the_run().check_all_on()


for word in conformance.COUNTS:
    suite.add(f'0 {word}', lambda _server, kind=word: the_run().check_none(kind))


@suite.case('its exit status says so')
def exit_status(_server):
    check.equal(the_run().status, 0, 'exit status')


sys.exit(run_suite(suite, environment=conformance.SERVER_ENVIRONMENT))
