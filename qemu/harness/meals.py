# SPDX-License-Identifier: GPL-2.0
"""Commands and packets that need memory in ways which the packets of the generator do not."""
import contextlib
import errno
import pathlib
import socket

import faults
import generator
import genl
import packet
import topology
from hunger import Commands, Packets, goes_on
from packet import ACK, SYN
from topology import IPV4

# More connections than a table has buckets at first.
PORTS = range(10000, 11200)
ELSEWHERE = {4: "10.2.0.12", 6: "fd02::12"}


# --- commands ---

def service(plan, port, scheduler="rr", **more):
    """Returns a SERVICE nest of the first virtual address."""
    six = plan.family == 6
    key = dict(ADDR=genl.address(plan.vips[0]), PORT=genl.port(port), NETMASK=genl.u32(128 if six else 0xFFFFFFFF),
               AF=genl.u16(10 if six else 2), SCHED_NAME=scheduler.encode() + b"\0")
    return genl.service(**{**key, **more})


def dest(plan, number, port, **more):
    """Returns a DEST nest of one of many servers."""
    address = genl.address(plan.server(number))
    return genl.dest(ADDR=address, PORT=genl.port(port), ADDR_FAMILY=genl.u16(10 if plan.family == 6 else 2), **more)


def write_sysctl(name, file, value):
    """Writes a sysctl of the module; returns the errno."""
    with topology.inside(name):
        try:
            with open(f"/proc/sys/net/ipv4/vs/{file}", "w") as opened:
                opened.write(value)
        except OSError as error:
            return error.errno
    return 0


def first_service(journal):
    """The first service of a namespace, whose table of connections is made with it."""
    for scheduler in ("mh", "lblc"):
        in_fresh_namespace(journal, f"the first service, {scheduler}", [(genl.NEW_SERVICE, service(IPV4, 80, scheduler))], errno.EEXIST)


def first_removed(journal):
    """The first removed server of a namespace, which keeps those in a list."""
    one = service(IPV4, 80)
    end = one + dest(IPV4, 0, 80)
    orders = [(genl.NEW_SERVICE, one), (genl.NEW_DEST, end), (genl.DEL_DEST, end)]
    in_fresh_namespace(journal, "the first removed server", orders, errno.ENOENT)


def in_fresh_namespace(journal, what, orders, done):
    """Starves the last of some commands in a new namespace; `done` is the error of the same a second time."""
    def play(places):
        topology.add("fresh")
        # Until a namespace has an address, the kernel takes all others for broadcasts.
        topology.flag("fresh", "lo", topology.UP)
        with topology.inside("fresh"):
            client = genl.Client()
        for order in orders[:-1]:
            first = client.request(*order)
            if first.error:
                journal.complain(f"{what}, with memory: {first}")
        armed = faults.Armed(places)
        answer = client.request(*orders[-1])
        asked = armed.disarm()
        again = client.request(*orders[-1])
        client.close()
        topology.remove(["fresh"])
        return (answer, again), asked

    def judge(site, answers):
        answer, again = answers
        journal.note([site["name"]], f"{what}: {genl.error_name(answer.error)}")
        refused = answer.error == errno.ENOMEM and answer.extack and again.error == 0
        went_on = answer.error == 0 and again.error == done and goes_on(journal, [site["name"]])
        if not refused and not went_on:
            journal.complain(f"{what}, {site['name']}: {answer}, then {again}")
    journal.starve(play, judge)


def many_at_once(commands):
    """Lists that grow, all in one go: what is refused is asked for again, and in the end all is there."""
    journal, client = commands.journal, commands.client
    one = service(IPV4, 2000, "mh")
    orders = [one] + [one + dest(IPV4, number, 2000) for number in range(70)] + [service(IPV4, 5000 + number) for number in range(40)]

    def play(places):
        refused, went_wrong = 0, []
        armed = faults.Armed(places)
        for order in orders:
            command = genl.NEW_DEST if len(order) > len(one) else genl.NEW_SERVICE
            answer = client.request(command, order)
            if answer.error == errno.ENOMEM and answer.extack:
                refused += 1
                answer = client.request(command, order)
            if answer.error:
                went_wrong.append(answer)
        count = len(commands.state())
        client.request(genl.ZERO)
        client.request(genl.FLUSH)
        return (refused, went_wrong, count), armed.disarm()

    usual, _ = play([{"offset": 0, "call": ""}])

    def judge(site, outcome):
        refused, went_wrong, count = outcome
        journal.note([site["name"]], f"many at once: {refused} refused")
        if went_wrong or count != usual[2] or (not refused and not goes_on(journal, [site["name"]])):
            journal.complain(f"many at once, {site['name']}: {outcome}")
    journal.starve(play, judge)


# --- packets ---

def opened(packets, port, scheduler, options=""):
    """Returns what opens a connection to a service of its own; the service is added."""
    world = packets.world
    end = world.near.end(world.vip, port)
    packets.d.control(f"-A -t {end} -s {scheduler} {options}",
                      *(f"-a -t {end} -r {world.far.end(server, port)} -m" for server in world.far.servers[:2]))

    def act():
        flow = world.flow(dict(protocol="tcp"))
        client = world.near.clients[flow.port % 8]
        return (lambda: None), lambda: packets.put("client", packet.tcp(client, flow.port, world.vip, port, SYN))
    return act


def remembered(packets, client, port, scheduler):
    """Returns what opens a connection whose server the scheduler is to remember, by an address that it does not know yet."""
    act = opened(packets, port, scheduler)

    def again():
        for name in ("rr", scheduler):
            client.request(genl.SET_SERVICE, service(packets.world.near, port, name))
        return act()
    return again


def cut_up(packets):
    """A reply in fragments, which the kernel puts together in the module's hook; it counts those that it has no memory for."""
    d, journal = packets.d, packets.journal
    row = dict(families="4", method="nat", protocol="udp", direction="reply", state="established", field="fragments", checksum="full", buffer="linear")
    for site in [site for site in journal.places if site["call"] == "rvs_helper_ip_defrag"]:
        before = not_whole(d)
        (came, _), asked = packets.play(packets.act_of(row), [site])
        if asked:
            journal.note([site["name"]], "the kernel counts the fragment")
        if asked and (came["client"] or not_whole(d) != before + 1):
            journal.complain(f"a reply in fragments: {came}, {not_whole(d)} failures, {before} before")
    (came, _), _ = packets.play(packets.act_of(row))
    if not came["client"]:
        journal.complain(f"the next reply in fragments: {came}")


# What a reply to a client on this host is, by setup.
FORMS = {("4", "nat"): ("plain", "ESP", "an error"), ("6", "nat"): ("behind a header",)}


def to_own_client(packets, form):
    """Returns a reply to a client on this host, which the kernel does not copy before a hook sees it, as it does to forward one."""
    world = packets.world
    ends = world.server, world.near.near

    def act():
        flow = world.flow(dict(protocol="udp"))
        port, virtual, real = (generator.ISAKMP,) * 3 if form == "ESP" else (flow.port, generator.VIRTUAL, world.server_port)

        def opens():
            with topology.inside("director"):
                client = packets.client(socket.AF_INET if world.near.family == 4 else socket.AF_INET6)
            client.bind((world.near.near, port))
            client.sendto(b"request", (world.vip, virtual))
        data = {"plain": lambda: packet.udp(world.server, real, world.near.near, port, b"reply"),
                "behind a header": lambda: packet.udp(world.server, real, world.near.near, port, b"reply", extensions=(packet.destination(),)),
                "ESP": lambda: packet.ip(*ends, generator.ESP, bytes(16)),
                "an error": lambda: packet.unreachable(*ends, packet.udp(world.near.near, port, world.server, real, b"request"))}[form]()
        return opens, lambda: packets.put("servers", data)
    return act


def not_whole(d):
    """Returns how often the kernel could not put fragments of IPv4 together."""
    names, values = [line.split() for line in d.read("/proc/thread-self/net/snmp").splitlines() if line.startswith("Ip:")]
    return int(values[names.index("ReasmFails")])


def calls(packets, size):
    """Returns what opens a call of SIP, and what a server begins; size: of each message, in pages if it is a long one."""
    world = packets.world
    linear = 34 if size > 4096 else 0

    def message(flow):
        return f"INVITE sip:x@host SIP/2.0\r\nCall-ID: {flow.port}@host\r\nCSeq: 1 INVITE\r\n\r\n".encode().ljust(size)

    def by_client():
        flow = world.flow(dict(protocol="udp"))
        data = packet.udp(flow.client, flow.port, world.vip, 5060, message(flow))
        return (lambda: None), lambda: packets.put("client", data, linear=linear)

    def by_server():
        flow = world.flow(dict(protocol="udp"))
        data = packet.udp(world.server, 5060, flow.client, flow.port, message(flow))
        return (lambda: None), lambda: packets.put("servers", data, linear=linear)
    return by_client, by_server


def past(packets):
    """Returns a packet that goes past all servers: of a service by mark that has none."""
    d, world = packets.d, packets.world
    six = world.near.family == 6
    d.sysctl("cache_bypass", 1)
    d.control(f"-A -f 7{' -6' * six} -s rr")
    d.rules("table inet t { chain c { type filter hook prerouting priority -150; iifname eth0 udp dport 77 meta mark set 7; }; }\n")
    ip = "ip -6" if six else "ip"
    topology.must(f"{ip} rule add fwmark 7 lookup 100", "director")
    topology.must(f"{ip} route add local {'::/0' if six else '0.0.0.0/0'} dev lo table 100", "director")

    def act():
        flow = world.flow(dict(protocol="udp"))
        there = ELSEWHERE[world.near.family]
        return (lambda: None), lambda: packets.put("client", packet.udp(flow.client, flow.port, there, 77, b"request"))
    return act


def growth(packets):
    """The table of connections is to grow, which a worker does."""
    world, d, journal = packets.world, packets.d, packets.journal
    end = world.near.end(world.vip, 7000)
    d.control(f"-A -u {end} -s rr", f"-a -u {end} -r {world.far.end(world.server, 7000)} -m")
    places = [site for site in journal.places if site["call"] == "rvs_helper_kvmalloc_spare"]
    before, armed = d.drops(), faults.Armed(places)
    for data in packet.series(packet.udp(world.near.clients[1], 0, world.vip, 7000, b"x"), PORTS):
        packets.put("client", data)
    d.quiet(3)
    if armed.disarm():
        journal.note([site["name"] for site in places], "the table stays as it is")
    lines = [line.split() for line in d.read("/proc/thread-self/net/ip_vs_conn").splitlines() if " 1B58 " in line]
    missing = set(PORTS) - {int(line[2], 16) for line in lines}
    if missing:
        journal.complain(f"{len(lines)} of {len(PORTS)} connections are there, without those of {missing}; {packets.came()} {d.drops() - before}")
    packets.came()


def about_outer(packets):
    """Returns an ICMP error, in pages, about the outer packet of a tunnel."""
    world = packets.world

    def act():
        flow = world.flow(dict(protocol="udp"))
        first = packet.udp(flow.client, flow.port, world.vip, 80, b"request", frag=0x4000)
        inner = packet.udp(flow.client, flow.port, world.vip, 80, b"request", frag=0x4000, ttl=63)
        outer = packet.ip(world.far.far, world.server, packet.IPIP, inner, frag=0x4000)
        error = packet.icmp(world.far.servers[4], world.far.far, 3, 4, 1300, outer + bytes(4300))
        return (lambda: packets.put("client", first)), lambda: packets.put("servers", error, linear=34)
    return act


def commands_after(packets, turns):
    """Commands about what packets have used: counters are zeroed, a server goes to the trash and comes back to another service."""
    commands = Commands(packets.d, packets.journal, turns)
    turns.aim()
    plan, port = packets.world.near, 6000
    one = service(plan, port)
    commands.ask("zero all that counted", genl.ZERO)
    commands.ask("zero a service that counted", genl.ZERO, one)
    commands.ask("remove a server that has connections", genl.DEL_DEST, one, dest(plan, 0, port), back=genl.NEW_DEST)
    commands.ask("bring it back", genl.NEW_DEST, one, dest(plan, 0, port), back=genl.DEL_DEST)
    commands.ask("remove a service that has connections", genl.DEL_SERVICE, one, back=genl.NEW_SERVICE)
    commands.client.request(genl.NEW_SERVICE, one)
    commands.ask("bring its server back", genl.NEW_DEST, one, dest(plan, 0, port), back=genl.DEL_DEST)
    commands.client.close()


def serve(packets, turns, setup):
    """Packets of a setup that the generator does not make, to services of their own."""
    world = packets.world
    if setup == ("4", "ipip"):
        packets.serve()
        packets.starve("about an outer packet", about_outer(packets))
        packets.d.control("-C")
    if setup[1] != "nat":
        return
    for number, options in enumerate(("", "-p 60")):
        packets.starve(f"rr {options}", opened(packets, 6000 + number, "rr", options))
    client = packets.d.client()
    for number, scheduler in enumerate(("lblc", "lblcr")):
        packets.starve(scheduler, remembered(packets, client, 6002 + number, scheduler))
    client.close()
    end = world.near.end(world.vip, 5060)
    packets.d.control(f"-A -u {end} -s rr -p 300 --pe sip -o", f"-a -u {end} -r {world.far.end(world.server, 5060)} -m")
    for size in (200, 4400):
        by_client, by_server = calls(packets, size)
        packets.starve(f"call of {size} bytes", by_client)
        packets.starve(f"call of a server, {size} bytes", by_server)
    commands_after(packets, turns)
    packets.tap()
    packets.starve("past all servers", past(packets))
    for tap in packets.taps:
        tap.close()
    packets.taps = []
    if world.near.family == 4:
        growth(packets)
    packets.d.control("-C")
    packets.d.sysctl("cache_bypass", 0)


# --- by interval ---

@contextlib.contextmanager
def every(number, cache_filter):
    """Has every so manyth request fail: in caches that are marked, or with the module on the stack."""
    places = faults.sites()
    if not cache_filter:
        faults.window(faults.base(), faults.base() + places[-1]["offset"] + 1)
    faults.put(faults.SLAB, cache_filter="NY"[cache_filter], interval=number, times=-1, probability=100)
    try:
        yield
    finally:
        faults.put(faults.SLAB, probability=0, interval=1, cache_filter="N")
        faults.window(*faults.EVERYWHERE)


def by_interval(d, journal, count=60):
    """Of packets for which every third request fails, each comes out or is counted."""
    packets = Packets(d, journal, ("4", "nat"))
    world = packets.world
    end = world.near.end(world.vip, 80)
    d.control(f"-A -t {end} -s rr", f"-a -t {end} -r {world.far.end(world.server, 80)} -m")
    packets.put("client", packet.tcp(world.near.clients[0], 1, world.vip, 80, SYN))
    packets.came()
    pathlib.Path("/sys/kernel/slab/rvs_conn/failslab").write_text("1")
    for what, reason, cached, flags in (("new connections", "no_connection", True, SYN), ("their packets", "no_memory", False, ACK)):
        before = d.drops()
        with every(3, cached):
            for port in range(40000, 40000 + count):
                packets.put("client", packet.tcp(world.near.clients[0], port, world.vip, 80, flags, ack=1))
        came, dropped = packets.came(), d.drops() - before
        print(f"# {what}: {came['servers']} of {count} came out, {dict(dropped)}", flush=True)
        # What has no connection is answered by this host.
        d.expect(f"{what} come out, are answered or are counted: {came} {dict(dropped)}", sum(came.values()) + sum(dropped.values()) == count)
        d.expect(f"some are dropped for {reason}, and some are not", dropped[reason] and came["servers"])
        packets.tap()
    packets.end()
