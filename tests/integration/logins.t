#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Logging in to a real server: the htpasswd file and its changes, the bootstrap token, lockouts."""

import base64
import json
import os
import stat
import sys

import check
import event_log
import http1
from server import Server, StartError
from tap import Suite

# Of crypt_blowfish's test vectors.
ONE = ('U*U', '$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')
OTHER = ('U*U*', '$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK')

CONFIG = '''auth:
  enabled: true
  htpasswd: {directory}/htpasswd
  htpasswd_check: 1s
  bcrypt_cost: 8
  lockout_failures: 3
'''

suite = Suite()


def whoami(server, user, password):
    """The answer to somebody who logs in with each request."""
    credential = base64.b64encode(f'{user}:{password}'.encode()).decode()
    return http1.request(server.address, 'GET', '/api/v1/whoami',
                         {'Authorization': f'Basic {credential}'})


def name_of(answer):
    return json.loads(check.status(answer, 200).body)['name']


def write(server, *lines):
    """Written aside and renamed, as a careful tool does."""
    path = os.path.join(server.directory, 'htpasswd')
    with open(path + '.new', 'w', encoding='utf-8') as file:
        file.write(''.join(line + '\n' for line in lines))
    os.rename(path + '.new', path)


def line(user, known):
    return f'{user}:{known[1]}'


def bootstrap_token(server):
    with open(os.path.join(server.data, 'bootstrap-token'), encoding='ascii') as file:
        return file.read().strip()


# ---- htpasswd

@suite.case('a user of the file logs in')
def login(server):
    check.equal(name_of(whoami(server, 'fred', ONE[0])), 'fred', 'name')
    check.status(whoami(server, 'fred', OTHER[0]), 401)
    check.status(whoami(server, 'dora', ONE[0]), 401)


@suite.case('the file is read again: the old password ends, also where it is remembered')
def changed(server):
    check.status(whoami(server, 'ann', ONE[0]), 200)
    write(server, line('fred', ONE), line('ann', OTHER))
    # Not by trying: wrong passwords are counted.
    check.eventually('it is read', lambda: any(
        event['event'] == 'htpasswd.loaded' for event in server.log_events()))
    check.status(whoami(server, 'ann', OTHER[0]), 200)
    check.status(whoami(server, 'ann', ONE[0]), 401)


@suite.case('a broken line is named in the log, the content before goes on')
def broken(server):
    write(server, line('fred', ONE), 'ann:in-plain-text')
    check.eventually('the complaint', lambda: any(
        event['event'] == 'htpasswd.refused' and 'line 2' in event['error']
        for event in server.log_events()))
    check.status(whoami(server, 'ann', OTHER[0]), 200)
    check.true('in-plain-text' not in server.log_text(), 'the log shows the line')


@suite.case('a broken file at the start is an error')
def broken_at_start(server):
    server.stop()
    try:
        server.start()
    except StartError as error:
        check.contains(error.stderr, 'htpasswd: line 2', 'complaint')
    else:
        raise AssertionError('it started')
    write(server, line('fred', ONE), line('ann', OTHER))
    server.start()
    check.status(whoami(server, 'ann', OTHER[0]), 200)


# ---- The bootstrap token

@suite.case('the bootstrap token is a file of the owner alone, and opens once')
def bootstrap(server):
    mode = os.stat(os.path.join(server.data, 'bootstrap-token')).st_mode
    check.equal(stat.S_IMODE(mode), 0o600, 'mode')
    secret = bootstrap_token(server)
    check.equal(name_of(whoami(server, 'x', secret)), 'bootstrap', 'name')
    server.restart()
    check.status(whoami(server, 'x', secret), 401)
    check.true(bootstrap_token(server) != secret, 'the same secret again')


# ---- Too many wrong passwords

@suite.case('wrong passwords lock the account out, and only that')
def lockout(server):
    for _ in range(3):
        check.status(whoami(server, 'ann', 'wrong'), 401)
    answer = check.status(whoami(server, 'ann', OTHER[0]), 429)
    # Not only the wait after a few: that is a second.
    check.true(int(answer.field('retry-after')) > 60, f'Retry-After: {answer.fields}')
    check.status(whoami(server, 'fred', ONE[0]), 200)


@suite.case('events tell of it, nothing tells a secret')
def events(server):
    secret = bootstrap_token(server)
    server.stop()
    log = [event for event in event_log.by_dump(server.data) if event['type'] == 'login.locked']
    check.equal([event['subject'] for event in log], ['ann'], 'who was locked out')
    check.contains(log[0]['reason'], '127.0.0.1', 'reason')
    with open(os.path.join(server.data, 'index', 'data.mdb'), 'rb') as file:
        index = file.read()
    check.true(secret.encode() not in index, 'the index has the text of a secret')
    check.true(secret not in server.log_text(), 'the log has the text of a secret')
    server.check_is_clean()
    server.start()


def main():
    server = Server()
    server.write_config(CONFIG.format(directory=server.directory))
    write(server, line('fred', ONE), line('ann', ONE))
    suite.add('the server ends cleanly', lambda _: server.stop())
    try:
        server.start()
        return suite.run(server)
    finally:
        server.remove()


if __name__ == '__main__':
    sys.exit(main())
