# SPDX-License-Identifier: GPL-2.0
"""The sections of docs/performance.md: which rows of the results make which tables and plots."""
import collections

import native_tables
import other_tables
import packet_tables

# versions: where the results say what was measured with what.
Section = collections.namedtuple("Section", "key heading parts versions", defaults=["versions"])

SECTIONS = [
    Section("packets", "Instructions per packet", packet_tables.parts),
    Section("arm64", "Instructions per packet on arm64", packet_tables.arm64, "arm64 versions"),
    Section("native", "Time per packet", native_tables.parts, "native versions"),
    Section("schedulers", "Schedulers", other_tables.schedulers),
    Section("connections", "Growth", other_tables.growth),
    Section("children", "Connections of one template", other_tables.children),
    Section("control", "Control plane", other_tables.control),
    Section("size", "Listings, stretches without softirqs", other_tables.size),
]
