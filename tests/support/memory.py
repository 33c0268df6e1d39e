# SPDX-License-Identifier: Apache-2.0
"""A server's memory while something is going on."""

import threading


class Peak:
    """The most that `read()` gave while this was open."""

    def __init__(self, read):
        self._read = read
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak = None

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _watch(self):
        self.peak = self._read()
        while not self._end.wait(0.02):
            self.peak = max(self.peak, self._read())


class Memory(Peak):
    """The most RssAnon a Server had."""

    def __init__(self, server):
        super().__init__(lambda: server.memory_kib('RssAnon'))

    @property
    def peak_kib(self):
        return self.peak
