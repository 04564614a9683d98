#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends packets to a director without end: new TCP and UDP connections, data, closes, replies, ICMP errors, fragments."""
import itertools
import random
import sys
import time

import packet
import topology
import wire
from serving import CLIENT, SERVER, VIP


def from_client(number):
    port = 1024 + number % 20000
    return [packet.tcp(CLIENT, port, VIP, 80, packet.SYN), packet.tcp(CLIENT, port, VIP, 80, packet.ACK, ack=1, data=b"x"),
            packet.udp(CLIENT, port, VIP, 80), packet.tcp(CLIENT, port - 7, VIP, 80, packet.FIN | packet.ACK, ack=1),
            packet.icmp(CLIENT, VIP, 3, 3, 0, packet.udp(VIP, 80, CLIENT, port, b"answer"))] + (
                packet.fragments(packet.udp(CLIENT, port, VIP, 80, bytes(100)), 64) if number % 5 == 0 else [])


def from_server(number):
    port = 1024 + number % 20000
    return [packet.tcp(SERVER, 80, CLIENT, port, packet.SYN | packet.ACK, ack=1), packet.udp(SERVER, 80, CLIENT, port),
            packet.icmp(SERVER, CLIENT, 3, 3, 0, packet.udp(CLIENT, port, SERVER, 80)),
            packet.tcp(SERVER, 80, CLIENT, port - 9, packet.RST)]


def main(where):
    make, to = {"client": (from_client, "10.1.0.1"), "servers": (from_server, "10.2.0.1")}[where]
    source = CLIENT if where == "client" else SERVER
    end = None
    for number in itertools.count(random.randrange(20000)):
        try:
            end = end or wire.End(where, "eth0", captures=False)
            for data in make(number):
                end.send(topology.mac(to), topology.mac(source), data)
        except BlockingIOError:
            pass
        except OSError:
            # The wire is gone with the director; there will be another one.
            end = end and end.close()
        # A pace that leaves the two CPUs to what is to be disturbed.
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1])
