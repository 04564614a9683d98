# SPDX-License-Identifier: GPL-2.0
"""The module in the stock arm64 kernel: it loads, takes commands, forwards packets, and goes."""
import packet
from cases import case
from loading import modprobe


@case(suite="arm64")
def loads_serves_and_unloads(d):
    d.expect("rvs loads", modprobe("rvs") == 0)
    d.wires()
    d.control("-A -t 10.9.0.1:80 -s wlc", "-a -t 10.9.0.1:80 -r 10.2.0.11:8080 -m", "-A -u 10.9.0.1:53 -s rr",
              "-a -u 10.9.0.1:53 -r 10.2.0.12:53 -g")
    d.expect("both services", d.ipvsadm("-Ln").count("10.9.0.1") == 2)
    found = d.send("client", packet.tcp("10.1.0.2", 40000, "10.9.0.1", 80, packet.SYN))
    d.expect("a translated packet", "10.1.0.2>10.2.0.11" in "".join(found["servers"]) and "checksum ok data" in "".join(found["servers"]))
    found = d.send("servers", packet.tcp("10.2.0.11", 8080, "10.1.0.2", 40000, packet.SYN | packet.ACK, ack=1))
    d.expect("a translated reply", "10.9.0.1>10.1.0.2" in "".join(found["client"]) and "checksum ok data" in "".join(found["client"]))
    found = d.send("client", packet.udp("10.1.0.2", 1053, "10.9.0.1", 53))
    d.expect("a packet routed directly", "10.1.0.2>10.9.0.1" in "".join(found["servers"]))
    d.ipvsadm("-C")
    d.close()
    d.names, d.ends = [], {}
    d.expect("rvs unloads", modprobe("-r rvs") == 0)
