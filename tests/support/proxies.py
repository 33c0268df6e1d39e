# SPDX-License-Identifier: Apache-2.0
"""Reverse proxies in front of the server, as people put them there, but with short timeouts."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile

import check
import command

STOP_SECONDS = 10


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


class Proxy:
    """Started on entering, in a folder of its own; `address` is where it listens."""

    name = None

    def __init__(self, backend):
        """`backend`: "host:port" to pass requests to."""
        self.backend = backend
        self.address = f'127.0.0.1:{free_port()}'
        self.directory = tempfile.mkdtemp(prefix=f'tidemark-{self.name}-')
        self._process = None

    def write_files(self):
        raise NotImplementedError

    def argv(self):
        raise NotImplementedError

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='ascii') as file:
            file.write(text)

    def __enter__(self):
        # Workers that are not root enter it, too.
        os.chmod(self.directory, 0o755)
        self.write_files()
        with open(self.path('output'), 'wb') as output:
            self._process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=output,
                                             stderr=output, start_new_session=True)
        try:
            check.eventually(f'{self.name} listens', self._listens)
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _listens(self):
        if self._process.poll() is not None:
            with open(self.path('output'), encoding='utf-8', errors='replace') as output:
                raise AssertionError(f'{self.name} ended: {output.read()[-2000:]}')
        host, port = self.address.rsplit(':', 1)
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
        return True


class Nginx(Proxy):
    name = 'nginx'

    def write_files(self):
        self.write('nginx.conf', f'''
daemon off;
worker_processes 1;
pid {self.path("pid")};
error_log {self.path("error.log")};
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {self.path("body")};
    proxy_temp_path {self.path("proxy")};
    fastcgi_temp_path {self.path("fastcgi")};
    uwsgi_temp_path {self.path("uwsgi")};
    scgi_temp_path {self.path("scgi")};
    client_header_timeout 1s;
    client_body_timeout 1s;
    underscores_in_headers on;
    ignore_invalid_headers off;
    merge_slashes off;
    upstream registry {{ server {self.backend}; keepalive 16; }}
    server {{
        listen {self.address};
        client_max_body_size 0;
        location / {{
            proxy_pass http://registry;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_read_timeout 3s;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
}}
''')

    def argv(self):
        return [command.find('nginx'), '-c', self.path('nginx.conf'), '-p', self.directory]


class Haproxy(Proxy):
    name = 'haproxy'
    options = ''

    def write_files(self):
        self.write('haproxy.cfg', f'''
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 3s
    timeout http-request 1s
    http-reuse always
    option forwardfor
frontend clients
    bind {self.address}
    {self.options}
    default_backend registry
backend registry
    server one {self.backend}
''')

    def argv(self):
        return [command.find('haproxy'), '-db', '-f', self.path('haproxy.cfg')]


class LaxHaproxy(Haproxy):
    """One that lets through what it would refuse."""

    name = 'haproxy-lax'
    options = 'option accept-invalid-http-request'


class Varnish(Proxy):
    name = 'varnish'

    def write_files(self):
        host, port = self.backend.rsplit(':', 1)
        self.write('registry.vcl', f'''
vcl 4.1;
backend registry {{
    .host = "{host}";
    .port = "{port}";
    .first_byte_timeout = 3s;
    .between_bytes_timeout = 3s;
}}
sub vcl_recv {{ return (pass); }}
''')

    def argv(self):
        return [command.find('varnishd'), '-F', '-n', self.path('work'), '-a', self.address,
                '-f', self.path('registry.vcl'), '-s', 'malloc,16M', '-j', 'none', '-T', 'none',
                '-p', 'timeout_idle=1', '-p', 'thread_pool_min=20']


ALL = (Nginx, Haproxy, LaxHaproxy, Varnish)
