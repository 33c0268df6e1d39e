# SPDX-License-Identifier: Apache-2.0
"""The clients of the matrix in docs/CLIENTS.md, one file each."""
