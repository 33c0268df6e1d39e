# SPDX-License-Identifier: Apache-2.0
"""A server with authentication: its users, its policy, and what they show to it."""

import base64
import json
import os
import re
import subprocess
import time
import urllib.parse

import check
import http1
from registry import Registry
from server import Server

USER = 'somebody'
PASSWORD = 'correct horse'
# bcrypt of it at the least cost, so that tests do not spend their time hashing.
HASH = '$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e'
SERVICE = 'tidemark'


class AccessServer(Server):
    """`policy` is the document, `users` the names of those who have PASSWORD."""

    def __init__(self, policy, users, config='', **options):
        super().__init__(**options)
        self.htpasswd = os.path.join(self.directory, 'htpasswd')
        self.policy = os.path.join(self.directory, 'policy.json')
        self.write_users(users)
        with open(self.policy, 'w', encoding='utf-8') as file:
            json.dump(policy, file)
        self.write_config('auth:\n  enabled: true\n'
                          f'  htpasswd: {self.htpasswd}\n  policy: {self.policy}\n{config}')

    def write_users(self, users):
        with open(self.htpasswd, 'w', encoding='utf-8') as file:
            file.writelines(f'{user}:{HASH}\n' for user in users)

    def registry(self, user=None):
        """What `user` may do with it; nobody's without one."""
        return Visitor(self.address, basic(user) if user else None)

    def visitor(self, authorization):
        return Visitor(self.address, authorization)

    def token(self, user, *scopes):
        """An access token for these scopes."""
        return json.loads(check.status(ask_token(self, user, scopes), 200).body)['token']

    def forge(self, claims=None, header=None):
        """A token signed by the server's own key: what it could have made, at another time."""
        now = int(time.time())
        kid, path = server_key(self)
        header = {'typ': 'JWT', 'alg': 'EdDSA', 'kid': kid, **(header or {})}
        claims = {'iss': SERVICE, 'aud': SERVICE, 'sub': 'v-pull', 'iat': now, 'nbf': now,
                  'exp': now + 300, 'jti': 'x',
                  'access': [{'type': 'repository', 'name': 'matrix/app', 'actions': ['pull']}],
                  'tidemark': {'kind': 'user', 'verbs': 16383}, **(claims or {})}
        text = f'{encode(json.dumps(header))}.{encode(json.dumps(claims))}'
        message = os.path.join(self.directory, 'message')
        with open(message, 'w', encoding='ascii') as file:
            file.write(text)
        signature = subprocess.run(['openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', path,
                                    '-in', message], stdout=subprocess.PIPE, check=True).stdout
        return f'{text}.{encode(signature)}'


class Visitor(Registry):
    """Requests of somebody; `authorization` is the field's value, None for nobody."""

    def __init__(self, address, authorization):
        super().__init__(address)
        self.authorization = authorization

    def request(self, method, target, fields=None, body=None):
        fields = dict(fields or {})
        if self.authorization is not None:
            fields.setdefault('Authorization', self.authorization)
        return http1.request(self.address, method, target, fields, body)


def encode(data):
    """base64url without padding."""
    data = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def decode(text):
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def claims_of(token):
    return json.loads(decode(token.split('.')[1]))


def basic(user, password=PASSWORD):
    return 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()


def bearer(token):
    return f'Bearer {token}'


def ask_token(server, user=None, scopes=(), **parameters):
    """GET /token."""
    query = [('service', SERVICE)] + [('scope', scope) for scope in scopes]
    query += list(parameters.items())
    fields = {'Authorization': basic(user)} if user else {}
    return http1.request(server.address, 'GET', '/token?' + urllib.parse.urlencode(query), fields)


def post_token(server, **parameters):
    body = urllib.parse.urlencode(parameters).encode()
    return http1.request(server.address, 'POST', '/token',
                         {'Content-Type': 'application/x-www-form-urlencoded'}, body)


def server_key(server):
    """(kid, path) of the key that signs."""
    folder = os.path.join(server.data, 'keys')
    names = [name for name in os.listdir(folder) if name.endswith('.pem')]
    check.equal(len(names), 1, 'keys')
    return names[0][:-len('.pem')], os.path.join(folder, names[0])


def routes():
    """The router's table: (pattern, method, right) of every line."""
    path = os.path.join(os.environ['TOP_SRCDIR'], 'server', 'route.def')
    with open(path, encoding='utf-8') as file:
        text = file.read()
    patterns = dict(re.findall(r'^X\((\w+), "([^"]+)"\)', text, re.M))
    lines = re.findall(r'^M\((\w+), (\w+), \w+, (\w+)\)', text, re.M)
    check.equal(len(lines), len(re.findall(r'^M\(', text, re.M)), 'lines that were understood')
    return [(patterns[name], method, right) for name, method, right in lines]


def challenge(answer):
    """The parameters of the Bearer challenge of a 401, and whether Basic is offered too."""
    fields = answer.all_fields('www-authenticate')
    found = [field for field in fields if field.startswith('Bearer ')]
    check.true(len(found) <= 1, 'several Bearer challenges')
    parameters = dict(re.findall(r'(\w+)="([^"]*)"', found[0])) if found else {}
    return parameters, any(field.startswith('Basic ') for field in fields)
