# SPDX-License-Identifier: GPL-2.0
"""The packet rows in time: user-mode Linux runs at the machine's own speed, and its clock is the machine's.

Time is noisy where instructions are not. So batches of a row and of plain forwarding, in a namespace without services, take
turns, and the difference between neighbours counts; the same again and again with ip_vs and rvs in turns.
"""
import statistics

import modules
import packets
import rows
import sender
import testbed
import topology

PAIRS = 32
BATCHES = 33
MODULES = ("ip_vs", "rvs")
WARM = "nf_conntrack nf_tables nft_ct"


def measured(pairs=PAIRS):
    """Yields rows as of `packets`: nanoseconds of plain forwarding, and over it, of each turn."""
    topology.run(f"modprobe -a {WARM}")
    testbed.SETTLE = 0
    packets.BATCHES.update({False: BATCHES, True: BATCHES})
    modules.load("rvs")
    refused = {row: refusal(*row) for row in rows.configurations()}
    modules.unload("rvs")
    for (family, protocol, method, *same), why in refused.items():
        if why:
            yield from (packets.row_of("rvs", family, protocol, method, kind, *same, refused=why) for kind in rows.kinds_of(method))
    served = [row for row, why in refused.items() if not why]
    yield from together(figures for number in range(pairs) for figures in one_turn(number, served))


def refusal(*row):
    """Returns why the module does not serve a row; nothing if it does."""
    family, protocol, method, conntrack, _ = row
    bed = testbed.Testbed(conntrack)
    try:
        bed.serve(family, protocol, method)
    except testbed.NotServed as why:
        return str(why)
    finally:
        bed.close()
    return None


def one_turn(number, served):
    """Yields the rows of one turn: everything that is served, with both modules, first the one and then the other."""
    for module in MODULES[::1 - 2 * (number % 2)]:
        modules.load(module)
        for row in served:
            yield from with_module(module, *row)
        modules.unload(module)


def with_module(module, *configuration):
    """Yields the rows of one configuration with one module."""
    family, protocol, method, conntrack, services = configuration
    plain, bed = testbed.Testbed(conntrack), testbed.Testbed(conntrack)
    bed.serve(family, protocol, method, services=services)
    direct, made = (packets.Packets(family, protocol, target) for target in (testbed.server(family, 0), testbed.VIP[family]))
    plain.sender.send(*direct.opening())
    bed.sender.send(*made.opening(both=method == "NAT"))
    for kind in rows.kinds_of(method):
        def beside(bed, made, kind):
            batches = direct.batches(kind.split(" without")[0])
            return packets.costs_of(bed, made, kind, lambda own: sender.alternately((plain.sender, batches), (bed.sender, own)))
        turns = packets.balanced(bed, made, kind, beside)
        yield packets.row_of(module, family, protocol, method, kind, conntrack, services,
                             plain=statistics.median(turn[0] for turn in turns),
                             over=statistics.median(turn[1] - turn[0] for turn in turns))
    bed.close()
    plain.close()


def together(figures):
    """Returns the rows of all turns with their figures side by side."""
    made = {}
    for row in figures:
        key = tuple(value for name, value in row.items() if name not in ("plain", "over"))
        whole = made.setdefault(key, {**row, "plain": [], "over": []})
        whole["plain"].append(row["plain"])
        whole["over"].append(row["over"])
    return list(made.values())
