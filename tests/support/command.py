# SPDX-License-Identifier: Apache-2.0
"""Outside programs: finding them, running them, and saying what went wrong."""

import os
import shutil
import subprocess

from tap import NotRun


def go_bin():
    """Where ./dev builds the tools that are Go modules."""
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return os.path.join(cache, 'tidemark', 'go', 'bin')


def python_bin():
    """Where ./dev installs the tools that are Python packages."""
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return os.path.join(cache, 'tidemark', 'python', 'bin')


def search_path():
    return os.pathsep.join([go_bin(), python_bin(), os.environ.get('PATH', ''), '/usr/sbin', '/sbin'])


def find(name):
    """The path of a program; NotRun when there is none."""
    path = shutil.which(name, path=search_path())
    if path is None:
        raise NotRun(f'{name} is missing; ./dev deps test installs it')
    return path


def run(*command, environment=None, timeout=300, stdin=None, fails=False, cwd=None):
    """Standard output as text; AssertionError when the program fails.

    With `fails` it must fail, and the text is that of standard error; with None both will do.
    """
    result = subprocess.run(
        [find(command[0]), *command[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        input=stdin, timeout=timeout, cwd=cwd, check=False,
        env={**os.environ, 'PATH': search_path(), **(environment or {})})
    output = result.stdout.decode(errors='replace')
    errors = result.stderr.decode(errors='replace')
    if fails is not None and (result.returncode != 0) != fails:
        raise AssertionError(f'{" ".join(command)}: exit status {result.returncode}\n'
                             f'{output[-2000:]}{errors[-4000:]}')
    return errors if fails else output
