# SPDX-License-Identifier: Apache-2.0
"""What schemathesis cannot know from docs/openapi.yaml ($SCHEMATHESIS_HOOKS names this module).

A slash in a name is one in the path, but schemathesis, like every OpenAPI client, sends %2F. Half of
the requests are about what is really there, as made-up names never are. Waiting for events takes the
time it takes.
"""

import json
import os
import re
import zlib

import schemathesis

# {"name": [...], "tag": [...], "reference": [...], "digest": [...]}
KNOWN = json.loads(os.environ['SCHEMATHESIS_KNOWN'])

# What is malformed on purpose stays so.
COMPONENT = r'[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*'
NAME = re.compile(f'{COMPONENT}(?:/{COMPONENT})*')
TAG = re.compile(r'[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}')
DIGEST = re.compile(r'sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}')


PATH = re.compile(r'[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*')


def is_valid(key, value):
    if key == 'path':
        return len(value) <= 1024 and PATH.fullmatch(value)
    if key == 'name':
        return len(value) <= 255 and NAME.fullmatch(value)
    return ((key != 'digest' and TAG.fullmatch(value)) or
            (key != 'tag' and DIGEST.fullmatch(value)))


@schemathesis.hook
def map_path_parameters(_context, path_parameters):
    for key, value in (path_parameters or {}).items():
        if not isinstance(value, str) or not is_valid(key, value):
            continue
        chance = zlib.crc32(value.encode('utf-8', 'surrogatepass'))
        known = KNOWN.get(key, [])
        if known and chance % 2 == 0:
            path_parameters[key] = known[chance // 2 % len(known)]
        elif key in ('name', 'path'):
            path_parameters[key] = value.replace('/', '-')
    return path_parameters


@schemathesis.hook
def before_call(_context, case, _kwargs):
    if case.query and re.fullmatch('[0-9]+(s|ms|m)?', str(case.query.get('wait'))):
        case.query['wait'] = '0s'
