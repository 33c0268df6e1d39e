# SPDX-License-Identifier: Apache-2.0
"""Certificates made for a test, and connections that speak TLS."""

import os
import shutil
import ssl
import tempfile

import command
import http1


class Authority:
    """A certificate authority in a folder of its own; `path` is the file of its certificate."""

    def __init__(self, name='Test authority'):
        self.directory = tempfile.mkdtemp(prefix='tidemark-ca-')
        self.path = os.path.join(self.directory, 'ca.pem')
        self._key = os.path.join(self.directory, 'ca.key')
        command.run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                    'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', f'/CN={name}',
                    '-addext', 'keyUsage=critical,keyCertSign,cRLSign',
                    '-keyout', self._key, '-out', self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def issue(self, folder, name, names, kind='ec', usage='serverAuth'):
        """Writes NAME.pem and NAME.key into `folder`, for `names` as in a subjectAltName
        ("DNS:a.example,IP:127.0.0.1"); returns both paths."""
        os.makedirs(folder, exist_ok=True)
        certificate = os.path.join(folder, f'{name}.pem')
        key = os.path.join(folder, f'{name}.key')
        request = os.path.join(self.directory, 'request')
        extensions = os.path.join(self.directory, 'extensions')
        new = (['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] if kind == 'ec' else [kind])
        command.run('openssl', 'req', '-new', '-newkey', *new, '-nodes', '-subj', f'/CN={name}',
                    '-keyout', key, '-out', request)
        with open(extensions, 'w', encoding='ascii') as file:
            file.write(f'extendedKeyUsage={usage}\nkeyUsage=digitalSignature\n')
            if names:
                file.write(f'subjectAltName={names}\n')
        command.run('openssl', 'x509', '-req', '-in', request, '-CA', self.path, '-CAkey',
                    self._key, '-CAcreateserial', '-days', '1', '-sha256',
                    '-extfile', extensions, '-out', certificate)
        return certificate, key

    def context(self, client=None):
        """What a client that trusts this authority connects with; `client` is its certificate and
        key."""
        context = ssl.create_default_context(cafile=self.path)
        if client is not None:
            context.load_cert_chain(*client)
        return context


class Connection(http1.Connection):
    """`http1.Connection` over TLS, verified. An end without a goodbye is an ssl.SSLEOFError."""

    def __init__(self, address, context, name='localhost', session=None, **options):
        super().__init__(address, **options)
        try:
            self.socket = context.wrap_socket(self.socket, server_hostname=name, session=session,
                                              suppress_ragged_eofs=False)
        except (OSError, ssl.SSLError):
            self.socket.close()
            raise

    def names(self):
        """The DNS names of the certificate the server showed."""
        certificate = self.socket.getpeercert()
        return [value for kind, value in certificate['subjectAltName'] if kind == 'DNS']


def request(address, context, method, target, fields=None, body=None, **options):
    """One request on a connection of its own."""
    with Connection(address, context, **options) as connection:
        return connection.request(method, target, fields, body)


def address_of(server):
    """Where the server speaks TLS."""
    for event in server.log_events():
        if event.get('event') == 'server.listening' and event['scheme'] == 'https':
            return event['address']
    raise AssertionError('the server speaks TLS nowhere')
