# SPDX-License-Identifier: Apache-2.0
"""One module for each theme; scenes(scale) gives what to play."""
