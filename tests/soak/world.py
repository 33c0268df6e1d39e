# SPDX-License-Identifier: Apache-2.0
"""What all actors of a soak share: the server, what was counted, what went wrong, and when to rest."""

import collections
import contextlib
import threading
import time

# More than so many is not looked at one by one any more.
FAULTS_MAX = 20


class World:
    """Any thread may use it."""

    def __init__(self, server):
        self.server = server
        self.counts = collections.Counter()
        self.faults = []
        self.is_over = False
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._working = set()
        # Odd while the server is being restarted.
        self._epoch = 0

    def address(self):
        """Where the server is; OSError while it is being started."""
        address = self.server.address
        if address is None:
            raise OSError('the server is being started')
        return address

    # ---- Counting

    def count(self, what):
        with self._lock:
            self.counts[what] += 1

    def fault(self, text):
        with self._lock:
            self.faults.append(text)
            if len(self.faults) >= FAULTS_MAX:
                self.is_over = True

    # ---- Work and rest

    def wake(self):
        self._awake.set()

    @contextlib.contextmanager
    def at_work(self, before_rest):
        """Waits while all rest, after a call of `before_rest`."""
        while not self._begin() and not self.is_over:
            before_rest()
            self._awake.wait(0.5)
        try:
            yield
        finally:
            self._end()

    def _begin(self):
        """Nobody slips in between the order to rest and the count of those at work."""
        with self._lock:
            if self._awake.is_set():
                self._working.add(threading.get_ident())
                return True
        return False

    def _end(self):
        with self._lock:
            self._working.discard(threading.get_ident())

    def is_resting(self):
        return not self._awake.is_set()

    def rest(self, seconds=120):
        """Returns when nobody is in the middle of a step."""
        with self._lock:
            self._awake.clear()
        end = time.monotonic() + seconds
        while self._working:
            if time.monotonic() > end:
                raise AssertionError(f'{len(self._working)} actors are still at work after {seconds} s')
            time.sleep(0.05)

    # ---- Restarts

    @contextlib.contextmanager
    def restarting(self):
        self._epoch += 1
        yield
        self._epoch += 1

    def epoch(self):
        return self._epoch

    def was_disturbed(self, since):
        """Whether a request begun in that epoch may have met a server that was going away."""
        return self._epoch != since or self._epoch % 2 == 1
