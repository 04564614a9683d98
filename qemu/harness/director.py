# SPDX-License-Identifier: GPL-2.0
"""What a scenario has in hand: namespaces, ipvsadm, raw netlink, /proc, packets; everything goes into a transcript."""
import collections
import contextlib
import dataclasses
import os
import re
import time

import genl
import packet
import topology
import transcript
import wire

FLAGS = {"S": packet.SYN, "A": packet.ACK, "F": packet.FIN, "R": packet.RST, "P": packet.PSH, "U": packet.URG}


class Failed(Exception):
    """A condition of the scenario itself did not hold."""


@dataclasses.dataclass
class Request:
    """How a raw netlink request is made: as a dump, with flags; whether a handler answers it, and all of the answer is shown."""

    dump: bool = False
    flags: int = genl.F_ACK
    handler: bool = True
    show: bool = True


class Director:
    """The director of one case under one module."""

    def __init__(self, module):
        self.module, self.lines, self.faults, self.names, self.ends = module, [], [], [], {}
        self.started, self.more, self.plan = [], [], topology.IPV4

    # --- writing down what happens ---

    def say(self, text):
        """Adds text to the transcript."""
        self.lines += str(text).splitlines() or [""]

    def expect(self, what, condition):
        """Writes a fact down; if it does not hold the case fails, whatever the other module does."""
        self.say(f"expect {what}: {'yes' if condition else 'NO'}")
        if not condition:
            self.faults.append(f"expected {what}")

    def also(self, name, faults):
        """Reports a case that was found while this one ran."""
        self.more.append((name, faults))

    def only_rvs(self, what, condition):
        """Asserts something that only rvs promises; it is not part of the transcript."""
        if self.module == "rvs" and not condition:
            self.faults.append(f"expected of rvs: {what}")

    def wait(self, what, condition, seconds=60):
        """Waits until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise Failed(f"waited {seconds} s for: {what}")
            time.sleep(0.02)

    def quiet(self, seconds=5):
        """Lets time pass, for statistics to settle or time-outs to run; free under instruction counting."""
        time.sleep(seconds)

    # --- namespaces ---

    def wires(self, *plans):
        """Builds the director between two bare wires, for IPv4 or for the plans, and opens all ends."""
        self.plan = plans[0] if plans else topology.IPV4
        self.names += topology.wires(*plans)
        # A director that has IPv6 says unasked which multicast groups it is in.
        ignore = ("mld",) if any(plan.family == 6 for plan in plans) else ()
        for name in ("client", "servers"):
            self.ends[name] = wire.End(name, "eth0", ignore=ignore)

    def hosts(self, clients=1, servers=2, plan=topology.IPV4, quiet=True):
        """Builds clients, the director and servers with full stacks; quiet: the servers' ARP, see `topology.hosts`."""
        self.plan = plan
        self.names += topology.hosts(clients, servers, plan, quiet)

    def netns(self, name):
        """Adds an empty namespace."""
        topology.add(name)
        self.names.append(name)

    def bare(self):
        """A director without any wire, for IPv4: for control scenarios."""
        self.netns("director")
        topology.batch(["link set lo up"] + [f"address add {vip}/32 dev lo" for vip in topology.VIPS]
                       + ["address add 10.2.0.1/24 dev lo"], "director")

    def close(self):
        """Ends what the case has begun, all of it even if some of that fails."""
        with contextlib.ExitStack() as last:
            last.callback(topology.remove, self.names)
            if self.started:
                last.callback(topology.end_processes, self.names)
            for process in self.started:
                last.callback(process.wait)
                last.callback(process.kill)
            for end in self.ends.values():
                last.callback(end.close)

    # --- commands ---

    def execute(self, command, where="director", stdin=None):
        """Runs a command in a namespace; returns (exit code, output) without writing it down."""
        return topology.run(command, where, stdin)

    def run(self, command, where="director", stdin=None):
        """Runs a command and writes it, its output and its exit code down; returns its output."""
        code, output = self.execute(command, where, stdin)
        self.say(f"{where}# {command}")
        if output:
            self.say(output)
        self.say(f"exit {code}")
        return output

    def device_up(self, device, other):
        """Sets a device of the director up again, whose wire ends at `eth0` of another namespace; both ends can send then."""
        self.run(f"ip link set {device} up")
        topology.linked("director", device)
        topology.linked(other, "eth0")

    def rules(self, text):
        """Gives nftables rules to the director; a case that has others than it names proves nothing."""
        code, output = self.execute("nft -f -", stdin=text)
        self.expect(f"nftables takes the rules: {text}", (code, output) == (0, ""))

    def start(self, command, where, **more):
        """Starts a command that runs beside the scenario; it is ended with the case."""
        process = topology.start(command, where, **more)
        self.started.append(process)
        return process

    def ipvsadm(self, arguments, stdin=None):
        """Runs ipvsadm in the director; connection listings are sorted, their times tolerant."""
        code, output = self.execute("ipvsadm " + arguments, stdin=stdin)
        words = arguments.split()
        connections = any(re.fullmatch(r"-\w*[lL]\w*c\w*|-\w*c|--connection", word) for word in words) and words[0][1] in "Ll-"
        self.say(f"director# ipvsadm {arguments}")
        if output:
            self.lines += transcript.connection_table(output) if connections else output.splitlines()
        self.say(f"exit {code}")
        return output

    def control(self, *commands):
        """Runs several ipvsadm commands."""
        for command in commands:
            self.ipvsadm(command)

    # --- netlink ---

    def client(self, explained=True):
        """Returns a netlink client of the director, which is told why or not; see there."""
        with topology.inside("director"):
            return genl.Client(explained=explained)

    def request(self, title, command, *payload, **way):
        """Sends one raw request (see `Request`); writes its title and answer down. A refusal by a handler must explain itself in rvs."""
        way = Request(**way)
        client = self.client()
        try:
            body = b"".join(payload)
            answer = client.dump(command, body) if way.dump else client.request(command, body, way.flags)
        finally:
            client.close()
        self.say(f"genl {title}: {genl.command_name(command)}{' dump' if way.dump else ''}")
        lines = genl.text(answer) if way.show else [f"error {genl.error_name(answer.error)}"]
        self.lines += sorted_messages(lines) if way.dump and command == genl.GET_SERVICE else lines
        if way.handler and answer.error:
            self.only_rvs(f"a sentence with {genl.error_name(answer.error)} for {title}", answer.extack)
        return answer

    # --- files ---

    def read(self, path, where="director"):
        """Returns a file as a process in the namespace sees it; an error as its name."""
        with topology.inside(where):
            try:
                with open(path, errors="backslashreplace") as file:
                    return file.read()
            except OSError as error:
                return f"{genl.error_name(error.errno)}\n"

    def proc(self, name, where="director"):
        """Writes /proc/net/NAME down, normalised as comparing needs it."""
        text = self.read(f"/proc/thread-self/net/{name}", where)
        self.say(f"{where}: /proc/net/{name}")
        if name.startswith("ip_vs_conn"):
            self.lines += transcript.connection_lines(text)
        elif name == "ip_vs":
            self.lines += transcript.service_blocks(text, 3)
        elif name == "ip_vs_status":
            # Which bucket holds how many depends on a random hash, and the threads on the speed of the machine.
            self.lines += [line for line in text.splitlines() if " len-" not in line and " empty" not in line and "Stats " not in line]
        else:
            self.lines += text.splitlines()
        return text

    def drops(self):
        """Returns {reason: count} of /proc/net/rvs_drops, which only rvs has."""
        return collections.Counter({reason: int(count) for reason, count in map(str.split, self.read("/proc/thread-self/net/rvs_drops").splitlines())})

    def sysctl(self, name, value=None, where="director"):
        """Reads a sysctl of net.ipv4.vs, or writes it; writes down what came of it."""
        path = f"/proc/sys/net/ipv4/vs/{name}"
        if value is None:
            text = self.read(path, where).strip()
            self.say(f"{where}: {name} = {text}")
            return text
        with topology.inside(where):
            result = "0"
            try:
                with open(path, "w") as file:
                    file.write(str(value))
            except OSError as error:
                result = genl.error_name(error.errno)
        self.say(f"{where}: {name} := {value}: {result}")
        return result

    # --- packets ---

    def captured(self, title="", wait=0.02):
        """Writes down what came out of every wire since the last time; returns the lines by namespace.

        wait: how long after a packet something may still come. Without it only what is ready to run does so; a sleep of
        any length costs as much as sending a packet.
        """
        if wait:
            time.sleep(wait)
        else:
            os.sched_yield()
        found = {name: end.received() for name, end in self.ends.items()}
        if title:
            self.say(f"packet {title}")
        for name, lines in found.items():
            for line in lines:
                self.say(f"  {name} < {line}")
        if not any(found.values()):
            self.say("  nothing came out")
        return found

    def send(self, where, data, title="", target=None, **offload):
        """Puts a packet on a wire towards the director and writes down what comes out of every wire."""
        near = where == "client"
        address, source = (self.plan.near, self.plan.clients[0]) if near else (self.plan.far, self.plan.servers[0])
        for piece in data if isinstance(data, list) else [data]:
            self.ends[where].send(topology.mac(target or address), topology.mac(source), piece, **offload)
        first = data[0] if isinstance(data, list) else data
        return self.captured(title or f"{where} > {packet.show(first)}")

    def counts(self, title="", spread=1):
        """Writes down active and inactive connections of every destination, and the connections themselves.

        A timer that has run out and was set again (a template that is held) has been late twice: its `spread` is more."""
        text = self.read("/proc/thread-self/net/ip_vs")
        self.say(f"counts {title}".rstrip())
        self.lines += ["  " + " ".join(line.split()) for line in transcript.service_blocks(text, 3)[3:]]
        self.lines += ["  " + line for line in transcript.connection_lines(self.read("/proc/thread-self/net/ip_vs_conn"), spread)[1:]]


def sorted_messages(lines):
    """Sorts the messages of a dump, whose order is the hash's."""
    blocks, current = [], [lines[0]]
    for line in lines[1:]:
        if not line.startswith(" "):
            blocks.append(current)
            current = []
        current.append(line)
    blocks.append(current)
    return blocks[0] + [line for block in sorted(blocks[1:]) for line in block]


@dataclasses.dataclass
class Conversation:
    """One scripted TCP connection through the director: steps like "> S" (client) and "< SA" (server)."""

    director: Director
    client: str = topology.CLIENTS[0]
    sport: int = 40000
    vip: str = topology.VIPS[0]
    port: int = 80
    server: str = topology.SERVERS[0]
    method: str = "nat"

    def step(self, script, **more):
        """Sends one packet and writes down what came out and the counts after it."""
        arrow, *rest = script.split()
        flags = sum(FLAGS[letter] for letter in (rest[0] if rest else "") if letter in FLAGS)
        if arrow == ">":
            data = packet.tcp(self.client, self.sport, self.vip, self.port, flags, seq=1000, ack=5000, **more)
            self.director.send("client", data, script)
        else:
            data = packet.tcp(self.server, self.port, self.client, self.sport, flags, seq=5000, ack=1001, **more)
            self.director.send("servers", data, script)
        self.director.counts()

    def play(self, *scripts):
        """Plays steps one after the other."""
        for script in scripts:
            self.step(script)
