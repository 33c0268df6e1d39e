# SPDX-License-Identifier: Apache-2.0
"""The built server ($TIDEMARK) in a temporary directory, on a port the system chose."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import http1
from tap import note

# What the sanitizers write when they found something.
REPORTS = ('ERROR: AddressSanitizer', 'ERROR: LeakSanitizer', 'WARNING: ThreadSanitizer',
           'runtime error:', 'ERROR: UndefinedBehaviorSanitizer')

# Sanitized builds on a busy machine are slow; nothing here waits that long unless it is broken.
START_SECONDS = 60
STOP_SECONDS = 90


class StartError(Exception):
    """The server ended before it listened; carries its exit status and what it wrote."""

    def __init__(self, status, stderr):
        super().__init__(f'exit status {status}: {stderr[-2000:]}')
        self.status = status
        self.stderr = stderr


def binary():
    return os.environ['TIDEMARK']


def is_sanitized():
    """True for builds whose memory and speed say nothing."""
    with open(binary(), 'rb') as file:
        content = file.read()
    return b'__asan_init' in content or b'__tsan_init' in content


class Server:
    """One data directory and the process that serves it; it can be stopped and started again.

    `config` is the text of a configuration file (always given, so that the one of the machine is
    not read), `environment` is added to the own one.
    """

    def __init__(self, config='# all defaults\n', environment=None, listen='127.0.0.1:0',
                 preexec=None):
        self.directory = tempfile.mkdtemp(prefix='tidemark-')
        self.data = os.path.join(self.directory, 'data')
        self.config = os.path.join(self.directory, 'tidemark.yaml')
        self.environment = environment or {}
        self.listen = listen
        self.preexec = preexec
        self.process = None
        self.address = None
        self._starts = 0
        self.write_config(config)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exception_type, *_):
        try:
            if self.is_running():
                self.stop()
        except AssertionError as error:
            # The exception under way says more.
            if exception_type is None:
                raise
            note(error)
        finally:
            self.remove()

    def write_config(self, text):
        with open(self.config, 'w', encoding='utf-8') as file:
            file.write(text)

    def command(self):
        return [binary(), 'serve', '--data', self.data, '--listen', self.listen,
                '--config', self.config]

    def start(self):
        """Returns when the server is ready; StartError when it ended instead."""
        self._starts += 1
        self.address = None
        with open(self.log_path(), 'wb') as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment}, preexec_fn=self.preexec)
        end = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self.process.poll() is not None:
                raise StartError(self.process.returncode, self.log_text())
            if time.monotonic() > end:
                self.kill()
                raise StartError('none (not ready in time)', self.log_text())
            time.sleep(0.02)

    def stop(self):
        """SIGTERM; everything a clean end means is checked."""
        self.process.send_signal(signal.SIGTERM)
        self.wait()

    def wait(self):
        """Waits for the end after a SIGTERM and checks it."""
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'the server did not end on SIGTERM: {self.log_text()[-2000:]}'
                                 ) from None
        self._check_reports()
        assert status == 0, f'the server ended with status {status}: {self.log_text()[-2000:]}'

    def kill(self):
        """kill -9: no chance to put anything in order."""
        self.process.kill()
        self.process.wait()
        self._check_reports()

    def pause(self):
        """Until resume() it does nothing; what it is sent waits in the kernel."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def restart(self):
        self.stop()
        self.start()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def remove(self):
        if self.is_running():
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def run_verb(self, *arguments, timeout=120):
        """Runs another verb of the program, for example fsck; returns the finished process."""
        return subprocess.run([binary(), *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                              env={**os.environ, **self.environment}, text=True, check=False)

    def fsck(self):
        return self.run_verb('fsck', '--data', self.data)

    def check_is_clean(self):
        """fsck finds nothing wrong."""
        result = self.fsck()
        assert result.returncode == 0, f'fsck: {result.stdout}{result.stderr}'

    def log_path(self):
        return os.path.join(self.directory, f'stderr-{self._starts}')

    def log_text(self):
        with open(self.log_path(), encoding='utf-8', errors='replace') as file:
            return file.read()

    def log_events(self):
        """The log lines written so far, as dictionaries."""
        events = []
        for line in self.log_text().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
        return events

    def memory_kib(self, name='RssAnon'):
        """A line of /proc/<pid>/status, in KiB."""
        with open(f'/proc/{self.process.pid}/status', encoding='ascii') as file:
            for line in file:
                key, _, value = line.partition(':')
                if key == name:
                    return int(value.split()[0])
        raise AssertionError(f'/proc/<pid>/status has no {name}')

    def _check_reports(self):
        log = self.log_text()
        for report in REPORTS:
            assert report not in log, f'a sanitizer has reported: {log[-8000:]}'

    def _is_ready(self):
        if self.address is None:
            for event in self.log_events():
                if event.get('event') == 'server.listening':
                    self.address = event['address']
        if self.address is None:
            return False
        try:
            return http1.request(self.address, 'GET', '/readyz').status == 200
        except (OSError, http1.Closed):
            return False


def run_suite(suite, context=lambda server: server, **options):
    """Runs all cases against one server, and after them that it is well and ends cleanly.

    Cases get `context(server)`; `options` are those of Server.
    """
    server = Server(**options)
    suite.add('after all of that fsck finds nothing wrong', lambda _: server.check_is_clean())
    suite.add('the server ends cleanly', lambda _: server.stop())
    try:
        server.start()
        return suite.run(context(server))
    finally:
        server.remove()
