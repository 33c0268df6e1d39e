# SPDX-License-Identifier: Apache-2.0
"""The server's memory while something is going on."""

import threading


class Memory:
    """The most RssAnon the server had while this was watching."""

    def __init__(self, server):
        self._server = server
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak_kib = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _watch(self):
        while True:
            self.peak_kib = max(self.peak_kib, self._server.memory_kib('RssAnon'))
            if self._end.wait(0.02):
                return
