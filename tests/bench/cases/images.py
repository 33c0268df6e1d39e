# SPDX-License-Identifier: Apache-2.0
"""A whole image, pushed and pulled by the clients people use: mostly their time, not the server's."""

import os
import shutil
import subprocess
import time

import command
from load import Cpu, Result
from peers import Distribution, DockerRegistry, Tidemark
from scene import Case, Scene


def crane(layout, reference, pulled):
    program = command.find('crane')
    return ([program, 'push', '--insecure', layout, reference],
            [program, 'pull', '--insecure', '--format', 'oci', reference, pulled])


def skopeo(layout, reference, pulled):
    copy = [command.find('skopeo'), 'copy', '--insecure-policy', '--src-tls-verify=false',
            '--dest-tls-verify=false', '--quiet']
    return ([*copy, f'oci:{layout}:latest', f'docker://{reference}'],
            [*copy, f'docker://{reference}', f'oci:{pulled}:latest'])


def timed(peer, argv):
    with Cpu(peer) as cpu:
        began = time.monotonic()
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, env={**os.environ, 'PATH': command.search_path()})
        took = time.monotonic() - began
    if done.returncode != 0:
        raise RuntimeError(f'{peer.name}: {" ".join(argv)}: {done.stdout[-2000:]}')
    return Result(took, 's', cpu.us_each(1))


def push_and_pull(client):
    """Each client has an image of its own: nothing of it is on the server yet."""
    def run(peer, content, _options):
        pulled = content.path('pulled')
        push, pull = client(content.layout(client.__name__),
                            f'{peer.address}/image/{client.__name__}:latest', pulled)
        try:
            return {f'{client.__name__}-push': timed(peer, push),
                    f'{client.__name__}-pull': timed(peer, pull)}
        finally:
            shutil.rmtree(pulled, ignore_errors=True)
    return run


def scenes(scale):
    what = f'image of {scale.layers} layers of {scale.layer_mib} MiB'
    cases = tuple(Case({f'{client.__name__}-push': f'{client.__name__} pushes an {what}',
                        f'{client.__name__}-pull': f'{client.__name__} pulls an {what}'},
                       push_and_pull(client)) for client in (crane, skopeo))
    return (Scene(cases, (Tidemark, Distribution, DockerRegistry)),)
