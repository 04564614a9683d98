# SPDX-License-Identifier: GPL-2.0
"""The sections of docs/performance.md: which rows of the results make which tables and plots."""
import collections

import other_tables
import packet_tables

Section = collections.namedtuple("Section", "key heading parts")

SECTIONS = [
    Section("packets", "Instructions per packet", packet_tables.parts),
    Section("schedulers", "Schedulers", other_tables.schedulers),
    Section("connections", "Growth", other_tables.growth),
    Section("control", "Control plane", other_tables.control),
    Section("size", "Listings, stretches without softirqs", other_tables.size),
]
