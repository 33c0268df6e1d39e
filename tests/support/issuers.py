# SPDX-License-Identifier: Apache-2.0
"""Issuers of workload tokens: a provider that somebody else wrote, and one that does as it is told.

Both listen on 127.0.0.1 with http; their URL is their name (`iss`).
"""

import base64
import glob
import hashlib
import hmac
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import warnings

import check
import command
from fake_registry import FakeRegistry

try:
    from joserfc import jwk, jwt
except ImportError: # the python3 of ./dev need not be the first on PATH
    sys.path += glob.glob(os.path.join(command.python_bin(), '../lib/python3*/site-packages'))
    from joserfc import jwk, jwt

DISCOVERY = '/.well-known/openid-configuration'
KEYS = '/keys'
AUDIENCE = 'https://registry.example'
LIFETIME_SECONDS = 300


def encode(value):
    """base64url without padding, of bytes or of a value as JSON."""
    if not isinstance(value, bytes):
        value = json.dumps(value).encode()
    return base64.urlsafe_b64encode(value).rstrip(b'=').decode()


class Issuer(FakeRegistry):
    """Its keys are made here and its tokens are signed by joserfc. Use as a context manager; what
    it answers at DISCOVERY and KEYS can be replaced with give() and on()."""

    KINDS = {'RS256': lambda kid: jwk.RSAKey.generate_key(2048, {'kid': kid, 'use': 'sig'}),
             'PS256': lambda kid: jwk.RSAKey.generate_key(2048, {'kid': kid, 'use': 'sig',
                                                                 'alg': 'PS256'}),
             'ES256': lambda kid: jwk.ECKey.generate_key('P-256', {'kid': kid}),
             'ES384': lambda kid: jwk.ECKey.generate_key('P-384', {'kid': kid}),
             'EdDSA': lambda kid: jwk.OKPKey.generate_key('Ed25519', {'kid': kid})}

    def __init__(self, tls_folder=None):
        super().__init__()
        if tls_folder:
            self._use_tls(tls_folder)
        self.keys = {}
        self.discovery = {'issuer': self.url, 'jwks_uri': self.url + KEYS,
                          'response_types_supported': ['id_token']}
        self.publish()

    def _use_tls(self, folder):
        """With a certificate that it signs itself, in the file self.certificate."""
        self.certificate = os.path.join(folder, 'issuer.pem')
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
             '-nodes', '-keyout', self.certificate + '.key', '-out', self.certificate, '-days', '1',
             '-subj', '/CN=issuer', '-addext', 'subjectAltName=IP:127.0.0.1'],
            check=True, stdin=subprocess.DEVNULL, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.certificate + '.key')
        # Each connection shakes hands on its own thread, when it is first read.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                  do_handshake_on_connect=False)
        self.url = f'https://{self.address}'

    def add_key(self, kid, algorithm='RS256'):
        self.keys[kid] = (algorithm, self.KINDS[algorithm](kid))
        self.publish()

    def remove_key(self, kid):
        """Returns it, to sign with it all the same."""
        key = self.keys.pop(kid)
        self.publish()
        return key

    def publish(self):
        """Answers as an issuer should."""
        self.give(DISCOVERY, 200, self.discovery_document())
        self.give(KEYS, 200, self.key_set())

    def discovery_document(self, **changes):
        return json.dumps({**self.discovery, **changes}).encode()

    def key_set(self):
        return json.dumps({'keys': [key.as_dict(private=False)
                                    for _, key in self.keys.values()]}).encode()

    def claims(self, **changes):
        """Of a job of acme/app, as GitHub words them; a change to None leaves one out."""
        now = int(time.time())
        claims = {'iss': self.url, 'aud': AUDIENCE, 'iat': now, 'nbf': now,
                  'exp': now + LIFETIME_SECONDS, 'jti': encode(os.urandom(8)),
                  'sub': 'repo:acme/app:ref:refs/heads/main', 'repository': 'acme/app',
                  'repository_owner': 'acme', 'ref': 'refs/heads/main', **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, kid, key=None, **changes):
        algorithm, key = key or self.keys[kid]
        with warnings.catch_warnings():
            warnings.simplefilter('ignore') # of the name EdDSA, which issuers use
            return jwt.encode({'alg': algorithm, 'kid': kid, 'typ': 'JWT'},
                              self.claims(**changes), key, algorithms=[algorithm])

    def asked_for(self, path):
        """How often."""
        return sum(1 for _, asked, _ in list(self.requests) if asked == path)

    def forged(self, header, claims=None, secret=None):
        """A token that nobody signed, or with HMAC and `secret`."""
        signed = f'{encode(header)}.{encode(claims or self.claims())}'
        if secret is None:
            return f'{signed}.'
        return f'{signed}.{encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}'


class Provider:
    """The program oidc-provider-mock, which makes a new key whenever it starts."""

    def __init__(self):
        self.port = _free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self._launch()
        check.eventually('the provider answers', self._answers, 120)

    def _launch(self):
        self._process = subprocess.Popen(
            [command.find('oidc-provider-mock'), '--host', '127.0.0.1', '--port', str(self.port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, 'AUTHLIB_INSECURE_TRANSPORT': '1'})

    def stop(self):
        self._process.terminate()
        self._process.wait()

    def token(self, subject, audience=AUDIENCE, **claims):
        """An ID token, got as a browser and a client would get it. No '/' in `subject`."""
        self._request('PUT', f'/users/{urllib.parse.quote(subject)}', claims, 'json')
        client = {'client_id': audience, 'redirect_uri': 'http://127.0.0.1:1/back'}
        query = urllib.parse.urlencode({**client, 'response_type': 'code', 'scope': 'openid'})
        answer = self._request('POST', f'/oauth2/authorize?{query}', {'sub': subject})
        target = urllib.parse.urlsplit(answer.headers['Location'])
        code = urllib.parse.parse_qs(target.query)['code'][0]
        answer = self._request('POST', '/oauth2/token',
                               {**client, 'grant_type': 'authorization_code', 'code': code,
                                'client_secret': 'any'})
        return json.load(answer)['id_token']

    def _answers(self):
        if self._process.poll() is not None:
            self._launch() # its port may have been taken while it was stopped
        try:
            return self._request('GET', DISCOVERY, None).status == 200
        except OSError:
            return False

    def _request(self, method, path, content, kind='x-www-form-urlencoded'):
        data = None
        if content is not None:
            text = json.dumps(content) if kind == 'json' else urllib.parse.urlencode(content)
            data = text.encode()
        request = urllib.request.Request(self.url + path, data, method=method,
                                         headers={'Content-Type': f'application/{kind}'})
        return _opener.open(request, timeout=60)


class _Stay(urllib.request.HTTPErrorProcessor):
    """Redirects are answers here, not errors and not followed."""

    def http_response(self, request, response):
        if response.status >= 400:
            raise OSError(f'{request.full_url}: {response.status} {response.read()[:500]!r}')
        return response


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)


def _free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
