# SPDX-License-Identifier: Apache-2.0
"""The bytes every peer serves and takes: the same for all peers, new ones in each run."""

import hashlib
import json
import os
import random
import tempfile

import image
import tls
from image import OCI_EMPTY, OCI_LAYER, OCI_MANIFEST, digest_of

MIB = 1 << 20
EMPTY = b'{}'
EMPTY_DIGEST = digest_of(EMPTY)
REPOSITORY = 'bench/app'
TAG = '1.0.0'
SIZES = {'1 KiB': 1 << 10, '1 MiB': MIB, '100 MiB': 100 * MIB}


def manifest(layers=()):
    return json.dumps({
        'schemaVersion': 2, 'mediaType': OCI_MANIFEST,
        'config': {'mediaType': OCI_EMPTY, 'digest': EMPTY_DIGEST, 'size': len(EMPTY)},
        'layers': [{'mediaType': OCI_LAYER, 'digest': digest, 'size': size}
                   for digest, size in layers]}).encode()


class Content:
    """`scale` says how large (options.py)."""

    def __init__(self, scale):
        self.scale = scale
        generator = random.Random()
        self.blobs = {name: generator.randbytes(size) for name, size in SIZES.items()}
        self.digests = {name: digest_of(blob) for name, blob in self.blobs.items()}
        self.manifest = manifest([(self.digests[name], size) for name, size in SIZES.items()])
        self.manifest_digest = digest_of(self.manifest)
        self.small_manifest = manifest()
        self.folder = tempfile.TemporaryDirectory(prefix='bench-content-')
        self._files = 0
        self._pair = None
        self._layouts = {}

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def pair(self):
        """A certificate and its key, the same for every peer."""
        if self._pair is None:
            # Workers that are not root read nothing of it: their parent does.
            with tls.Authority() as authority:
                self._pair = authority.issue(self.path('tls'), 'localhost', 'IP:127.0.0.1')
        return self._pair

    def fresh_file(self, size):
        """A file no registry has seen, and its digest; the caller unlinks it."""
        self._files += 1
        path = self.path(f'fresh-{self._files}')
        digest = hashlib.sha256()
        with open(path, 'wb') as file:
            for _ in range(size // MIB):
                piece = os.urandom(MIB)
                digest.update(piece)
                file.write(piece)
            # Or it would be written back while the push of it is measured.
            file.flush()
            os.fsync(file.fileno())
        return path, 'sha256:' + digest.hexdigest()

    def layout(self, name):
        """An OCI layout with an image of many layers; another image for each name."""
        if name not in self._layouts:
            self._layouts[name] = self.path(f'layout-{name}')
            size = self.scale.layer_mib * MIB
            layers = [{'noise': os.urandom(size)} for _ in range(self.scale.layers)]
            image.write_layout(self._layouts[name], {'latest': image.Image(layers)})
        return self._layouts[name]

    def manifest_target(self):
        return f'/v2/{REPOSITORY}/manifests/{TAG}'

    def blob_target(self, name):
        return f'/v2/{REPOSITORY}/blobs/{self.digests[name]}'
