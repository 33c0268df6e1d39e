# SPDX-License-Identifier: Apache-2.0
"""What is promised about speed and memory, and whether the figures of a run keep it.

A promise is a function of `Figures` that gives (figure as text, kept); it raises Missing when its
cases were not run.
"""

from scale import FULL, count

MIB = 1 << 20
TIDEMARK, NGINX, DISTRIBUTION, DISK = 'tidemark', 'nginx static', 'distribution v3', 'write + fsync'


class Missing(Exception):
    """A case was not run."""


class Figures:
    """Medians by key and peer."""

    def __init__(self, medians):
        self._medians = medians

    def value(self, key, peer=TIDEMARK):
        result = self._medians.get(key, {}).get(peer)
        if result is None or result.value is None:
            raise Missing(key)
        return result.value

    def cpu_us(self, key):
        """For each request."""
        self.value(key)
        return self._medians[key][TIDEMARK].cpu_us

    def note(self, key):
        note = self._medians[key][TIDEMARK].note
        return f' ({note})' if note else ''

    def ratio(self, key, peer):
        return self.value(key) / self.value(key, peer)


def at_least(key, peer, factor):
    def judge(figures):
        ratio = figures.ratio(key, peer)
        return f'{ratio:.2f} x', ratio >= factor
    return judge


def at_most(key, limit, unit):
    def judge(figures):
        value = figures.value(key)
        return f'{value:.1f} {unit}{figures.note(key)}', value <= limit
    return judge


def durable_put(figures):
    ratio = figures.ratio('put-large', DISK)
    passes = figures.value('put-large') / figures.value('sha256', DISK)
    return f'{ratio:.2f} x (and {passes:.2f} x one SHA-256 pass; the aim is 1.3)', ratio <= 1.2


def no_slower_with_many(figures):
    ratio = figures.value('put-many') / figures.value('put-few')
    return f'{ratio:.2f} x', ratio >= 0.8


def tags_page(figures):
    ratio = figures.value('get-many') / figures.value('tags-page')
    return f'{ratio:.2f} x', ratio < 2


def token_costs_little(figures):
    ratio = figures.cpu_us('get-tag-token') / figures.cpu_us('get-tag')
    return f'{ratio:.2f} x', ratio < 1.15


FEW, MANY = count(FULL.few_tags), count(FULL.many_tags)
PROMISES = (
    ('manifest GET by tag, 64 connections: at least 1.0 x nginx with the same bytes in a file',
     at_least('get-tag', NGINX, 1.0)),
    ('manifest GET by digest, 64 connections: at least 1.0 x nginx',
     at_least('get-digest', NGINX, 1.0)),
    ('manifest GET by tag: at least 10 x distribution v3', at_least('get-tag', DISTRIBUTION, 10)),
    ('manifest GET by digest: at least 10 x distribution v3',
     at_least('get-digest', DISTRIBUTION, 10)),
    ('blob GET 1 MiB: at least 0.95 x nginx', at_least('blob-1m', NGINX, 0.95)),
    ('blob GET 100 MiB: at least 0.95 x nginx', at_least('blob-100m', NGINX, 0.95)),
    ('blob GET 1 MiB over TLS: at least 0.9 x nginx', at_least('tls-1m', NGINX, 0.9)),
    ('blob GET 100 MiB over TLS: at least 0.9 x nginx', at_least('tls-100m', NGINX, 0.9)),
    ('manifest GET with an access token: less than 1.15 x the CPU time of one without '
     'authentication', token_costs_little),
    ('blob PUT 512 MiB, durable: at most 1.2 x the time of write + fsync of the same bytes',
     durable_put),
    ('manifest PUT, 64 connections, durable: at least 10 x distribution v3',
     at_least('put-few', DISTRIBUTION, 10)),
    (f'manifest PUT with {MANY} tags: no slower than with {FEW} (at least 0.8 x)',
     no_slower_with_many),
    (f'tags page of 100 out of {MANY}: less than 2 x the time of a manifest GET', tags_page),
    ('memory, idle: at most 16 MiB', at_most('memory-idle', 16, 'MiB')),
    ('memory, 64 parallel pushes of 100 MiB: at most 150 MiB',
     at_most('memory-pushes', 150, 'MiB')),
    (f'memory, {FULL.idle:,} idle connections: at most 100 MiB',
     at_most('memory-connections', 100, 'MiB')),
    (f'start with {MANY} manifests: ready in less than 200 ms', at_most('start', 200, 'ms')),
)

# Promises that no run of this shows.
ELSEWHERE = (
    ('OCI conformance suite: nothing failed, skipped or disabled',
     '`tests/integration/conformance.t`, in every run of the tests'),
    ('rollback: pointer moved in less than 50 ms (p99) under full pull load',
     'comes with promotions'),
    ('kill -9 anywhere, power cut anywhere: nothing acknowledged is lost',
     '`tests/integration/kill_matrix.t` and docs/RELIABILITY.md'),
)


def judge(figures):
    """[(promise, figure, "kept", "NOT KEPT" or "not measured")]"""
    rows = []
    for text, promise in PROMISES:
        try:
            figure, kept = promise(figures)
            rows.append((text, figure, 'kept' if kept else '**not kept**'))
        except Missing:
            rows.append((text, '', 'not measured'))
    return rows + [(text, '', where) for text, where in ELSEWHERE]
