# SPDX-License-Identifier: Apache-2.0
"""What a module of cases/ is made of."""

from dataclasses import dataclass
from typing import Callable, Optional


@dataclass(frozen=True)
class Case:
    """`run(peer, content, options)` gives a Result, or {key: Result} where one load shows several
    things; `names` has the text of each key."""

    names: dict
    run: Callable


def case(key, name, run):
    return Case({key: name}, run)


@dataclass(frozen=True)
class Scene:
    """Cases that follow one another on the same fresh server, of each kind in turn.

    `before` is called while the server is down (to put files in place), `after` when it is up.
    """

    cases: tuple
    kinds: tuple
    before: Optional[Callable] = None
    after: Optional[Callable] = None
    once: bool = False     # in the first round only: what takes long
