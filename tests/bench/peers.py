# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured, each in a directory of its own, on a port of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import access
import command
import http1

START_SECONDS = 30


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        return listener.getsockname()[1]


def lines_of(*argv):
    try:
        return subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True).stdout.splitlines()
    except OSError:
        return []


def first_line(*argv):
    return (lines_of(*argv) or ['unknown version'])[0]


def cpu_clock(pid):
    """The clock of another process's CPU time, as clock_getcpuclockid(3) makes it; finer than the
    ticks in /proc/PID/stat."""
    return (~pid << 3) | 2


def status_field(pid, name):
    """A size of /proc/PID/status, in bytes."""
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        for line in file:
            if line.startswith(name + ':'):
                return int(line.split()[1]) * 1024
    return 0


class Peer:
    """One server. `argv` and `write_files` are what makes it this one."""

    name = ''
    takes_pushes = True
    is_registry = True
    is_machine = False
    ready_target = '/v2/'

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix='bench-')
        self.port = free_port()
        self.process = None

    @property
    def address(self):
        return f'127.0.0.1:{self.port}'

    @property
    def url(self):
        """Where the load goes."""
        return f'http://{self.address}'

    @classmethod
    def is_there(cls):
        return True

    @classmethod
    def version(cls):
        """As the program tells it, in one line."""
        raise NotImplementedError

    def data(self):
        return self.path('data')

    def argv(self):
        raise NotImplementedError

    def write_files(self):
        pass

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def start(self):
        """Returns the seconds from exec until it is ready."""
        self.write_files()
        with open(self.path('log'), 'ab') as log:
            began = time.monotonic()
            self.process = subprocess.Popen(self.argv(), stdout=log, stderr=log,
                                            cwd=self.directory)
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() - began > START_SECONDS:
                with open(self.path('log'), encoding='utf-8', errors='replace') as log:
                    raise RuntimeError(f'{self.name} did not start: {log.read()[-2000:]}')
            time.sleep(0.001)
        return time.monotonic() - began

    def is_ready(self):
        try:
            answer = http1.request(self.address, 'GET', self.ready_target, timeout=5)
        except (OSError, http1.Closed):
            return False
        return answer.status < 500

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def pids(self):
        """The process and its children (nginx has workers)."""
        pid = self.process.pid
        with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
            return [pid, *map(int, file.read().split())]

    def memory(self):
        """(RssAnon, RssFile) in bytes."""
        return tuple(sum(status_field(pid, name) for pid in self.pids())
                     for name in ('RssAnon', 'RssFile'))

    def cpu_seconds(self):
        return sum(time.clock_gettime(cpu_clock(pid)) for pid in self.pids())


class Tidemark(Peer):
    name = 'tidemark'
    ready_target = '/readyz'

    @classmethod
    def version(cls):
        return first_line(os.environ['TIDEMARK'], '--version').split()[-1]

    def write_files(self):
        with open(self.path('tidemark.yaml'), 'w', encoding='utf-8') as file:
            file.write('log: {access: "off"}\n')

    def argv(self):
        return [os.environ['TIDEMARK'], 'serve', '--config', self.path('tidemark.yaml'), '--data',
                self.path('data'), '--listen', self.address]


class TidemarkTls(Tidemark):
    """Load by TLS, everything else without; `pair` is a certificate and its key."""

    pair = None

    def __init__(self):
        super().__init__()
        self.tls_port = free_port()

    @property
    def url(self):
        return f'https://127.0.0.1:{self.tls_port}'

    def write_files(self):
        certificate, key = self.pair
        with open(self.path('tidemark.yaml'), 'w', encoding='utf-8') as file:
            file.write('log: {access: "off"}\n'
                       f'server: {{listen_plain: "{self.address}"}}\n'
                       f'tls: {{certificate: "{certificate}", key: "{key}"}}\n')

    def argv(self):
        return [os.environ['TIDEMARK'], 'serve', '--config', self.path('tidemark.yaml'), '--data',
                self.path('data'), '--listen', f'127.0.0.1:{self.tls_port}']


class TidemarkAuth(Tidemark):
    """With authentication: everybody may do everything by its policy, which has to say so for each
    request; `token` is an access token of somebody, made out for what is pulled."""

    token = None

    def write_files(self):
        with open(self.path('policy.json'), 'w', encoding='utf-8') as file:
            json.dump({'roles': {'all': ['pull', 'push', 'move-tag']},
                       'bindings': [{'role': 'all', 'to': ['anonymous'], 'repositories': ['**']}]},
                      file)
        with open(self.path('htpasswd'), 'w', encoding='utf-8') as file:
            file.write(f'{access.USER}:{access.HASH}\n')
        with open(self.path('tidemark.yaml'), 'w', encoding='utf-8') as file:
            file.write('log: {access: "off"}\n'
                       f'auth: {{enabled: true, policy: {self.path("policy.json")}, '
                       f'htpasswd: {self.path("htpasswd")}, token_ttl: 1h}}\n')


class Distribution(Peer):
    """distribution v3, built from its Go module."""

    name = 'distribution v3'
    program = 'registry'

    @classmethod
    def version(cls):
        """The last word; one built by `go install` adds that it knows no more."""
        return first_line(command.find(cls.program), '--version').split()[-1].split('+unknown')[0]

    @classmethod
    def is_there(cls):
        return shutil.which(cls.program, path=command.search_path()) is not None

    def write_files(self):
        with open(self.path('config.yml'), 'w', encoding='utf-8') as file:
            file.write('version: 0.1\n'
                       'log: {level: error, accesslog: {disabled: true}}\n'
                       f'storage: {{filesystem: {{rootdirectory: {self.path("data")}}}, '
                       'delete: {enabled: true}, cache: {blobdescriptor: inmemory}}\n'
                       f'http: {{addr: "{self.address}"}}\n')

    def argv(self):
        return [command.find(self.program), 'serve', self.path('config.yml')]


class DockerRegistry(Distribution):
    """Debian's docker-registry (distribution v2)."""

    name = 'docker-registry'
    program = 'docker-registry'


class Nginx(Peer):
    """The same bytes as static files: what the machine can do for pulls."""

    name = 'nginx static'
    takes_pushes = False
    is_registry = False
    ready_target = '/'

    @classmethod
    def version(cls):
        return first_line(command.find('nginx'), '-v').rpartition('/')[2]

    @classmethod
    def is_there(cls):
        return shutil.which('nginx', path=command.search_path()) is not None

    def more(self):
        """What stands in its `server` besides."""
        return ''

    def write_files(self):
        os.makedirs(self.path('root', 'v2'), exist_ok=True)
        os.chmod(self.directory, 0o755)
        with open(self.path('nginx.conf'), 'w', encoding='utf-8') as file:
            file.write(f'''
worker_processes {os.cpu_count()};
daemon off;
pid {self.path("pid")};
error_log {self.path("error.log")};
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    open_file_cache max=1000;
    default_type application/vnd.oci.image.manifest.v1+json;
    server {{
        listen {self.address} backlog=1024;
        {self.more()}
        root {self.path("root")};
    }}
}}
''')

    def argv(self):
        return [command.find('nginx'), '-c', self.path('nginx.conf'), '-p', self.directory]

    def add(self, target, content):
        """Serve `content` at /target."""
        path = self.path('root', target.lstrip('/'))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(content)


class NginxTls(Nginx):
    """The same over TLS, with the same certificate and suite."""

    pair = None

    def __init__(self):
        super().__init__()
        self.tls_port = free_port()

    @property
    def url(self):
        return f'https://127.0.0.1:{self.tls_port}'

    def more(self):
        certificate, key = self.pair
        return (f'listen 127.0.0.1:{self.tls_port} ssl backlog=1024; '
                f'ssl_certificate {certificate}; ssl_certificate_key {key}; '
                'ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on;')
