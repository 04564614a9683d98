# SPDX-License-Identifier: GPL-2.0
"""The table and the plot of the packet rows."""
import plot
from rows import KEY, PROTOCOLS, title

NOTE = """A packet is handed to the director by a tap device and swallowed by a dummy device. What the same frame costs with a
foreign hardware address, dropped on entry, is subtracted everywhere. *forwarding* is plain routing of the same packet without
a balancer; for a NAT server's replies it is forwarding plus one re-route, which is what `snat_reroute` costs ip_vs. *over* is
what the balancer adds to that. Figures are medians of batches of 64 packets. With *conntrack* the kernel's connection tracking
is on for all columns and `net.ipv4.vs.conntrack=1`. TCP rows are real segments: a SYN for a new connection, data in both
directions for the others; SCTP rows likewise, from an INIT on (the flowtable does not take them). Errors are ICMP errors about
a packet of an established connection. ip_vs has its default table size; the instructions its table takes to grow are not in
the median of new connections."""


NOTE_ARM64 = """As above, in the stock arm64 kernel on an emulated machine: IPv4, connection tracking off, one service.
A pointer that others publish is read by an instruction that takes no offset from its address, so that reading one often takes
an instruction more than on x86_64; what it costs besides is said in
[machines](developing/machines.md#reading-what-others-write-on-arm64)."""


class Rows:
    """The packet rows, found by what they are."""

    def __init__(self, rows):
        self.rows = {(row["subject"], *(row[name] for name in KEY)): row for row in rows}
        self.order = list(dict.fromkeys(tuple(row[name] for name in KEY) for row in rows if row["method"]))

    def cost(self, subject, *key):
        """Returns what one packet of a row costs beyond its harness, or None."""
        family, protocol, _, kind, _, _ = key
        row = self.rows.get((subject, *key), {})
        harness = self.rows.get(("harness", family, protocol, "", kind.split(" without")[0], False, 0), {})
        return row["median"] - harness["median"] if "median" in row and "median" in harness else None

    def why(self, subject, *key):
        """Returns why a row has no figure."""
        row = self.rows.get((subject, *key), {})
        return "not served yet" if "refused" in row else "failed"

    def forwarding(self, family, protocol, kind, conntrack):
        """Returns what a packet's balancing is compared with."""
        plain = self.cost("forward", family, protocol, "", kind.split(" without")[0], conntrack, 0)
        if kind != "reply" or plain is None:
            return plain
        again = self.cost("ip_vs", family, protocol, "NAT", kind, conntrack, 1)
        once = self.cost("ip_vs", family, protocol, "NAT", "reply without re-route", conntrack, 1)
        return None if again is None or once is None else plain + again - once


def number(value):
    return f"{value:,.0f}"


def cells(rows, key):
    """Returns the cells of one row of the table."""
    family, protocol, _, kind, conntrack, _ = key
    plain = rows.forwarding(family, protocol, kind, conntrack)
    found = [rows.cost(subject, *key) for subject in ("ip_vs", "rvs")]
    shown = [rows.why(subject, *key) if cost is None else number(cost) for subject, cost in zip(("ip_vs", "rvs"), found)]
    over = ["" if cost is None or plain is None else number(cost - plain) for cost in found]
    ratio = ""
    if None not in (*found, plain) and found[0] > plain:
        ratio = f"{100 * (found[1] - plain) / (found[0] - plain):.0f} %"
    return [title(*key), "" if plain is None else number(plain), *shown, *over, ratio]


def plain_table(rows):
    """Returns the table of forwarding without a balancer."""
    made = []
    for family in (4, 6):
        for protocol in PROTOCOLS:
            shown = [rows.cost(subject, family, protocol, "", "established", conntrack, 0)
                     for subject, conntrack in (("forward", False), ("forward", True), ("flowtable", True))]
            reroute, absent = rows.forwarding(family, protocol, "reply", False), "none" if protocol == "SCTP" else "failed"
            made.append([f"IPv{family} {protocol}"] + [absent if cost is None else number(cost) for cost in
                                                       (shown[0], reroute, shown[1], shown[2])])
    return ["packet", "forwarding", "forwarding and one re-route", "forwarding, conntrack", "flowtable"], made


COLUMNS = ["row", "forwarding", "ip_vs", "rvs", "ip_vs over", "rvs over", "rvs/ip_vs over"]


def arm64(results):
    """Yields the text and the table of the rows on arm64."""
    rows = Rows(results["arm64"])
    yield NOTE_ARM64
    yield COLUMNS, [cells(rows, key) for key in rows.order]


def parts(results):
    """Yields the texts, tables and plots of the section."""
    rows = Rows(results["packets"])
    yield NOTE
    yield plain_table(rows)
    yield (COLUMNS, [cells(rows, key) for key in rows.order])
    chosen = [key for key in rows.order if key[0] == 4 and not key[4] and key[5] == 1 and key[2] != "tunnel"]
    bars = []
    for key in chosen:
        plain = rows.forwarding(key[0], key[1], key[3], False)
        costs = [rows.cost(subject, *key) for subject in ("ip_vs", "rvs")]
        if plain is not None and None not in costs:
            bars.append((title(*key).removeprefix("IPv4 "), [cost - plain for cost in costs]))
    yield plot.Bars("packets", "IPv4: instructions per packet over forwarding", ("ip_vs", "rvs"), bars)
