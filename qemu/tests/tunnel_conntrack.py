# SPDX-License-Identifier: GPL-2.0
"""Tunnels and netfilter: connection tracking off and on, rules that see the outer packet, packets of this host."""
import re
import time

import packet
from cases import case
from conntrack import RULES, table
from packet import ACK, PSH, SYN
from tunnel_packets import DF, PAIRS, Tunnel


def captured(d, title):
    """Writes down what came out, without what sockets of this host draw by lot: identifications, and ports of outer packets."""
    time.sleep(0.02)
    d.say(f"packet {title}")
    for name, end in d.ends.items():
        for line in end.received():
            line = re.sub(r" id \d+ ", " id * ", line)
            d.say(f"  {name} < " + re.sub(r"udp \d+>6080 length (\d+) checksum \S+ ", r"udp *>6080 length \1 ", line))


@case(rows=tuple(f"{conntrack} {kind} {pair}" for conntrack in (0, 1) for kind in ("ipip", "gue", "gre") for pair in ("4in4", "6in6")))
def tracked(d, row):
    conntrack, row = row.split(" ", 1)
    tunnel = Tunnel(d, row)
    rules = RULES.replace("table ip", "table inet").replace("rule ip", "rule inet").replace("chain ip", "chain inet")
    rules = rules.replace("ct state", "meta l4proto != ipv6-icmp ct state")
    d.rules(rules.replace("STATES", "{ new, established, related, untracked, invalid }"))
    d.sysctl("conntrack", conntrack)
    tunnel.tcp(SYN)
    table(d)
    tunnel.tcp(ACK | PSH, ack=1, data=b"request")
    tunnel.udp()
    table(d)
    d.run("nft list ruleset")
    d.counts()


@case(rows=PAIRS)
def rules_see_the_outer_packet(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    d.rules("table inet t { chain o { type filter hook output priority 0; meta l4proto { 4, 41 } counter; meta l4proto != ipv6-icmp counter; }; "
            "chain p { type filter hook postrouting priority 0; meta l4proto { 4, 41 } counter; meta l4proto != ipv6-icmp counter; }; "
            "chain i { type filter hook input priority 0; meta l4proto != ipv6-icmp counter; }; }\n")
    tunnel.tcp(SYN)
    tunnel.udp()
    d.run("nft list ruleset")


@case(rows=PAIRS)
def rule_drops_the_outer_packet(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    d.rules("table inet t { chain o { type filter hook output priority 0; meta l4proto { 4, 41 } counter drop; }; }\n")
    tunnel.udp()
    d.counts()


@case(rows=tuple(f"{conntrack} {kind} {pair}" for conntrack in (0, 1) for kind in ("ipip", "gue-csum") for pair in PAIRS))
def client_on_this_host(d, row):
    conntrack, row = row.split(" ", 1)
    tunnel = Tunnel(d, row)
    d.sysctl("conntrack", conntrack)
    where, end = tunnel.vip, "AF_INET6" if tunnel.inner.family == 6 else "AF_INET"
    script = (f"import socket; s = socket.socket(socket.{end}, socket.SOCK_DGRAM); s.bind(('{tunnel.inner.near}', 40000)); "
              f"s.connect(('{where}', 80)); s.send(b'request'); s.send(bytes(1200))")
    d.run(["python3", "-c", script])
    captured(d, "two datagrams")
    script = (f"import socket; s = socket.socket(socket.{end}, socket.SOCK_STREAM); s.bind(('{tunnel.inner.near}', 40000)); "
              f"s.setblocking(False); s.connect_ex(('{where}', 80)); s.close()")
    d.run(["python3", "-c", script])
    d.ends["servers"].frames()
    d.proc("ip_vs")


@case(rows=("4in4", "6in6"))
def socket_on_this_host_learns_what_fits(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    end, option = ("AF_INET6", "IPPROTO_IPV6, 24") if tunnel.inner.family == 6 else ("AF_INET", "IPPROTO_IP, 14")
    discover = "IPPROTO_IPV6, 23, 2" if tunnel.inner.family == 6 else "IPPROTO_IP, 10, 2"
    script = (f"import socket; s = socket.socket(socket.{end}, socket.SOCK_DGRAM); s.setsockopt(socket.{discover}); "
              f"s.bind(('{tunnel.inner.near}', 40000)); s.connect(('{tunnel.vip}', 80)); print(s.getsockopt(socket.{option})); "
              f"s.send(b'request'); print(s.getsockopt(socket.{option}))")
    d.run(["python3", "-c", script])
    captured(d, "a datagram")


@case(rows=("4in4", "6in6"))
def reply_that_passes_is_left_alone(d, pair):
    tunnel = Tunnel(d, f"ipip {pair}")
    tunnel.tcp(SYN, frag=DF)
    d.send("servers", packet.tcp(tunnel.vip, 80, tunnel.client, 40000, SYN | ACK, ack=1))
    d.counts()
