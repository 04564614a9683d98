# SPDX-License-Identifier: GPL-2.0
"""Network namespaces and the wires between them.

    client (10.1.0.2..9) eth0 ---- eth0 10.1.0.1 | director | 10.2.0.1 eth1 ---- eth0 servers (10.2.0.11..19)
                                       VIPs 10.9.0.1..3 on the director's lo

In packet scenarios `client` and `servers` are bare wires: they have no addresses and answer nothing; the
director knows all their addresses as permanent neighbours, each with a hardware address of its own.
In live scenarios every client and server is a namespace with a full stack on one bridge.
"""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

LIBC = ctypes.CDLL(None, use_errno=True)
MS_BIND, MNT_DETACH = 0x1000, 2
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
UP, NOARP = 1, 0x80
VIPS = ("10.9.0.1", "10.9.0.2", "10.9.0.3")
CLIENTS = [f"10.1.0.{number}" for number in range(2, 10)]
SERVERS = [f"10.2.0.{number}" for number in range(11, 20)]
HOME = os.open("/proc/self/ns/net", os.O_RDONLY)
NAMED = "/run/netns"


def mac(address):
    """Returns the hardware address that belongs to an IPv4 address."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


@contextlib.contextmanager
def inside(name):
    """Runs the body in a network namespace."""
    fd = os.open(f"{NAMED}/{name}", os.O_RDONLY)
    try:
        os.setns(fd, os.CLONE_NEWNET)
        yield
    finally:
        os.setns(HOME, os.CLONE_NEWNET)
        os.close(fd)


def add(*names):
    """Makes namespaces, as `ip netns add` does; a process for each would cost more than the namespace."""
    for name in names:
        path = f"{NAMED}/{name}"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.unshare(os.CLONE_NEWNET)
        failed = LIBC.mount(b"/proc/thread-self/ns/net", path.encode(), None, MS_BIND, None)
        os.setns(HOME, os.CLONE_NEWNET)
        if failed:
            raise OSError(ctypes.get_errno(), "mount", path)


def flag(name, device, flags):
    """Gives a device of a namespace flags, like UP, that it may not have yet."""
    with inside(name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        _, present = struct.unpack("16sH", fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sH14x", device.encode(), 0))[:18])
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", device.encode(), present | flags))


def batch(lines, name=None):
    """Gives `ip` a batch of commands, in a namespace."""
    command = ["ip"] + (["-n", name] if name else []) + ["-batch", "-"]
    done = subprocess.run(command, input="\n".join(lines) + "\n", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout.strip()}")


def set_sysctl(name, path, value):
    """Writes a sysctl of a namespace."""
    with inside(name), open("/proc/sys/" + path, "w") as file:
        file.write(str(value))


def no_ipv6(names):
    """Keeps IPv6 quiet, so that captures hold nothing but what a scenario sent."""
    for name in names:
        set_sysctl(name, "net/ipv6/conf/all/disable_ipv6", 1)
        set_sysctl(name, "net/ipv6/conf/default/disable_ipv6", 1)


def wires(director="director"):
    """Builds the director between two bare wires; returns the names of the namespaces."""
    names = ["client", "servers"]
    add(*names)
    no_ipv6(names)
    wired(director)
    return [*names, director]


def wired(director="director"):
    """Builds a director between the bare wires' ends, which are there."""
    add(director)
    no_ipv6([director])
    batch([
        f"link add eth0 address {mac('10.1.0.1')} netns {director} type veth peer name eth0 address {mac('10.1.0.2')} netns client",
        f"link add eth1 address {mac('10.2.0.1')} netns {director} type veth peer name eth0 address {mac('10.2.0.11')} netns servers"])
    for name in ("client", "servers"):
        flag(name, "lo", UP)
        flag(name, "eth0", UP | NOARP)
    lines = ["link set lo up", "link set eth0 up", "link set eth1 up", "address add 10.1.0.1/24 dev eth0",
             "address add 10.2.0.1/24 dev eth1"]
    lines += [f"address add {vip}/32 dev lo" for vip in VIPS]
    lines += [f"neigh replace {address} lladdr {mac(address)} dev eth0 nud permanent" for address in CLIENTS]
    lines += [f"neigh replace {address} lladdr {mac(address)} dev eth1 nud permanent" for address in SERVERS]
    batch(lines, director)
    for path, value in (("ip_forward", 1), ("conf/all/rp_filter", 0), ("conf/eth0/rp_filter", 0), ("conf/eth1/rp_filter", 0),
                        ("conf/all/send_redirects", 0), ("conf/eth0/send_redirects", 0), ("conf/eth1/send_redirects", 0),
                        ("icmp_ratelimit", 0), ("icmp_msgs_per_sec", 100000)):
        set_sysctl(director, "net/ipv4/" + path, value)


def hosts(clients=1, servers=2):
    """Builds clients, a director and servers with full stacks on one bridge; returns their names."""
    clients = [f"client{number}" for number in range(1, clients + 1)]
    servers = [f"server{number}" for number in range(1, servers + 1)]
    names = ["switch", "director", *clients, *servers]
    add(*names)
    no_ipv6(names)
    batch(["link add wire type bridge", "link set wire up", "link set lo up"], "switch")
    batch([f"link add eth0 netns {name} type veth peer name {name} netns switch" for name in names[1:]])
    batch([f"link set {name} master wire up" for name in names[1:]], "switch")
    batch(["link set lo up", "link set eth0 up", "address add 10.1.0.1/24 dev eth0", "address add 10.2.0.1/24 dev eth0"]
          + [f"address add {vip}/32 dev lo" for vip in VIPS], "director")
    for path in ("ip_forward", "conf/all/send_redirects", "conf/eth0/send_redirects"):
        set_sysctl("director", "net/ipv4/" + path, int(path == "ip_forward"))
    for number, name in enumerate(clients):
        batch(["link set lo up", "link set eth0 up", f"address add {CLIENTS[number]}/24 dev eth0",
               "route add default via 10.1.0.1"], name)
    for number, name in enumerate(servers):
        for key, value in (("arp_ignore", 1), ("arp_announce", 2)):
            set_sysctl(name, f"net/ipv4/conf/all/{key}", value)
        batch(["link set lo up", "link set eth0 up", f"address add {SERVERS[number]}/24 dev eth0",
               "route add default via 10.2.0.1"], name)
    return names


def remove(names):
    """Deletes namespaces that are there, as `ip netns del` does."""
    for path in (f"{NAMED}/{name}" for name in names):
        if os.path.exists(path):
            LIBC.umount2(path.encode(), MNT_DETACH)
            os.unlink(path)
