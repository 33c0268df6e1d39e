# SPDX-License-Identifier: Apache-2.0
"""The document: how to read it, the promises, the table of cases, the growth."""

import tempfile
import textwrap
import time

import machine
import promises
from peers import Distribution, DockerRegistry, Nginx, Tidemark
from scale import count

PEERS = (Tidemark, Nginx, Distribution, DockerRegistry)
COLUMNS = (*PEERS, machine.Machine)
MIB = 1 << 20

INTRODUCTION = '''# Benchmarks

Written by `./dev bench --write docs/BENCHMARKS.md`; only what stands under Notes is typed by
hand.

Measured {date}, Tidemark at commit {commit}, in {minutes:.0f} minutes, on {machine}. Beside it:
{versions}. All on one machine over loopback, load and servers sharing its processors: the ratios
say something, the rates alone do not.
'''

HOW_TO_READ = '''## How to read it

Every server runs alone, in its own fresh directory on the same disk, with its access log off;
otherwise as it comes. Peers are measured in turn, {rounds} round(s) with {seconds} s for each rate;
the median counts, and where there were several rounds the least and the most stand behind it in
brackets: where these are far apart the machine was busy with something else. In a cell, after the
value: CPU time of the server for each request (µs), and its memory when the case was over (RssAnon
+ RssFile, MiB). Rates are the number of requests answered in a second; more is better. Of times and
memory less is better. `to X` is Tidemark divided by X.

* **nginx static** serves the same bytes as files with `sendfile`: the limit for pulls.
* Over TLS both show the same certificate (P-256) and speak TLS 1.3 with the same suite, by OpenSSL.
* **write + fsync** writes the bytes of a push with as many threads and syncs them: the limit for
  pushes. It neither receives nor hashes them.
* Tidemark answers a push when bytes, name and index are on the disk. Distribution syncs the files
  it writes, not the directories they are renamed into.
* The load is made by wrk, by `http_load` (HEAD, DELETE, the mixed load: wrk waits for the body of a
  HEAD), by curl and by the clients people use, the same for every peer.
* Tidemark is filled by `seed_registry`, distribution by writing the layout of its disk; pushing
  100 k tags to it would take minutes. docker-registry has the same layout and code and is not
  measured with many tags.
* The mixed load is 32 connections; nine of ten operations pull a manifest and its blobs of 1 KiB
  and 1 MiB, the tenth pushes a new blob of 16 KiB and a manifest under a new tag. It went on for
  {mixed} s, a third of that for the peers. As every connection waits for its answer, a server that
  is slow is also asked less.

To repeat it: `./dev bench` (about 20 minutes; `--help` says how to run a part). It installs what is
missing, builds without debugging aids, and makes everything under `$TMPDIR`, which must lie on the
disk to be measured.
'''

GROWTH = '''## What a request costs as the registry grows

Tidemark alone, one data directory filled further. A manifest and a tag each; the subject of the
referrers has a tenth as many of them, at least 1 k. CPU time of the server for each request, and
requests a second. The last column divides the CPU time with the most tags by that with the fewest.
'''

NOTES = '## Notes\n'


def number(value):
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.2f}'


def median(results):
    measured = sorted((result for result in results if result.value is not None),
                      key=lambda result: result.value)
    return measured[len(measured) // 2] if measured else results[0]


def cell(results):
    middle = median(results)
    if middle.value is None:
        return middle.note
    text = f'{number(middle.value)} {middle.unit}'.replace(' /s', '/s')
    if len(results) > 1:
        values = [result.value for result in results if result.value is not None]
        text += f' ({number(min(values))}–{number(max(values))})'
    if middle.cpu_us is not None:
        text += f'; {number(middle.cpu_us)} µs'
    if middle.memory is not None:
        text += f'; {middle.memory[0] / MIB:.0f} + {middle.memory[1] / MIB:.0f}'
    return text + (f'; {middle.note}' if middle.note else '')


def markdown(head, rows):
    return ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)] + \
           ['| ' + ' | '.join(row) + ' |' for row in rows]


def ratio(medians, name):
    ours, theirs = medians.get(Tidemark.name), medians.get(name)
    if ours is None or theirs is None or not ours.value or not theirs.value:
        return ''
    return f'{ours.value / theirs.value:.2f}'


def cases_table(run, medians):
    names = [kind.name for kind in COLUMNS]
    rows = []
    for key, title in run.names.items():
        if key in run.results:
            rows.append([title] +
                        [cell(run.results[key][name]) if name in run.results[key] else ''
                         for name in names] +
                        [ratio(medians[key], name) for name in names[1:]])
    return markdown(['case', *names, *(f'to {name}' for name in names[1:])], rows)


def growth_table(results):
    sizes = sorted(results)
    rows = []
    for name in results[sizes[0]]:
        looks = [results[size][name] for size in sizes]
        rows.append([name] + [f'{number(look.cpu_us)} µs; {number(look.value)}/s' for look in looks]
                    + [f'{looks[-1].cpu_us / looks[0].cpu_us:.2f}'])
    return markdown(['request', *(f'{count(size)} tags' for size in sizes), 'most to fewest'], rows)


def introduction(options, seconds):
    versions = ', '.join(f'{kind.name} {kind.version()}' for kind in PEERS[1:] if kind.is_there())
    text = INTRODUCTION.format(date=time.strftime('%Y-%m-%d'), commit=machine.commit(),
                               minutes=seconds / 60, versions=versions,
                               machine=machine.description(tempfile.gettempdir()))
    text = '\n\n'.join(textwrap.fill(part, 100) for part in text.split('\n\n')) + '\n'
    if options.quick:
        text += '\n**A quick run: small and short, the figures mean nothing.**\n'
    return text


def document(run, seconds):
    """`seconds`: how long the run took."""
    options = run.options
    medians = {key: {peer: median(results) for peer, results in by_peer.items()}
               for key, by_peer in run.results.items()}
    parts = [introduction(options, seconds), '## Promises\n',
             '\n'.join(markdown(('promise', 'figure', 'kept?'),
                                promises.judge(promises.Figures(medians)))) + '\n',
             HOW_TO_READ.format(rounds=options.rounds, seconds=options.seconds,
                                mixed=options.mixed),
             '## Cases\n', '\n'.join(cases_table(run, medians)) + '\n']
    if run.growth:
        parts += [GROWTH, '\n'.join(growth_table(run.growth)) + '\n']
    return '\n'.join(parts)


def notes_in(path):
    """What was written by hand behind the figures of the run before: it stays."""
    try:
        with open(path, encoding='utf-8') as file:
            _, heading, notes = file.read().partition(NOTES)
    except FileNotFoundError:
        return ''
    return f'\n{heading}{notes}'
