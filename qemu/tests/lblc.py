# SPDX-License-Identifier: GPL-2.0
"""lblc and lblcr remember which server served an address, forget it in time, and give help to a server that is too busy."""
from cases import case
from decisions import GAP, TABLE, Service, director, mark


class Asker:
    """Asks for addresses of a service, each time from new ports."""

    def __init__(self, d, scheduler, expiration, weights):
        self.d, self.port = d, 2000
        self.wires, self.client = director(d)
        mark(d, "10.8.0.0/16", 7)
        self.renew(scheduler, expiration, weights)

    def renew(self, scheduler, expiration, weights):
        """Makes a service whose servers have ports of their own, so that nothing is left of earlier ones."""
        self.service = Service(self.d, scheduler, self.port, mark=7)
        for number, weight in enumerate(weights):
            self.service.set(number, weight)
        self.d.sysctl(f"{scheduler}_expiration", expiration)

    def ask(self, kind, vips):
        """Sends one packet to each address; writes down and returns the servers that got them, of which there must be some."""
        ports = range(self.port, self.port + len(vips))
        self.port = ports[-1] + 1
        text = self.wires.decide(kind, ports, [1] * len(vips), vips).translate(TABLE).decode()
        self.d.expect(f"servers: {text}", "-" not in text)
        return text


@case(rows=("lblc", "lblcr"))
def an_address_is_forgotten_in_time(d, scheduler):
    """Every 30 minutes all addresses are looked at: those unused for longer than the setting go, the others stay."""
    asker, vips = Asker(d, scheduler, 300, (1, 2, 3, 1, 2)), range(1, 41)
    before = asker.ask(asker.wires.udp, vips)
    d.quiet(1700)
    d.expect("what is used stays", asker.ask(asker.wires.udp, vips[:20]) == before[:20])
    d.quiet(260)
    after = asker.ask(asker.wires.udp, vips[::-1])[::-1]
    d.expect("what was used lately is still there", after[:20] == before[:20])
    d.expect("the rest was forgotten", after[20:] != before[20:])
    asker.service.remove(4)
    asker.ask(asker.wires.udp, vips)
    asker.service.counts()


@case(rows=("lblc", "lblcr"))
def a_server_that_comes_back_is_remembered(d, scheduler):
    """A removed server is kept as long as an address remembers it: minutes later it serves that address again."""
    asker = Asker(d, scheduler, 86400, (1,))
    before = asker.ask(asker.wires.udp, (1,))
    asker.service.remove(0)
    asker.service.set(1, 100)
    d.quiet(600)
    asker.service.set(0, 1)
    d.expect("the address has its server again", asker.ask(asker.wires.udp, (1,)) == before)
    d.expect("another address has the other", asker.ask(asker.wires.udp, (2,)) != before)
    asker.service.counts()


@case(rows=("lblc", "lblcr"))
def a_busy_server_gets_help(d, scheduler):
    asker = Asker(d, scheduler, 100, (2, 2, 2, 2))
    for _ in range(12):
        asker.ask(asker.wires.syn, (1, 1, 2))
    asker.service.counts()
    d.quiet(40)
    asker.ask(asker.wires.syn, (1, 2, 1))
    d.quiet(200)
    # No server is busy any more, and the servers of an address were the same for long.
    for _ in range(3):
        asker.ask(asker.wires.udp, (1, 2))
        d.quiet(101)
    asker.service.counts()


@case
def a_set_of_servers_shrinks(d):
    """A set that was the same for longer than lblcr's setting loses its most loaded server at the next decision."""
    weights, seen = (10, 30, 60), []
    asker = Asker(d, "lblcr", 86400, weights)
    for _ in range(2):
        young = asker.ask(asker.wires.syn, [1] * 100)
        d.quiet(4 * GAP)
        old = asker.ask(asker.wires.syn, [1] * 60)
        asker.service.counts()
        asker.service.end()
        seen.append((young, old))
        asker.renew("lblcr", 20, weights)
    d.expect("the same as long as the set is young", seen[0][0] == seen[1][0])
    d.expect("other choices once it is old", seen[0][1] != seen[1][1])
