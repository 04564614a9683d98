# SPDX-License-Identifier: GPL-2.0
"""lblc and lblcr remember who served an address, forget it in time, and lblcr takes servers away again."""
import packet
from cases import case
from decisions import PORTS_FROM, TABLE, Service, director, mark_everything

CLIENT = 5


class Asker:
    """Asks for addresses, each time from new ports."""

    def __init__(self, d, scheduler, weights):
        self.d, self.port = d, PORTS_FROM
        self.wires, client = director(d)
        mark_everything(d)
        self.service = Service(d, client, scheduler, 0, packet.UDP, mark=True)
        for number, weight in enumerate(weights):
            self.service.set(number, weight, 0, 0)

    def ask(self, what, kind, vips):
        ports = range(self.port, self.port + len(vips))
        self.port = ports[-1] + 1
        self.d.say(f"{what}: {self.wires.decide(kind, ports, [CLIENT] * len(vips), vips).translate(TABLE).decode()}")


@case(rows=("lblc", "lblcr"))
def an_address_is_forgotten_in_time(d, scheduler):
    asker = Asker(d, scheduler, (1, 2, 3))
    d.sysctl(f"{scheduler}_expiration", 600)
    asker.ask("first", asker.wires.udp, range(1, 31))
    d.quiet(60)
    for number, weight in enumerate((9, 1, 1)):
        asker.service.set(number, weight, 0, 0)
    asker.ask("remembered", asker.wires.udp, range(1, 31))
    # The 30th look after a minute each forgets what was not asked for in ten minutes.
    d.quiet(1380)
    asker.ask("some again", asker.wires.udp, range(1, 16))
    d.quiet(420)
    asker.ask("half forgotten", asker.wires.udp, range(1, 31))
    d.quiet(60)
    asker.service.remove(0)
    asker.ask("without one", asker.wires.udp, range(1, 31))
    asker.service.end()


@case(rows=("lblc", "lblcr"))
def a_busy_server_gets_help(d, scheduler):
    asker = Asker(d, scheduler, (2, 2, 2, 2))
    d.sysctl(f"{scheduler}_expiration", 100)
    for number in range(12):
        asker.ask(f"busy {number}", asker.wires.syn, (1, 1, 2))
    asker.service.counts()
    d.quiet(40)
    asker.ask("still", asker.wires.syn, (1, 2, 1))
    d.quiet(200)
    # Nobody is busy any more, and the servers of an address were the same for long.
    for number in range(6):
        asker.ask(f"quiet {number}", asker.wires.udp, (1, 2))
        d.quiet(101)
    asker.service.end()
