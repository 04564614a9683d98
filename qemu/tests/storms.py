# SPDX-License-Identifier: GPL-2.0
"""Unloading and namespace destruction, again and again, while packets keep coming and connections live."""
import json
import os
import socket
import sys
import time

import changes
import packet
import topology
import wire
from cases import case
from topology import IPV6

# A longer form plays more rounds.
LONG = int(os.environ.get("RVS_LONG", 1))
ROUNDS = 10 * LONG
# Seconds in which clients change and list services.
CHANGING = 4 if LONG == 1 else 60
ROUNDS_OF_IPV6 = 20 if LONG == 1 else ROUNDS
RULES = ("-A -t 10.9.0.1:80 -s wlc\n-a -t 10.9.0.1:80 -r 10.2.0.11:80 -m\n-a -t 10.9.0.1:80 -r 10.2.0.12:80 -g\n"
         "-A -u 10.9.0.1:80 -s wrr\n-a -u 10.9.0.1:80 -r 10.2.0.11:80 -m -w 2\n-a -u 10.9.0.1:80 -r 10.2.0.12:80 -g\n"
         "-a -u 10.9.0.1:80 -r 10.9.0.2:80 -m\n")
# What makes the kernel track connections in a namespace.
TRACKING = "table ip tracking { chain forward { type filter hook forward priority 0; ct state { new, established } counter; }; };\n"


def storm(d):
    # Without captures, which would fill up.
    d.names += topology.wires()
    for where in ("client", "servers"):
        d.start(f"{sys.executable} /share/qemu/harness/flood.py {where}", where)


def wired(where):
    """Whether an end of the director's wires is there."""
    with topology.inside(where):
        return "eth0" in [name for _, name in socket.if_nameindex()]


def connections(d):
    return len(d.read("/proc/thread-self/net/ip_vs_conn").splitlines()) - 1


def tracked(d):
    return len(d.read("/proc/thread-self/net/nf_conntrack").splitlines())


def configure(d, keep=False):
    """Has a director serve and waits until it does; keep: connections that are tracked stay so."""
    if keep:
        d.sysctl("conntrack", 1)
    code, output = d.execute("ipvsadm -R", stdin=RULES)
    if code:
        raise RuntimeError(output)
    d.wait("connections", lambda: connections(d) > 5)
    if keep:
        d.wait("tracked connections", lambda: tracked(d) > 5)


def leaks():
    """Searches for lost memory, once more if there is some: it may have been about to go."""
    path = "/sys/kernel/debug/kmemleak"
    found = ""
    for _ in range(2):
        # Younger memory than five seconds is not looked at.
        time.sleep(6)
        with open(path, "w") as file:
            file.write("scan")
        found = open(path).read()
        if not found:
            break
    return found


def forget_leaks():
    with open("/sys/kernel/debug/kmemleak", "w") as file:
        file.write("clear")


@case(suite="storm")
def flush_then_unload(d):
    forget_leaks()
    storm(d)
    for number in range(ROUNDS):
        topology.must("modprobe rvs")
        # The second half with connection tracking.
        if number == ROUNDS // 2:
            d.rules(TRACKING)
        configure(d, number > ROUNDS // 2 and number % 2)
        d.execute("ipvsadm -C")
        topology.must("rmmod rvs")
    found = leaks()
    d.expect(f"no lost memory {found[:3000]}", not found)


@case(suite="storm")
def namespace_destruction(d):
    topology.must("modprobe rvs")
    forget_leaks()
    storm(d)
    for number in range(ROUNDS):
        if number:
            topology.wired()
        if number % 5 == 4:
            d.rules(TRACKING)
        configure(d, number % 10 == 9)
        # The namespace goes while the senders still send.
        end_director(d)
    nothing_is_left(d)


def end_director(d):
    """Destroys the director's namespace; the wires go with it."""
    topology.remove(["director"])
    d.wait("the wires to be gone", lambda: not any(wired(where) for where in ("client", "servers")))


def nothing_is_left(d):
    """Unloads the module, which no namespace holds any more, and searches for lost memory."""
    d.wait("the last namespace to be gone", lambda: open("/sys/module/rvs/refcnt").read() == "0\n")
    code, output = topology.run("rmmod rvs")
    d.expect(f"rvs unloads {output}", code == 0)
    found = leaks()
    d.expect(f"no lost memory {found[:3000]}", not found)


@case(suite="storm")
def namespaces_that_remember_routes_of_ipv6(d):
    """Such a route counts in memory of its namespace, and holds the devices that it leads through."""
    topology.must("modprobe rvs")
    forget_leaks()
    d.names += topology.wires(IPV6)
    vip, servers = IPV6.vips[0], ((IPV6.servers[0], "-m"), (IPV6.servers[1], "-g"), (IPV6.vips[1], "-m"), ("::1", "-m"))
    rules = "".join(f"-A -u [{vip}]:{80 + number} -s rr\n-a -u [{vip}]:{80 + number} -r [{server}]:{80 + number} {method}\n"
                    for number, (server, method) in enumerate(servers))
    for number in range(ROUNDS_OF_IPV6):
        if number:
            topology.wired(IPV6)
        topology.must("ipvsadm -R", "director", rules)
        near = wire.End("client", "eth0", captures=False)
        for port in range(80, 80 + len(servers)):
            near.send(topology.mac(IPV6.near), topology.mac(IPV6.clients[0]), packet.udp(IPV6.clients[0], 40000, vip, port))
        # The packet to a server on loopback does not get through, but its connection is there.
        d.wait("connections", lambda: connections(d) == len(servers))
        near.close()
        if number % 4:
            topology.must(("ipvsadm -C", "ip link delete eth1", f"ip route add unreachable {IPV6.servers[0]}/128 metric 1")[number % 4 - 1], "director")
        end_director(d)
    nothing_is_left(d)


def change_at_once(d, clients, kind, meanwhile=lambda: None):
    """Has clients change and list services at the same time; the end is what some order of their commands leads to."""
    client = d.client()
    changes.prepare(client)
    running = [d.start(f"{sys.executable} /share/qemu/harness/changes.py {number} {CHANGING} {kind}", "director")
               for number in range(clients)]
    meanwhile()
    output = [process.communicate()[0] for process in running]
    d.expect(f"every client tells what it did {output[0][-2000:]}", all(text.startswith("{") for text in output))
    told = [json.loads(text) for text in output]
    counts = {name: sum(one["counts"].get(name, 0) for one in told) for name in ("commands", "shared", "dumps", "0", *changes.REFUSED)}
    print(f"# {clients} clients: {counts}", flush=True)
    refused = sum(counts[name] for name in changes.REFUSED)
    d.expect(f"half of the commands are about three services: {counts}", 2 * counts["shared"] >= counts["commands"] > 10 * clients)
    d.expect(f"a tenth of the commands is refused: {refused}", 10 * refused >= counts["commands"])
    faults = changes.disagreements(client, told)
    d.expect(f"the end is what a serial order leads to {faults[:10]}", not faults)
    client.close()


@case(suite="storm")
def eight_clients_change_and_list(d):
    topology.must("modprobe rvs")
    forget_leaks()
    d.names += topology.wires()
    change_at_once(d, 8, "plain")
    end_director(d)
    nothing_is_left(d)


@case(suite="storm")
def persistent_services_change_under_load(d):
    """Clients stay with servers that go and return, of services that are edited, while a sweep meets their templates."""
    topology.must("modprobe rvs")
    forget_leaks()
    storm(d)
    for name, value in (("expire_quiescent_template", 1), ("expire_nodest_conn", 1), ("drop_entry", 3)):
        d.sysctl(name, value)
    change_at_once(d, 4, "persistent", lambda: d.wait("connections", lambda: connections(d) > 10))
    d.execute("ipvsadm -C")
    end_director(d)
    nothing_is_left(d)
