# SPDX-License-Identifier: GPL-2.0
"""What schedulers cost: one decision, and a connection's whole life with the bookkeeping of its states and its end.

A life is a SYN, the client's ACK, its FIN, and the end: the next SYN of the same addresses ends the old connection
(`conn_reuse_mode` 2), whose entry is freed at the next timer tick, within the measured time.
"""
import packet
import packets
import sender
import testbed

SCHEDULERS = "rr wrr lc wlc fo ovf lblc lblcr dh sh sed nq mh twos".split()
SIZES = (1, 10, 100, 1000)
BATCHES, WARM, ROUNDS = 9, 8, 40
# More than a server ever has connections here: ovf fills a server up to its weight.
HEAVY = "-w 20000"
WORST = ("999 of 1,000 servers at weight 0", "999 of 1,000 servers overloaded", "1 heavy server among 999 light ones")


def servers_of(case):
    """Returns the server lines' endings of a case; the odd one is the oldest, which ip_vs looks at last."""
    if case == WORST[0]:
        return [HEAVY] + ["-w 0"] * 999
    if case == WORST[1]:
        return [HEAVY] + [HEAVY + " -x 1"] * 999
    if case == WORST[2]:
        return [HEAVY] + ["-w 20"] * 999
    return [HEAVY] * case


def prepare(bed, case):
    """Makes the service of a case and lets every server have a connection, hence a route."""
    kind, vip = "-t", f"{testbed.VIP[4]}:80"
    bed.setting("conn_reuse_mode", 2)
    endings = servers_of(case)
    bed.control(f"-A {kind} {vip} -s rr")
    bed.restore([f"-a {kind} {vip} -r {testbed.server(4, number)}:80 -g {ending}" for number, ending in enumerate(endings)])
    sent = packets.Packets(4, "TCP", testbed.VIP[4])
    bed.sender.send(*sent.fresh(range(1024, 1024 + len(endings) + 8), source="10.1.7.7"))
    return sent


def life_batches(bed, sent):
    """Returns the three batches of 64 connections' lives."""
    ports = range(20000, 20000 + sender.BATCH)

    def segments(flags):
        return [sent.ether(sent.request(port, flags, data=b"")) for port in ports]

    return [sender.Batch(bed.sender.tap, segments(flags)) for flags in
            (packet.SYN, packet.ACK, packet.FIN | packet.ACK)]


def life(bed, sent):
    """Returns what one connection costs from its first packet to its end."""
    batches = life_batches(bed, sent)
    bed.sender.pump(batches, WARM)
    return bed.sender.pump(batches, ROUNDS) / (ROUNDS * sender.BATCH)


def costs(bed, sent, number=0):
    """Returns the figures of one scheduler, with connections of a client of its own."""
    batches = [sent.fresh(range(at, at + sender.BATCH), f"10.1.{20 + number}.1") for at in range(1024, 1024 + BATCHES * 64, 64)]
    before = bed.sent()["out2"]
    new, whole = sender.summary(bed.sender.measure(batches))["median"], life(bed, sent)
    passed, expected = bed.sent()["out2"] - before, sender.BATCH * (BATCHES + 3 * (ROUNDS + WARM))
    if passed != expected:
        return {"none": f"{passed} of {expected} packets were forwarded"}
    return {"new": new, "life": round(whole, 1)}


def plain():
    """Yields the row that schedulers are compared with: the same packets, forwarded plainly."""
    bed = testbed.Testbed()
    try:
        yield {"subject": "forward", **costs(bed, packets.Packets(4, "TCP", testbed.server(4, 0)))}
    finally:
        bed.close()


def rows(module):
    """Yields the rows of all schedulers and cases."""
    for case in (*SIZES, *WORST):
        bed = testbed.Testbed()
        try:
            sent = prepare(bed, case)
            for number, scheduler in enumerate(SCHEDULERS):
                yield {"subject": module, "scheduler": scheduler, "servers": case, **attempt(bed, sent, number)}
        finally:
            bed.close()


def attempt(bed, sent, number):
    """Returns the figures of one scheduler, or why there are none."""
    try:
        bed.control(f"-E -t {testbed.VIP[4]}:80 -s {SCHEDULERS[number]}")
        return costs(bed, sent, number)
    except testbed.NotServed as refusal:
        return {"refused": str(refusal)}
    except RuntimeError as error:
        return {"failed": str(error)}
