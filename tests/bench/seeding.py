# SPDX-License-Identifier: Apache-2.0
"""Registries that hold a lot, made faster than by pushing it."""

import json
import os
import subprocess

import access
import load
from content import EMPTY, EMPTY_DIGEST, REPOSITORY, TAG
from image import OCI_MANIFEST
from registry import Registry


def push_content(peer, content):
    """What the pull cases read."""
    if not peer.is_registry:
        peer.add(content.manifest_target(), content.manifest)
        peer.add(f'/v2/{REPOSITORY}/manifests/{content.manifest_digest}', content.manifest)
        for name, blob in content.blobs.items():
            peer.add(content.blob_target(name), blob)
        return
    push = load.BlobPusher(peer, REPOSITORY)
    push((EMPTY_DIGEST, EMPTY))
    for name, blob in content.blobs.items():
        push((content.digests[name], blob))
    push_manifest(peer, content.manifest)


def push_content_and_log_in(peer, content):
    push_content(peer, content)
    peer.token = json.loads(access.ask_token(peer, access.USER,
                                             [f'repository:{REPOSITORY}:pull']).body)['token']


def give_certificate(peer, content):
    peer.pair = content.pair()


def push_manifest(peer, manifest):
    answer = Registry(peer.address).put_manifest(REPOSITORY, TAG, manifest, OCI_MANIFEST)
    if answer.status != 201:
        raise RuntimeError(f'{peer.name}: PUT of a manifest: {answer.status} {answer.body!r}')


def seed(data, *arguments):
    """The program seed_registry, on a directory no server runs on."""
    subprocess.run([load.program('seed_registry'), data, *map(str, arguments)], check=True)


def tag_name(number):
    """As seed_registry names them."""
    return f'v{number:07}'


def write_distribution_tags(data, count):
    """Tags in the layout distribution has on its disk, all naming what the tag TAG names: pushing
    them would take minutes."""
    tags = os.path.join(data, 'docker', 'registry', 'v2', 'repositories', *REPOSITORY.split('/'),
                        '_manifests', 'tags')
    with open(os.path.join(tags, TAG, 'current', 'link'), 'rb') as file:
        digest = file.read()
    for number in range(1, count + 1):
        folder = os.path.join(tags, tag_name(number), 'current')
        os.makedirs(folder)
        with open(os.path.join(folder, 'link'), 'wb') as file:
            file.write(digest)
