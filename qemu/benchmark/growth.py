# SPDX-License-Identifier: GPL-2.0
"""How the cost of a packet grows with the number of connections and of services."""
import fill
import packets
import sender
import testbed

CONNECTIONS = (1, 10, 100, 1000, 10000, 100000, 1000000)
SERVICES = (1, 10, 100, 1000, 10000)
CHILDREN = (10, 1000, 10000, 100000, 1000000)
BATCHES = 9


def harness(bed):
    """Returns what the sender itself costs: a frame of a fill, and a measured frame."""
    filler = fill.Filler(bed, testbed.FOREIGN)
    filled = filler.fill(0, 200 * sender.BATCH) / (200 * sender.BATCH)
    measured = sender.summary(bed.sender.measure(filler.spread(1000, BATCHES)))["median"]
    return filled, measured


def connections(module):
    """Returns, for more and more connections, what one packet of an established and of a new one costs."""
    return grown(module, "connections", CONNECTIONS)


def children(module):
    """Returns the same for a persistent service whose netmask makes all clients one, so that one template has all connections."""
    return grown(module, "children", CHILDREN, "-p 3000 -M 0.0.0.0")


def grown(module, key, counts, options=""):
    """Yields a row for each number of connections of a service with further options."""
    bed = testbed.Testbed()
    try:
        filled, measured = harness(bed)
        bed.serve(4, "UDP", "DR")
        if options:
            bed.control(f"-E -u {testbed.VIP[4]}:80 -s rr {options}")
        filler, before = fill.Filler(bed), 0
        for count in counts:
            spent = filler.fill(before, count) / (count - before)
            figures = sender.summary(bed.sender.measure(filler.spread(count, BATCHES)))
            row = {"subject": module, key: count, "established": round(figures["median"] - measured, 1)}
            # Below a batch, Python's own preparations are all there is to see.
            yield {**row, "new": round(spent - filled, 1)} if count - before >= sender.BATCH else row
            before = count
    finally:
        bed.close()


def services(module):
    """Yields, for more and more services, what one packet of an established and of a new connection costs."""
    for count in SERVICES:
        bed = testbed.Testbed()
        try:
            bed.serve(4, "UDP", "DR", services=count)
            sent = packets.Packets(4, "UDP", testbed.VIP[4])
            foreign = packets.Packets(4, "UDP", testbed.VIP[4], testbed.FOREIGN)
            bed.sender.send(*sent.opening(both=False))
            less = packets.measure(bed, foreign, "established")["median"]
            yield {"subject": module, "services": count,
                   **{kind: round(packets.measure(bed, sent, kind)["median"] - less, 1) for kind in ("established", "new")}}
        finally:
            bed.close()
