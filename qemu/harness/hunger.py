# SPDX-License-Identifier: GPL-2.0
"""Commands and packets that get no memory: what each place did when it got none, and what is wrong about that."""
import errno
import random
import re
import socket

import faults
import genl
import generator
import topology
import wire

# The reasons that packets are dropped for when there is no memory.
TELLING = ("no_memory", "no_connection", "no_route")
OPTIONS = {"nat": "-m", "direct": "-g", "ipip": "-i", "gue": "-i --tun-type gue --tun-port 6080", "gre": "-i --tun-type gre"}
# The names of places that packets reach.
IN_PACKETS = r"skb::|packet::|::create|icmp::|route::|Vec<u8|lblc::|::pick|server_list|sched"
# Those that ask for a route of IPv6.
ROUTES = r"reroute$|Route>::to$"
# Places whose failure changes nothing for a command or a packet, and why.
UNSEEN = {
    r"transmit::look_up": "a route that is not remembered is looked up again",
    r"Service>::pick|ServerSet": "an address whose servers are not remembered is given one again by its next connection",
    r"List>::add_segment": "a table that does not grow is as good, and tries again",
    r"Skb>::pull ": "fewer bytes are made linear then, and hold the usual headers",
    r"Skb>::reroute ip6_route_me_harder$": "the kernel asks its next table of routes",
    r"alloc_workqueue$": "the checks of locks call a queue by its name alone",
    r"kmem_cache_create$": "the kernel shows a cache in no file, and it works",
    r"genl_register_family$": "a family of netlink is there, and only not announced",
    r"nf_unregister_net_hooks$": "hooks that are off stay in the kernel's list",
    r"route::kind": "an address whose route is not known is another host's, as with C",
    r"Trash>::put": "a removed server that is not kept is made anew when it returns",
}


def narrow(places, play, judge):
    """Looks for the places of a row that are reached."""
    outcome, asked = play(places)
    middle = len(places) // 2
    if asked and middle:
        narrow(places[:middle], play, judge)
        narrow(places[middle:], play, judge)
    elif asked:
        judge(places[0], outcome)


class Journal:
    """What each place did the first time that it got no memory, and what was wrong."""

    def __init__(self, places):
        self.places, self.failed, self.wrong, self.elsewhere = places, {}, [], set()

    def note(self, names, how, stack=()):
        """Writes down what the places on a stack did. There is none of a request that the kernel does not warn about: it has another way."""
        for name in names:
            if name not in self.failed:
                self.failed[name] = how
                print(f"# no memory for {name}: {how}", flush=True)
        if stack and not names:
            self.elsewhere.add(" < ".join(functions(line for line in stack if "[rvs]" in line)[:3]))

    def complain(self, what):
        """Writes down what is wrong."""
        self.wrong.append(what)
        print(f"# wrong: {what}", flush=True)

    def starve(self, play, judge, only=""):
        """Has places of some names fail that never did.

        play(places) returns (outcome, whether one of them asked); that of a single place is judged.
        """
        for row in faults.runs(self.places, {name for name in self.left() if re.search(only, name)}):
            narrow(row, play, judge)

    def left(self):
        """Returns the names of the places that always got memory."""
        return {site["name"] for site in self.places} - set(self.failed)


def goes_on(journal, names, stack=()):
    """Says whether what needs memory there can do without; at no place of the list, by the functions on the stack."""
    if not names:
        return any(re.search(pattern, call) for pattern in UNSEEN for call in functions(stack))
    return any(faults.is_array(site) or faults.why(site, UNSEEN) for site in journal.places if site["name"] in names)


def functions(stack):
    """Returns the names of the functions on a stack."""
    return [line.split("+0x")[0].split(" ")[-1] for line in stack]


class Commands:
    """Commands of one director, in each of which every request for memory fails once; then it is carried out."""

    def __init__(self, d, journal, turns):
        self.d, self.journal, self.turns, self.client = d, journal, turns, d.client()

    def state(self):
        """Returns the services and their servers, without how many connections these have now, and the table has room for."""
        lines = self.d.read("/proc/thread-self/net/ip_vs").splitlines()[1:]
        return [line.split()[:-2] if "->" in line else line for line in lines]

    def starve(self, what, send, undo=None, number=1):
        """Has each request of a command fail, the last time none; `send` returns (errno, sentence), of an option without one."""
        before = self.state()
        while number < 200:
            (error, sentence), failed, names, stack = self.turns.take(number, send)
            if not failed:
                break
            place = names or stack[-12:]
            if error == 0:
                if stack and not goes_on(self.journal, names, stack):
                    self.journal.complain(f"{what}, {place}: carried out all the same")
                undo() if undo else None
                before = self.state()
            elif error != errno.ENOMEM or sentence is None:
                self.journal.complain(f"{what}, {place}: {genl.error_name(error)} {sentence}")
            elif self.state() != before:
                self.journal.complain(f"{what}, {place}: refused, and yet something changed")
            self.journal.note(names, f"{what}: {genl.error_name(error)}" if error else f"{what}: went on", stack)
            number += 1
        if error:
            self.journal.complain(f"{what}, with memory: {genl.error_name(error)} {sentence}")

    def netlink(self, command, *payload, dump=False):
        """Returns what sends a command and returns (errno, sentence)."""
        body = b"".join(payload)

        def send():
            answer = self.client.dump(command, body) if dump else self.client.request(command, body)
            return answer.error, answer.extack
        return send

    def ask(self, what, command, *payload, back=None, dump=False):
        """Starves a command; `back` is the command that undoes it."""
        undo = self.netlink(back, *payload) if back else None
        self.starve(what, self.netlink(command, *payload, dump=dump), undo)

    def option(self, what, client, option, data, back=None):
        """Starves a socket option, which has no sentence."""
        self.starve(what, lambda: (client.set(option, data), ""), back and (lambda: client.set(back, data)))


class Packets:
    """A director of one setup; packets of which each place that one of them reaches gets no memory once."""

    def __init__(self, d, journal, setup):
        self.d, self.journal, self.world, self.taps, self.own = d, journal, generator.World(*setup), [], None
        d.wires(*self.world.plans)
        for name, device in (("client", "eth0"), ("servers", "eth0"), ("director", "eth0"), ("director", "eth1")):
            topology.batch([f"link set {device} mtu {generator.WIRE}"], name)
        self.routes = [f"route replace {network} dev {device} mtu lock {generator.ROUTE}" for plan in self.world.plans
                       for network, device in ((plan.near_network, "eth0"), (plan.far_network, "eth1"))]
        if setup == ("6", "nat"):
            # Replies go another way than the kernel finds for them before they come from the service.
            topology.must(f"ip -6 rule add from {self.world.vip} lookup 200", "director")
            self.routes.append(self.routes[0] + " table 200")
        topology.batch(self.routes, "director")

    def serve(self):
        """Adds the services that the rows of the generator are about."""
        world = self.world
        for letter, port in (("-t", generator.VIRTUAL), ("-u", generator.VIRTUAL), ("--sctp-service", generator.VIRTUAL),
                             ("-u", generator.ISAKMP)):
            service = f"{letter} {world.near.end(world.vip, port)}"
            real = port if port == generator.ISAKMP else world.server_port
            self.d.control(f"-A {service} -s rr", f"-a {service} -r {world.far.end(world.server, real)} {OPTIONS[world.method]}")

    def tap(self):
        """Has another socket get every packet, which is then cloned before its header is touched."""
        self.taps = self.taps or [wire.End("director", device) for device in ("eth0", "eth1")]

    def client(self, family):
        """Returns a client on this host; the last one ends."""
        if self.own:
            self.own.close()
        self.own = socket.socket(family, socket.SOCK_DGRAM)
        return self.own

    def put(self, side, data, **more):
        """Puts a packet, or its pieces, on a wire."""
        plan = self.world.near if side == "client" else self.world.far
        to, source = (plan.near, plan.clients[0]) if side == "client" else (plan.far, plan.servers[0])
        for piece in data if isinstance(data, list) else [data]:
            self.d.ends[side].send(topology.mac(to), topology.mac(source), piece, **more)

    def came(self):
        """Returns how many frames came out of each wire since the last time."""
        self.d.quiet(0.02)
        for tap in self.taps:
            tap.frames()
        return {name: len(end.frames()) for name, end in self.d.ends.items()}

    def act_of(self, row):
        """Returns what plays a row of the generator with a flow of its own: (what comes before, the packet)."""
        def act():
            flow = self.world.flow(row)
            side, data = generator.ready(row, flow, random.Random(0))
            partial = {"tcp": generator.TCP, "udp": generator.UDP}[row["protocol"]] if row["checksum"] == "partial" else None
            linear = 14 + 20 if row["buffer"] == "paged" else 0
            return (lambda: [self.put(*step) for step in generator.steps(row, flow)],
                    lambda: self.put(side, data, partial=partial, linear=linear))
        return act

    def play(self, act, places=()):
        """Plays a packet, while places get no memory; returns ((what came out, the drops), whether a place asked)."""
        before, fire = act()
        before()
        self.forget_routes()
        self.came()
        old = self.d.drops()
        armed = faults.Armed(places) if places else None
        fire()
        asked = armed.disarm() if armed else False
        return (self.came(), self.d.drops() - old), asked

    def forget_routes(self):
        """Has routes be looked up again, by the kernel as well; those of IPv6 while it is of use, as it takes longer."""
        topology.set_sysctl("director", "net/ipv4/route/flush", 1)
        if self.world.plans[-1].family == 6 and any(re.search(ROUTES, name) for name in self.journal.left()):
            topology.batch(self.routes, "director")

    def starve(self, what, act):
        """Has all places fail that a packet reaches and that never did; the next one is served as ever."""
        usual, _ = self.play(act)

        def judge(site, found):
            self.judge(f"{what}, {site['name']}", site, found, usual)
            again, _ = self.play(act)
            if again != usual:
                self.journal.complain(f"{what}, {site['name']}: the next packet: {again}, usually {usual}")
        self.journal.starve(lambda places: self.play(act, places), judge, IN_PACKETS)

    def judge(self, what, site, found, usual):
        """Says whether a packet that got no memory tells so by a reason, or went on where it could."""
        (came, dropped), (usual_came, usual_dropped) = found, usual
        reasons = [reason for reason in TELLING if dropped[reason] > usual_dropped[reason]]
        if not reasons and (came != usual_came or not faults.why(site, UNSEEN)):
            self.journal.complain(f"{what}: {came}, drops {dict(dropped)}, usually {usual_came}, drops {dict(usual_dropped)}")
        self.journal.note([site["name"]], ", ".join(reasons) or "went on")

    def end(self):
        """Ends the director."""
        for end in (*self.taps, *([self.own] if self.own else [])):
            end.close()
        self.d.close()
        self.d.names, self.d.ends = [], {}
