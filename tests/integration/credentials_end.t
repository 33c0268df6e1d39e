#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a credential is still good for when its account, password or group is not what it was."""

import json
import socket
import sys
import time

import check
import http1
from access import AccessServer, ask_token, basic, bearer, post_token
from tap import Suite

PASSWORD = 'a password of its own'
POLICY = {
    'roles': {'admin': ['admin', 'audit'], 'auditor': ['audit'],
              'developer': ['pull', 'push', 'move-tag']},
    'bindings': [
        {'role': 'admin', 'to': ['user:root'], 'repositories': ['**']},
        {'role': 'auditor', 'to': ['group:audit'], 'repositories': ['**']},
        {'role': 'developer', 'to': ['group:team', 'robot:ci'], 'repositories': ['team/*']},
    ],
}

suite = Suite()


def call(server, method, path, body=None, status=200):
    """One request of /api/v1 by the administrator."""
    data = json.dumps(body).encode() if body is not None else None
    answer = server.registry('root').request(method, '/api/v1' + path,
                                             {'Content-Type': 'application/json'}, data)
    check.status(answer, status)
    return json.loads(answer.body) if answer.body else None


def token_by(server, authorization, scope):
    answer = http1.request(server.address, 'GET', f'/token?scope={scope}',
                           {'Authorization': authorization})
    return json.loads(check.status(answer, 200).body)['token']


def may_push(visitor, repository, status):
    check.status(visitor.request('POST', f'/v2/{repository}/blobs/uploads/'), status)


def begin(server):
    for group in ('team', 'audit'):
        call(server, 'PUT', f'/groups/{group}', {}, 201)


suite.add('groups to be in', begin)


def group_of_a_deleted_row(server):
    call(server, 'POST', '/users', {'name': 'ext', 'external': True, 'groups': ['team']}, 201)
    visitor = server.visitor(bearer(server.token('ext', 'repository:team/app:push')))
    may_push(visitor, 'team/app', 202)
    call(server, 'DELETE', '/users/ext', status=204)
    may_push(visitor, 'team/app', 403)


suite.add('the groups of a deleted row do not live on in an access token', group_of_a_deleted_row)


def account_made_again(server):
    secret = call(server, 'POST', '/robots', {'name': 'ci'}, 201)['secret']
    visitor = server.visitor(bearer(token_by(server, basic('x', secret),
                                             'repository:team/app:push')))
    may_push(visitor, 'team/app', 202)
    call(server, 'DELETE', '/robots/ci', status=204)
    may_push(visitor, 'team/app', 401)
    time.sleep(1.1)  # tokens count in seconds
    call(server, 'POST', '/robots', {'name': 'ci'}, 201)
    may_push(visitor, 'team/app', 401)


suite.add('a token of a deleted account is none of a new one of that name', account_made_again)


def password_changed(server):
    call(server, 'POST', '/users', {'name': 'carl', 'password': PASSWORD}, 201)
    answer = ask_token(server, scopes=['repository:team/app:pull'], offline_token='true')
    check.true('refresh_token' not in json.loads(answer.body), 'nobody has no refresh token')
    answer = http1.request(server.address, 'GET', '/token?offline_token=true',
                           {'Authorization': basic('carl', PASSWORD)})
    refresh = json.loads(check.status(answer, 200).body)['refresh_token']
    check.status(post_token(server, grant_type='refresh_token', refresh_token=refresh), 200)
    call(server, 'PATCH', '/users/carl', {'password': PASSWORD + ' now'})
    check.status(post_token(server, grant_type='refresh_token', refresh_token=refresh), 401)


suite.add('a new password ends the refresh tokens', password_changed)


def limited_secret(server):
    limited = call(server, 'POST', '/robots', {'name': 'two', 'verbs': ['pull'],
                                               'repositories': ['team/app']}, 201)
    full = call(server, 'POST', '/robots/two/secrets', {}, 201)
    known = limited['secrets'][0]['id']
    other = next(one['id'] for one in full['secrets'] if one['id'] != known)
    answer = server.visitor(basic('x', limited['secret'])).request('DELETE',
                                                                   f'/api/v1/tokens/{other}')
    check.contains(json.loads(check.status(answer, 403).body)['detail'], 'does not')
    check.status(server.visitor(basic('x', full['secret'])).request('GET', '/v2/'), 200)


suite.add('a limited secret does not end a stronger one', limited_secret)


def name_of_a_user(server):
    check.status(server.registry('ann').request('GET', '/v2/'), 200)
    call(server, 'POST', '/robots', {'name': 'ann'}, 409)
    check.status(server.registry('ann').request('GET', '/v2/'), 200)


suite.add('a robot does not take the name of a user of the htpasswd file', name_of_a_user)


def read_stream(stream, end):
    """What comes until `end`, or the end of the stream."""
    text = b''
    while end not in text:
        piece = stream.recv(65536)
        if not piece:
            break
        text += piece
    return text


def event_stream(server):
    call(server, 'POST', '/users', {'name': 'eve', 'password': PASSWORD, 'groups': ['audit']}, 201)
    host, port = server.address.rsplit(':', 1)
    with socket.create_connection((host, int(port)), timeout=20) as stream:
        stream.sendall((f'GET /api/v1/events HTTP/1.1\r\nHost: {server.address}\r\n'
                        'Accept: text/event-stream\r\n'
                        f'Authorization: {basic("eve", PASSWORD)}\r\n\r\n').encode())
        check.contains(read_stream(stream, b'account.created').decode(), '200 OK')
        call(server, 'DELETE', '/users/eve', status=204)
        call(server, 'PUT', '/groups/later', {}, 201)
        rest = read_stream(stream, b'0\r\n\r\n').decode()
        check.true(rest.endswith('0\r\n\r\n') and 'later' not in rest, f'it ended: {rest!r}')


suite.add('an event stream ends with the right to read it', event_stream)


def host_of_absolute_form(server):
    host, port = server.address.rsplit(':', 1)
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b'GET http://user@evil/v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
        check.contains(client.recv(65536).decode(), '400 Bad Request')


suite.add('the host of an absolute target has no user', host_of_absolute_form)


def job_named_as_a_certificate(server):
    policy = dict(POLICY, issuers={'ci': {
        'url': 'https://issuer.example', 'audience': 'tidemark', 'repositories': ['team/*'],
        'rules': [{'match': {'sub': '**'}, 'identity': 'cert:{sub}'}]}})
    call(server, 'PUT', '/access', policy, 400)


suite.add('no job has a name like that of a certificate', job_named_as_a_certificate)


def main():
    server = AccessServer(POLICY, ['root', 'ann', 'ext'], '  bcrypt_cost: 8\n')
    suite.add('after all of that fsck finds nothing wrong', lambda _: server.check_is_clean())
    suite.add('the server ends cleanly', lambda _: server.stop())
    try:
        server.start()
        return suite.run(server)
    finally:
        server.remove()


if __name__ == '__main__':
    sys.exit(main())
