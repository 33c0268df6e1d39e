# SPDX-License-Identifier: Apache-2.0
"""Writes docs/CLIENTS.md from what the clients did in one run of clients.t."""

import os
from dataclasses import dataclass

from clients.client import CASES

HEAD = '''\
# Clients

Written by `tests/integration/clients.t` from a run against the server; nothing here is typed by
hand. To write it anew:

    TIDEMARK_CLIENTS_MD=$PWD/docs/CLIENTS.md ./dev test

**yes**: the case passed. **NO**: it failed. **n/a**: the client cannot do it
(below is why). **not run**: it could not be tried, which counts as a failure where `CI=true`.

'''


@dataclass
class Row:
    """One client; `cells` maps a case to (outcome, remark or None)."""

    client: str
    version: str
    cells: dict


def write(path, rows):
    text = HEAD + _table(rows) + _cases() + _remarks(rows)
    temporary = f'{path}.new'
    with open(temporary, 'w', encoding='utf-8') as file:
        file.write(text)
    os.replace(temporary, path)


def _title(case):
    return case.replace('_', '-')


def _word(outcome):
    return {'passed': 'yes', 'failed': '**NO**'}.get(outcome, outcome)


def _table(rows):
    lines = ['| client | version | ' + ' | '.join(_title(case) for case in CASES) + ' |',
             '|---' * (len(CASES) + 2) + '|']
    for row in rows:
        words = [_word(row.cells[case][0]) for case in CASES]
        lines.append(f'| {row.client} | {row.version} | ' + ' | '.join(words) + ' |')
    return '\n'.join(lines) + '\n'


def _cases():
    lines = ['', '## What each case shows', '']
    lines += [f'* **{_title(case)}**: {meaning}.' for case, meaning in CASES.items()]
    return '\n'.join(lines) + '\n'


def _remarks(rows):
    lines = ['', '## How, or why not', '']
    for row in rows:
        remarks = [f'{_title(case)}: {remark}' for case, (_, remark) in row.cells.items() if remark]
        if remarks:
            lines.append(f'* **{row.client}**: {"; ".join(remarks)}.')
    return '\n'.join(lines) + '\n'
