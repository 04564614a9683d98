#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Plays the same new connections under each scheduler while a server leaves and returns; notes which server gets each."""
import json
import pathlib
import random
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "harness"))

import director  # noqa: E402
import packet  # noqa: E402
import topology  # noqa: E402

SCHEDULERS = "rr wrr lc wlc sed nq fo ovf twos sh mh dh lblc lblcr".split()
WEIGHTS = {"A": 5, "B": 10, "C": 15, "D": 20}
# The heaviest server leaves before connection 180 and is back before connection 360.
LEAVES, RETURNS, CONNECTIONS = 180, 360, 540
# Each connection lives while this many more begin.
LIFE = 30
# Seconds from one connection to the next. What the end of one changes happens far from any decision.
PACE = 0.4
SERVERS = dict(zip(WEIGHTS, topology.SERVERS))


def flow():
    """Returns (client, port, target) of each connection: some clients and some targets come more often."""
    chance = random.Random("shares")
    clients = [f"10.1.0.{number}" for number in range(2, 202)]
    targets = [f"10.64.0.{number}" for number in range(1, 101)]
    often = [1 / rank for rank in range(10, 10 + len(targets))]
    return [(chance.choice(clients), 1024 + number, chance.choices(targets, often)[0]) for number in range(CONNECTIONS)]


class Wires:
    """The bare ends of the director's wires."""

    def __init__(self):
        self.client, self.servers = self.end("client", 0), self.end("servers", 3)
        self.names = {packet.hardware(topology.mac(address)): name for name, address in SERVERS.items()}

    @staticmethod
    def end(name, protocol):
        with topology.inside(name):
            end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        end.bind(("eth0", protocol))
        end.setblocking(False)
        return end

    def send(self, connection, flags):
        """Sends a packet of a connection and returns the name of the server that gets it; None if there is none."""
        client, port, target = connection
        self.client.send(packet.ether(topology.mac("10.1.0.1"), topology.mac("10.1.0.2"), packet.tcp(client, port, target, 80, flags)))
        time.sleep(0.005)
        found = None
        while True:
            try:
                found = self.names.get(self.servers.recv(64)[:6], found)
            except BlockingIOError:
                return found


def control(d, *commands):
    for command in commands:
        code, output = d.execute(f"ipvsadm {command}")
        if code:
            raise SystemExit(f"ipvsadm {command}: {output}")


def play(d, wires, scheduler, connections):
    """Returns the server of each connection under a scheduler."""
    control(d, f"-A -f 1 -s {scheduler}", *(f"-a -f 1 -r {SERVERS[name]} -g -w {weight}" for name, weight in WEIGHTS.items()))
    chosen, start = [], time.monotonic()

    def at(number):
        time.sleep(max(0, start + PACE * number - time.monotonic()))

    for number, connection in enumerate(connections):
        at(number)
        if number == LEAVES:
            control(d, f"-d -f 1 -r {SERVERS['D']}")
        if number == RETURNS:
            control(d, f"-a -f 1 -r {SERVERS['D']} -g -w {WEIGHTS['D']}")
        chosen.append(wires.send(connection, packet.SYN))
        at(number + 0.5)
        if number >= LIFE:
            wires.send(connections[number - LIFE], packet.RST)
    for connection in connections[-LIFE:]:
        wires.send(connection, packet.RST)
    control(d, "-C")
    # Until nothing of these connections is left.
    time.sleep(30)
    return chosen


def main():
    topology.must("modprobe -a veth nf_tables rvs")
    d = director.Director("rvs")
    topology.wires()
    topology.batch(["route add local 10.64.0.0/24 dev lo"], "director")
    code, output = d.execute("nft -f -", stdin="table ip marks { chain first { type filter hook prerouting priority mangle; "
                             "ip daddr 10.64.0.0/24 meta mark set 1; }; }\n")
    if code:
        raise SystemExit(output)
    wires, connections = Wires(), flow()
    results = {"leaves": LEAVES, "returns": RETURNS, "life": LIFE, "weights": WEIGHTS, "connections": connections, "chosen": {}}
    for scheduler in SCHEDULERS:
        results["chosen"][scheduler] = chosen = play(d, wires, scheduler, connections)
        print(scheduler, "".join(name or "-" for name in chosen), flush=True)
    pathlib.Path("/share/shares.json").write_text(json.dumps(results))


if __name__ == "__main__":
    sys.exit(main())
