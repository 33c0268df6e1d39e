# SPDX-License-Identifier: Apache-2.0
"""How much of everything: the promises are about FULL, QUICK only shows that every case works."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Counts, and sizes in MiB."""

    small_blobs: int      # of 1 MiB, by 16 connections
    large_mib: int        # of the one large blob
    wide: int             # blobs at once ...
    wide_mib: int         # ... of this size
    few_tags: int
    many_tags: int
    referrers: int
    layers: int           # of the whole image ...
    layer_mib: int        # ... of this size each
    idle: int             # connections
    crowd: int            # pushes at once, for memory ...
    crowd_mib: int        # ... of this size
    growth: tuple         # tags


FULL = Scale(small_blobs=200, large_mib=512, wide=8, wide_mib=100, few_tags=1000, many_tags=100000,
             referrers=10000, layers=20, layer_mib=4, idle=10000, crowd=64, crowd_mib=100,
             growth=(1000, 10000, 100000, 1000000))
QUICK = Scale(small_blobs=16, large_mib=16, wide=2, wide_mib=4, few_tags=100, many_tags=1000,
              referrers=200, layers=3, layer_mib=1, idle=100, crowd=4, crowd_mib=4,
              growth=(100, 1000))


def count(number):
    """1000 -> "1 k", 1000000 -> "1 M": for names of cases."""
    for unit, word in ((1000000, 'M'), (1000, 'k')):
        if number % unit == 0:
            return f'{number // unit} {word}'
    return str(number)
