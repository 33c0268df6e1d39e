# SPDX-License-Identifier: Apache-2.0
"""What cases check with: each function raises AssertionError and says what was there instead."""

import json
import time


def true(condition, message):
    if not condition:
        raise AssertionError(message)


def equal(got, wanted, what='value'):
    if got != wanted:
        raise AssertionError(f'{what}: {_short(got)}, not {_short(wanted)}')


def one_of(got, allowed, what='value'):
    if got not in allowed:
        raise AssertionError(f'{what}: {_short(got)}, not one of {sorted(allowed)}')


def contains(text, part, what='text'):
    if part not in text:
        raise AssertionError(f'{what} has no {_short(part)}: {_short(text, 2000)}')


def status(response, wanted, what=None):
    """`wanted` is a status or a set of them."""
    allowed = wanted if isinstance(wanted, (set, tuple, list)) else {wanted}
    if response.status not in allowed:
        raise AssertionError(f'{what or response.request}: status {response.status}, not '
                             f'{sorted(allowed)}; {_short(response.body, 600)}')
    return response


def error(response, wanted_status, code=None, *words):
    """An error document of the distribution API whose message contains `words`."""
    status(response, wanted_status)
    document = json.loads(response.body)
    errors = document['errors']
    true(len(errors) >= 1, 'the list of errors is empty')
    first = errors[0]
    equal(response.field('content-type'), 'application/json', 'Content-Type of an error')
    if code is not None:
        equal(first['code'], code, f'code ({first.get("message")})')
    true(len(first['message']) > 0, 'the error has no message')
    for word in words:
        contains(first['message'], word, 'message')
    return first


def eventually(what, condition, seconds=30):
    """Waits until `condition()` is true; for what has no event to wait for. Returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'after {seconds} s still not: {what}')
        time.sleep(0.02)


def _short(value, limit=300):
    text = repr(value)
    return text if len(text) <= limit else f'{text[:limit]}... ({len(text)} characters)'
