# SPDX-License-Identifier: GPL-2.0
"""Four CPUs schedule new connections at the same time: exact shares, and no server that must not be chosen."""
import functools
import ipaddress
import os
import socket

import bulk
import packet
import topology
from cases import case
from loading import modprobe

CPUS = 4
SERVICE = "10.64.0.0"
# Beside those that may be chosen each service has one of weight 0 and one that its threshold keeps new connections off.
WEIGHTLESS, OVERLOADED, FIRST = 11, 12, 13


def lanes(d):
    """Builds a director that each CPU has a wire of its own into, and whose services are whole networks."""
    d.names += topology.wires()
    topology.batch([f"link add lane{cpu} address {topology.mac(f'172.16.{cpu}.1')} netns director type veth "
                    f"peer name lane{cpu} netns client" for cpu in range(CPUS)])
    topology.batch([line for cpu in range(CPUS) for line in
                    (f"link set lane{cpu} arp off", f"link set lane{cpu} up")], "client")
    topology.batch([line for cpu in range(CPUS) for line in
                    (f"address add 172.16.{cpu}.1/24 dev lane{cpu}", f"link set lane{cpu} up")]
                   + ["route add local 10.64.0.0/10 dev lo"], "director")
    for cpu in range(CPUS):
        topology.set_sysctl("director", f"net/ipv4/conf/lane{cpu}/rp_filter", 0)
    # A CPU may be away for long while its queue fills.
    with open("/proc/sys/net/core/netdev_max_backlog", "w") as file:
        file.write("100000")


def service(d, mark, arguments, weights):
    """Makes a service of a network, with servers of these weights behind the two that must not be chosen."""
    network = str(ipaddress.ip_address(SERVICE) + (mark << 16))
    rules = "" if mark > 1 else "add table ip marks\nadd chain ip marks first { type filter hook prerouting priority mangle; }\n"
    rules += f"add rule ip marks first ip daddr {network}/16 meta mark set {mark}\n"
    d.rules(rules)
    d.control(f"-A -f {mark} -s {arguments}", f"-a -f {mark} -r 10.2.0.{OVERLOADED} -g -w {max(weights) + 1} -x 1")
    # The only one there is: it gets this connection, and with it has what it may have.
    send(frames(0, f"{network[:-3]}255.255", range(1)), open_lane(0))
    d.control(f"-a -f {mark} -r 10.2.0.{WEIGHTLESS} -g -w 0",
              *(f"-a -f {mark} -r 10.2.0.{FIRST + number} -g -w {weight}" for number, weight in enumerate(weights)))
    return network


def open_lane(cpu):
    with topology.inside("client"):
        lane = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    lane.bind((f"lane{cpu}", 0))
    return lane


def first_segment(client, port, target):
    """Returns the packet that begins a connection of TCP."""
    return packet.tcp(client, port, target, 80, packet.SYN, mode="zero")


def frames(cpu, network, numbers, make=first_segment):
    """Returns first packets of different connections, to different addresses of the network."""
    to, source = topology.mac(f"172.16.{cpu}.1"), topology.mac(f"172.16.{cpu}.2")
    first = ipaddress.ip_address(network)
    made = []
    for number in numbers:
        client, target = f"172.16.{cpu}.{2 + number % 250}", str(first + (cpu << 8) + number % 256)
        made.append(packet.ether(to, source, make(client, 1024 + number, target)))
    return made


def send(made, lane, ready=lambda: None):
    """Sends frames one right after the other: Python does nothing in between."""
    with lane:
        frames = bulk.Frames(lane.fileno(), len(made[0]), len(made))
        frames.put(made)
        ready()
        frames.send(len(made))


def on_cpu(cpu, work):
    """Forks a process that does some work on one CPU; returns its number."""
    child = os.fork()
    if not child:
        status = 1
        try:
            os.sched_setaffinity(0, {cpu})
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def exit_codes(children):
    """Waits for processes; returns how they ended."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def flood(network, each, begins=lambda: None):
    """Has one process on each CPU send that many first packets, all at the same time; returns their exit codes.

    `begins` is called when all are ready."""
    gate, opener = os.pipe()
    done, tell = os.pipe()

    def sender(cpu):
        os.close(opener)

        def ready():
            os.write(tell, b".")
            # Ends when the gate's other end is closed.
            os.read(gate, 1)

        send(frames(cpu, network, range(each)), open_lane(cpu), ready)

    children = [on_cpu(cpu, functools.partial(sender, cpu)) for cpu in range(CPUS)]
    os.close(tell)
    waiting = CPUS
    while waiting:
        # Nothing comes any more when all have ended before they were ready.
        waiting -= len(os.read(done, CPUS)) or waiting
    begins()
    for end in (opener, gate, done):
        os.close(end)
    return exit_codes(children)


def connections(d, mark):
    """Returns how many connections each server of a service has had, by the end of its address."""
    _, text = d.execute(f"ipvsadm -L -f {mark} -n --stats --exact")
    lines = [line.split() for line in text.splitlines() if "->" in line and "10.2.0." in line]
    return {int(words[1].split(":")[0].rpartition(".")[2]): int(words[2]) for words in lines}


def loaded(d, mark, arguments, weights, each):
    """Floods a service; returns what each server that may be chosen got, in the order of `weights`."""
    network = service(d, mark, arguments, weights)
    d.expect(f"{arguments}: all senders end well", flood(network, each) == [0] * CPUS)
    # Packets may still wait in the queue of a CPU when all are sent.
    d.wait(f"{arguments}: {CPUS * each} connections, not {connections(d, mark)}",
           lambda: sum(connections(d, mark).values()) == CPUS * each + 1, 10)
    found = connections(d, mark)
    d.expect(f"{arguments}: no server without weight is chosen", found[WEIGHTLESS] == 0)
    d.expect(f"{arguments}: no overloaded server is chosen", found[OVERLOADED] == 1)
    shares = [found[FIRST + number] for number in range(len(weights))]
    print(f"# {arguments}: {' '.join(map(str, shares))}", flush=True)
    return shares


def start(d):
    d.expect("there are four CPUs", len(os.sched_getaffinity(0)) == CPUS)
    d.expect("rvs loads", modprobe("rvs") == 0)
    lanes(d)


@case(suite="smp")
def rr_keeps_the_exact_share(d):
    start(d)
    shares = loaded(d, 1, "rr", (1, 5, 1, 7, 1), 4500)
    d.expect(f"the same for each, not {shares}", shares == [3600] * 5)


@case(suite="smp")
def wrr_keeps_the_exact_share(d):
    start(d)
    # The step between levels is 2: a cycle is 1 + 2 + 3 + 4 connections.
    shares = loaded(d, 1, "wrr", (4, 2, 8, 6), 4500)
    d.expect(f"by weight, not {shares}", shares == [3600, 1800, 7200, 5400])


def near(shares, wanted):
    """Whether shares are those of a CPU that sees the counts of a moment ago."""
    return all(abs(share - want) <= 2 * CPUS for share, want in zip(shares, wanted))


def all_have_some(shares):
    """Whether every server has a share."""
    return min(shares) > 0


HEAVY = (100, 200, 300)
# Schedulers: with which weights, and what the servers' shares of 600 connections are then.
OTHERS = (("lc", HEAVY, lambda shares: near(shares, (200, 200, 200))),
          ("wlc", HEAVY, lambda shares: near(shares, (100, 200, 300))),
          ("sed", HEAVY, lambda shares: near(shares, (100, 200, 300))),
          ("nq", HEAVY, lambda shares: near(shares, (100, 200, 300))),
          ("fo", HEAVY, lambda shares: shares == [0, 0, 600]),
          ("ovf", HEAVY, lambda shares: near(shares, (98, 201, 301)) and shares[1] > 200 and shares[2] > 300),
          ("twos", HEAVY, all_have_some), ("lblc", HEAVY, all_have_some), ("lblcr", HEAVY, all_have_some),
          ("sh -b sh-fallback", (1, 2, 3), all_have_some), ("mh -b mh-fallback", HEAVY, all_have_some))


@case(suite="smp")
def others_choose_no_server_that_must_not_be_chosen(d):
    start(d)
    for mark, (arguments, weights, fits) in enumerate(OTHERS, 1):
        shares = loaded(d, mark, arguments, weights, 150)
        d.expect(f"{arguments}: shares as they should be, not {shares}", fits(shares))


def seats(newest_first, network, each):
    """Returns how many connections each server gets by the address that they ask for."""
    counts = dict.fromkeys(newest_first, 0)
    for cpu in range(CPUS):
        for number in range(each):
            address = int(ipaddress.ip_address(network)) + (cpu << 8) + number % 256
            place = (address * 0x61C88647 & 0xFFFFFFFF) >> 24
            counts[newest_first[place % len(newest_first)]] += 1
    return counts


@case(suite="smp")
def dh_asks_no_other_server(d):
    start(d)
    newest_first = [15, 14, 13, WEIGHTLESS, OVERLOADED]
    network = service(d, 1, "dh", (1, 2, 3))
    wanted = seats(newest_first, network, 150)
    wanted.update({WEIGHTLESS: 0, OVERLOADED: 1})
    d.expect("all senders end well", flood(network, 150) == [0] * CPUS)
    d.wait("connections", lambda: sum(connections(d, 1).values()) >= sum(wanted.values()), 10)
    d.expect(f"each its addresses, {connections(d, 1)} {wanted}", connections(d, 1) == wanted)


# A point for each change, until it is ended.
CHANGES = "while :; do for name in wlc rr; do ipvsadm -E -f 1 -s $name && printf .; done; done"


def refused(d):
    """Returns how many errors the director has sent, and how many packets it has dropped."""
    names, values = [line.split() for line in d.read("/proc/thread-self/net/snmp").splitlines() if line.startswith("Icmp:")]
    return int(values[names.index("OutDestUnreachs")]), d.drops().total()


@case(suite="smp")
def a_change_of_scheduler_refuses_no_connection(d):
    start(d)
    each = 4500
    network = service(d, 1, "rr", (1, 1, 1))
    changing = d.start(["sh", "-c", CHANGES], "director")
    d.expect("the scheduler is changed", changing.stdout.read(1) == ".")
    os.set_blocking(changing.stdout.fileno(), False)

    def since():
        """Returns how many changes there were since the last call."""
        try:
            return len(os.read(changing.stdout.fileno(), 1 << 16))
        except BlockingIOError:
            return 0

    d.expect("all senders end well", flood(network, each, since) == [0] * CPUS)
    changes = since()
    d.wait("connections", lambda: sum(connections(d, 1).values()) == CPUS * each + 1, 10)
    changing.terminate()
    print(f"# {changes} changes of the scheduler, {CPUS * each} connections", flush=True)
    d.expect(f"it was so meanwhile, {changes} times", changes > 0)
    d.expect(f"no client is refused, no packet dropped: {refused(d)}", refused(d) == (0, 0))
