# SPDX-License-Identifier: GPL-2.0
"""The sections of docs/performance.md: which rows of the results make which table and plot."""
import collections

import packet_tables

Section = collections.namedtuple("Section", "key heading parts")

SECTIONS = [
    Section("packets", "Instructions per packet", packet_tables.parts),
]
