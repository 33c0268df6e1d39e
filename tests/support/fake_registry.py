# SPDX-License-Identifier: Apache-2.0
"""A registry that does as it is told, wrong things above all, to see what a client makes of them."""

import http.server
import json
import threading

from image import OCI_EMPTY, OCI_MANIFEST, digest_of, to_json

TITLE = 'org.opencontainers.image.title'


def layer(title, content, **more):
    """A descriptor of a file; `more` replaces members, for those that lie."""
    return {'mediaType': 'application/octet-stream', 'digest': digest_of(content),
            'size': len(content), 'annotations': {TITLE: title}, **more}


def manifest_of(*layers):
    return to_json({'schemaVersion': 2, 'mediaType': OCI_MANIFEST,
                    'config': {'mediaType': OCI_EMPTY, 'digest': digest_of(b'{}'), 'size': 2},
                    'layers': list(layers)})


class FakeRegistry:
    """Use as a context manager. `answers` maps (method, path) to a function of the handler; what is
    not there is 404. `requests` is what was asked, as (method, path, fields)."""

    def __init__(self):
        self.answers = {}
        self.requests = []
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def _serve(self):
                registry.requests.append((self.command, self.path, dict(self.headers)))
                answer = registry.answers.get((self.command, self.path.partition('?')[0]))
                try:
                    if answer is None:
                        send(self, 404, b'')
                    else:
                        answer(self)
                except OSError:
                    self.close_connection = True # the client went away

            do_GET = do_HEAD = do_POST = do_PUT = _serve

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None # a client that hangs up is no error here
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.address = f'127.0.0.1:{self._server.server_address[1]}'
        self.url = f'http://{self.address}'

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # ---- What it answers

    def on(self, method, path, function):
        self.answers[method, path] = function

    def give(self, path, status, body, **fields):
        self.on('GET', path, lambda handler: send(handler, status, body, **fields))

    def manifest(self, body, name='a/b', reference='1', **fields):
        self.give(f'/v2/{name}/manifests/{reference}', 200, body, Content_Type=OCI_MANIFEST,
                  **fields)

    def blob(self, digest, answer, name='a/b'):
        """`answer` is the content, or a function of the handler."""
        if isinstance(answer, bytes):
            self.give(f'/v2/{name}/blobs/{digest}', 200, answer)
        else:
            self.on('GET', f'/v2/{name}/blobs/{digest}', answer)

    def asked(self, method, part):
        """The header fields of requests with that method whose path contains `part`."""
        return [fields for m, path, fields in self.requests if m == method and part in path]


def send(handler, status, body, **fields):
    """A whole answer. Content_Length=None leaves the length out and closes instead."""
    fields.setdefault('Content_Length', str(len(body)))
    handler.send_response(status)
    for name, value in fields.items():
        if value is not None:
            handler.send_header(name.replace('_', '-'), value)
    if fields['Content_Length'] is None:
        handler.send_header('Connection', 'close')
        handler.close_connection = True
    handler.end_headers()
    if handler.command != 'HEAD':
        handler.wfile.write(body)


def send_part(handler, content, count, **fields):
    """Announces all of `content`, sends `count` bytes of what was asked for, and hangs up."""
    start = 0
    asked = handler.headers.get('Range')
    if asked:
        start = int(asked.removeprefix('bytes=').partition('-')[0])
        fields.setdefault('Content_Range', f'bytes {start}-{len(content) - 1}/{len(content)}')
    rest = content[start:]
    send(handler, 206 if asked else 200, rest[:count], Content_Length=str(len(rest)), **fields)
    handler.wfile.flush()
    handler.close_connection = True


def send_endless(handler, status=200):
    """A body that never ends; ends when the client hangs up."""
    handler.send_response(status)
    handler.send_header('Transfer-Encoding', 'chunked')
    handler.end_headers()
    chunk = b'10000\r\n' + bytes(0x10000) + b'\r\n'
    while True:
        handler.wfile.write(chunk)


def problem(status, code, detail):
    return json.dumps({'type': 'about:blank', 'title': code, 'status': status, 'code': code,
                       'detail': detail}).encode()
