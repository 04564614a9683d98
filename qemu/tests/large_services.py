# SPDX-License-Identifier: GPL-2.0
"""Same decisions as C under mh with hundreds of servers, change after change."""
import random

import genl
import topology
from cases import case
from decisions import Service, director

ROOM, SERVERS, CHANGES, DECISIONS = 600, 340, 70, 100
# Every sixth change is followed by decisions.
SEEN = 6


def address(number):
    return f"10.2.{1 + number // 250}.{1 + number % 250}"


class Farm(Service):
    """A service with servers of other addresses; two or three share what they are told apart by."""

    def dest(self, number, **more):
        return genl.dest(ADDR=genl.address(address(number)), PORT=self.port, **more)

    def set(self, number, weight):
        known = number in self.servers
        self.servers[number] = weight
        self.tell(genl.SET_DEST if known else genl.NEW_DEST, f"{'edit' if known else 'join'} {number} {weight}",
                  self.dest(number, FWD_METHOD=genl.u32(3), WEIGHT=genl.u32(weight), U_THRESH=genl.u32(0), L_THRESH=genl.u32(0)))

    def remove(self, number):
        del self.servers[number]
        self.tell(genl.DEL_DEST, f"leave {number}", self.dest(number))


@case(rows=(("equal weights", (1,)), ("mixed weights", tuple(range(1, 11))), ("weights with a divisor", (0, 30, 30, 60, 90))))
def maglev(d, row):
    label, weights = row
    wires, _ = director(d)
    topology.batch([f"neigh replace {address(number)} lladdr {topology.mac(address(number))} dev eth1 nud permanent"
                    for number in range(ROOM)] + ["route add 10.2.0.0/16 dev eth1"], "director")
    draw, farm, port = random.Random(label), Farm(d, "mh", 80), 1024
    for number in range(SERVERS):
        farm.set(number, draw.choice(weights))
    for step in range(CHANGES):
        # Now servers mostly come, now they mostly go; sometimes one weighs a little more or less.
        kind, coming = draw.random(), step // 12 % 2 == 0
        if kind < 0.2:
            number = draw.choice(list(farm.servers))
            farm.set(number, max(0, farm.servers[number] + draw.choice((-1, 1)) * min(weights[-1], 30)))
        elif (kind < 0.8) == coming:
            farm.set(draw.choice([number for number in range(ROOM) if number not in farm.servers]), draw.choice(weights))
        else:
            farm.remove(draw.choice(list(farm.servers)))
        if step % SEEN == SEEN - 1 or step > CHANGES - SEEN:
            clients = memoryview(draw.randbytes(2 * DECISIONS)).cast("H")
            chosen = wires.decide(wires.syn, range(port, port + DECISIONS), clients, (1,) * DECISIONS)
            port += DECISIONS
            d.say(f"  {chosen.hex()}")
            d.expect("nearly every client found a server", chosen.count(0) < DECISIONS // 4)
    farm.end()
