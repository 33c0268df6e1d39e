#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what real clients send, as a corpus for fuzz_http.

Usage: record_http.py UPSTREAM-PORT FOLDER

Forwards 127.0.0.1:PORT (printed first) to a registry on UPSTREAM-PORT and keeps the head of each
kind of request (method, shape of the path, names of the fields, client) once, with the first bytes
of its body, under FOLDER. Ends with its standard input.
"""

import hashlib
import os
import re
import socket
import sys
import threading

KEEP_BYTES = 2048
HEAD = re.compile(rb'(GET|HEAD|PUT|POST|PATCH|DELETE) [^ ]+ HTTP/1\.1\r\n(?:[^\r\n]+\r\n)*\r\n')


def kind(head):
    lines = head.split(b'\r\n')
    method, path = lines[0].split(b' ')[:2]
    shape = re.sub(rb'[0-9a-f]{32,}', b'H', re.sub(rb'/v2/.*?/(manifests|blobs|tags|referrers)',
                                                    rb'/v2/N/\1', path))
    names = sorted(line.split(b':')[0].lower() for line in lines[1:] if line)
    agent = next((line.split(b'/')[0] for line in lines if line.lower().startswith(b'user-agent')),
                 b'')
    return hashlib.sha256(b'\n'.join([method, shape, agent, *names])).hexdigest()[:16]


def keep(data, folder):
    for match in HEAD.finditer(data):
        path = os.path.join(folder, 'client-' + kind(match.group()))
        if not os.path.exists(path):
            with open(path, 'wb') as file:
                file.write(data[match.start():match.end() + KEEP_BYTES])


def pump(source, target, seen=None, folder=None):
    try:
        while data := source.recv(65536):
            target.sendall(data)
            if seen is not None and len(seen) < 1 << 20:
                seen += data
    except OSError:
        pass
    try:
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    if seen is not None:
        keep(bytes(seen), folder)


def serve(client, port, folder):
    with client, socket.create_connection(('127.0.0.1', port)) as upstream:
        back = threading.Thread(target=pump, args=(upstream, client))
        back.start()
        pump(client, upstream, bytearray(), folder)
        back.join()


def main():
    port, folder = int(sys.argv[1]), sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    listener = socket.create_server(('127.0.0.1', 0))
    print(listener.getsockname()[1], flush=True)

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, port, folder), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == '__main__':
    main()
