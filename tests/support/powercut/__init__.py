# SPDX-License-Identifier: Apache-2.0
"""What a loss of power may leave of a data directory, and whether the server makes good of it."""
