# SPDX-License-Identifier: GPL-2.0
"""Network namespaces, commands in them, and the wires between them, for IPv4, for IPv6 or for both.

    client (10.1.0.2..9) eth0 ---- eth0 10.1.0.1 | director | 10.2.0.1 eth1 ---- eth0 servers (10.2.0.11..19)
           (fd01::2..9)                 fd01::1  |          | fd02::1                         (fd02::11..19)
                                       VIPs 10.9.0.1..3, fd09::1..3 on the director's lo

In packet scenarios `client` and `servers` are bare wires: they have no addresses and answer nothing; the
director knows all their addresses as permanent neighbours, each with a hardware address of its own.
In live scenarios every client and server is a namespace with a full stack on one bridge.

The addresses of a family are a `Plan`. What builds a topology takes the plans it is for, IPV4 where none is named;
where IPV6 is not among them IPv6 is off, so that captures hold nothing but what a scenario sent.
"""
import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import functools
import ipaddress
import os
import shlex
import signal
import socket
import struct
import subprocess
import time

import packet
import rtnetlink

LIBC = ctypes.CDLL(None, use_errno=True)
MS_BIND, MNT_DETACH = 0x1000, 2
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCETHTOOL, ETHTOOL_GLINK = 0x8913, 0x8914, 0x8946, 10
UP, NOARP = 1, 0x80
HOME = os.open("/proc/self/ns/net", os.O_RDONLY)
NAMED = "/run/netns"
# Seconds for what the kernel leaves to its workers when a device comes up; free under instruction counting.
PUT_OFF = 0.02


@dataclasses.dataclass(frozen=True)
class Plan:
    """The addresses of one family: the director's towards either side, the two sides' own, and the virtual ones."""

    family: int
    near: str
    far: str
    clients: tuple
    servers: tuple
    vips: tuple
    prefix: int

    @property
    def host(self):
        """The prefix length of one address."""
        return 32 if self.family == 4 else 128

    @property
    def near_network(self):
        """The clients' network."""
        return str(ipaddress.ip_network(f"{self.near}/{self.prefix}", strict=False))

    @property
    def far_network(self):
        """The servers' network."""
        return str(ipaddress.ip_network(f"{self.far}/{self.prefix}", strict=False))

    def server(self, number):
        """Returns the address of a server of a long row of them, the first ones those of `servers`."""
        number += 11
        return f"10.2.{number >> 8}.{number & 255}" if self.family == 4 else f"fd02::{number}"

    def addresses(self, near, far):
        """Returns the lines for `ip -batch` that give the director's devices their addresses, and its lo the VIPs."""
        # Nothing else has these addresses, and the time of asking for them would be a time without them.
        more = " nodad" * (self.family == 6)
        return [f"address add {self.near}/{self.prefix} dev {near}{more}", f"address add {self.far}/{self.prefix} dev {far}{more}",
                *(f"address add {vip}/{self.host} dev lo{more}" for vip in self.vips)]

    def neighbours(self, near, far):
        """Returns the lines for `ip -batch` that make all clients and servers known."""
        return [f"neigh replace {address} lladdr {mac(address)} dev {device} nud permanent"
                for device, side in ((near, self.clients), (far, self.servers)) for address in side]

    def end(self, address, port):
        """Returns an address and a port as ipvsadm takes them."""
        return f"{address}:{port}" if self.family == 4 else f"[{address}]:{port}"


IPV4 = Plan(4, "10.1.0.1", "10.2.0.1", tuple(f"10.1.0.{number}" for number in range(2, 10)),
            tuple(f"10.2.0.{number}" for number in range(11, 20)), ("10.9.0.1", "10.9.0.2", "10.9.0.3"), 24)
IPV6 = Plan(6, "fd01::1", "fd02::1", tuple(f"fd01::{number}" for number in range(2, 10)),
            tuple(f"fd02::{number}" for number in range(11, 20)), ("fd09::1", "fd09::2", "fd09::3"), 64)
PLANS = {"IPv4": IPV4, "IPv6": IPV6}
VIPS, CLIENTS, SERVERS = IPV4.vips, IPV4.clients, IPV4.servers
# What makes a namespace a router that says nothing unasked, by family; DEVICE is each of its devices.
ROUTER = {
    4: (("ipv4/ip_forward", 1), ("ipv4/conf/all/rp_filter", 0), ("ipv4/conf/DEVICE/rp_filter", 0),
        ("ipv4/conf/all/send_redirects", 0), ("ipv4/conf/DEVICE/send_redirects", 0), ("ipv4/icmp_ratelimit", 0),
        ("ipv4/icmp_msgs_per_sec", 100000)),
    6: (("ipv6/conf/all/forwarding", 1), ("ipv6/icmp/ratelimit", 0), ("ipv6/auto_flowlabels", 0)),
}
# IPv6 without addresses of its own making, before a device is there.
PLAIN_IPV6 = (("ipv6/conf/all/accept_dad", 0), ("ipv6/conf/default/accept_dad", 0), ("ipv6/conf/default/accept_ra", 0),
              ("ipv6/conf/default/addr_gen_mode", 1))
NO_IPV6 = (("ipv6/conf/all/disable_ipv6", 1), ("ipv6/conf/default/disable_ipv6", 1))


@functools.cache
def mac(address):
    """Returns the hardware address that belongs to an address."""
    data = packet.packed(address)
    return "02:00:" + data.hex(":") if len(data) == 4 else f"02:06:{data[1]:02x}:" + data[13:].hex(":")


# --- namespaces ---

@contextlib.contextmanager
def inside(name):
    """Runs the body in a network namespace; in that of the guest's first process without a name."""
    if name is None:
        yield
        return
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


def remove(names):
    """Deletes namespaces that are there, as `ip netns del` does."""
    for path in (f"{NAMED}/{name}" for name in names):
        if os.path.exists(path):
            LIBC.umount2(path.encode(), MNT_DETACH)
            os.unlink(path)


def end_processes(names):
    """Kills what still runs in namespaces, daemons that put themselves in the background included."""
    there = {os.stat(f"{NAMED}/{name}").st_ino for name in names if os.path.exists(f"{NAMED}/{name}")}
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{process}/ns/net").st_ino in there:
                os.kill(int(process), signal.SIGKILL)


def set_sysctl(name, path, value):
    """Writes a sysctl of a namespace."""
    with inside(name), open("/proc/sys/" + path, "w") as file:
        file.write(str(value))


def set_sysctls(name, rows):
    """Writes sysctls of a namespace below net/: [(path, value)]."""
    with inside(name):
        for path, value in rows:
            set_sysctl(None, "net/" + path, value)


def flag(name, device, flags):
    """Gives a device of a namespace flags, like UP, that it may not have yet."""
    with inside(name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        _, present = struct.unpack("16sH", fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sH14x", device.encode(), 0))[:18])
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH14x", device.encode(), present | flags))


def carrier(name, device):
    """Tells whether a device of a namespace has carrier, which the kernel takes notice of at once then.

    Left to its worker it would do so up to a second later: until then the device drops what it is to send, and then
    all that routes of the namespace have cached goes, between two packets of a scenario. A dummy device never loses it.
    """
    request = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_GLINK, 0))
    with inside(name), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP16x", device.encode(), ctypes.addressof(request)))
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return True
    return struct.unpack("=II", request.raw[:8])[1] != 0


def linked(name, device):
    """Has a device of a namespace, whose other end is up, be able to send from now on; fails without carrier."""
    if not carrier(name, device):
        raise RuntimeError(f"{device} of {name} has no carrier")


# --- commands ---

def run(command, where=None, stdin=None):
    """Runs a command, a list of words or a line of them, in a namespace; returns its exit code and its output."""
    words = shlex.split(command) if isinstance(command, str) else command
    with inside(where):
        done = subprocess.run(words, input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def must(command, where=None, stdin=None):
    """Runs a command that has to succeed; returns its output."""
    code, output = run(command, where, stdin)
    if code:
        raise RuntimeError(f"{command if isinstance(command, str) else ' '.join(command)}: {output.strip()}")
    return output


def start(command, where=None, **more):
    """Starts a command in a namespace; more: what `Popen` takes besides."""
    words = shlex.split(command) if isinstance(command, str) else command
    with inside(where):
        return subprocess.Popen(words, text=True, **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **more})


def batch(lines, name=None):
    """Does what `ip` would with a batch of commands, in a namespace; asks `ip` itself for what is not known here."""
    try:
        with inside(name):
            rtnetlink.batch(lines, NAMED)
    except rtnetlink.Unknown:
        must("ip -batch -", name, "\n".join(lines) + "\n")
    up = [line.split()[2] for line in lines if line.startswith("link set ") and line.endswith(" up")]
    for device in up:
        carrier(name, device)
    if up:
        time.sleep(PUT_OFF)


# --- the topologies of scenarios, demo and benchmark ---

def families(names, plans):
    """Has IPv6 off in new namespaces, or as plain as it goes if one of the plans is for it."""
    for name in names if os.path.exists("/proc/sys/net/ipv6") else ():
        set_sysctls(name, PLAIN_IPV6 if any(plan.family == 6 for plan in plans) else NO_IPV6)


def router(name, devices, plans):
    """Makes a namespace forward for its plans."""
    set_sysctls(name, [(path.replace("DEVICE", device), value) for plan in plans for path, value in ROUTER[plan.family]
                       for device in (devices if "DEVICE" in path else devices[:1])])


def wires(*plans, director="director"):
    """Builds the director between two bare wires; returns the names of the namespaces."""
    names = ["client", "servers"]
    add(*names)
    families(names, ())
    wired(*plans, director=director)
    return [*names, director]


def wired(*plans, director="director"):
    """Builds a director between the bare wires' ends, which are there."""
    plans = plans or (IPV4,)
    first = plans[0]
    add(director)
    families([director], plans)
    batch([f"link add {device} address {mac(own)} netns {director} type veth peer name eth0 address {mac(other)} netns {name}"
           for device, own, name, other in (("eth0", first.near, "client", first.clients[0]),
                                            ("eth1", first.far, "servers", first.servers[0]))])
    for name in ("client", "servers"):
        flag(name, "lo", UP)
        flag(name, "eth0", UP | NOARP)
    batch(["link set lo up", "link set eth0 up", "link set eth1 up"]
          + [line for plan in plans for line in plan.addresses("eth0", "eth1") + plan.neighbours("eth0", "eth1")], director)
    for name in ("client", "servers"):
        linked(name, "eth0")
    router(director, ("eth0", "eth1"), plans)


def hosts(clients=1, servers=2, plan=IPV4, quiet=True):
    """Builds clients, a director and servers with full stacks on one bridge; returns their names.

    quiet: the servers answer ARP only for the addresses of the device that is asked.
    """
    clients = [f"client{number}" for number in range(1, clients + 1)]
    servers = [f"server{number}" for number in range(1, servers + 1)]
    names = ["switch", "director", *clients, *servers]
    add(*names)
    families(["switch"], ())
    families(names[1:], (plan,))
    if plan.family == 6:
        # A router asks for the neighbours of others from its link-local address.
        for name in names[1:]:
            set_sysctls(name, [("ipv6/conf/default/addr_gen_mode", 0)])
    batch(["link add wire type bridge", "link set wire up", "link set lo up"], "switch")
    batch([f"link add eth0 netns {name} type veth peer name {name} netns switch" for name in names[1:]])
    batch([f"link set {name} master wire up" for name in names[1:]], "switch")
    batch(["link set lo up", "link set eth0 up", *plan.addresses("eth0", "eth0")], "director")
    if plan.family == 4:
        set_sysctls("director", [("ipv4/ip_forward", 1), ("ipv4/conf/all/send_redirects", 0), ("ipv4/conf/eth0/send_redirects", 0)])
        for name in servers if quiet else ():
            set_sysctls(name, [("ipv4/conf/all/arp_ignore", 1), ("ipv4/conf/all/arp_announce", 2)])
    else:
        set_sysctls("director", [("ipv6/conf/all/forwarding", 1)])
    for side, addresses, way in ((clients, plan.clients, plan.near), (servers, plan.servers, plan.far)):
        for name, address in zip(side, addresses):
            batch(["link set lo up", "link set eth0 up", f"address add {address}/{plan.prefix} dev eth0" + " nodad" * (plan.family == 6),
                   f"route add default via {way}"], name)
    for name in names[1:]:
        linked(name, "eth0")
        linked("switch", name)
    return names
