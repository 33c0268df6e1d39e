# SPDX-License-Identifier: Apache-2.0
"""The library h11, or None. Debian's package is there for Debian's python3, which need not be the
first on PATH."""

import sys

try:
    import h11
except ImportError:
    sys.path.append('/usr/lib/python3/dist-packages')
    try:
        import h11
    except ImportError:
        h11 = None
