#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One of several clients that change and list services at the same time, and a model of what must be there afterwards.

    changes.py NUMBER SECONDS persistent|plain   prints what the client did, as JSON

Three services are common to all clients: of `SERVERS` the servers come, go and are edited, and the service is; `SERVICE` itself
comes, goes and is edited. Each client has services of its own beside, about which it alone decides, so that it knows them exactly.
What is common is known as far as any order of the commands allows: what was added as often as removed is gone, what was added
once more is there, and a setting is one of those that some client made last.
"""
import collections
import json
import random
import struct
import sys
import time

import genl

VIP = "10.9.0.1"
# Protocol and port.
SERVERS, SERVICE, FIXED = ((6, 80), (17, 80)), (6, 81), tuple((6, 9000 + number) for number in range(20))
NUMBERS = range(11, 17)
SCHEDULERS = ("rr", "wlc", "sh", "lblc", "mh", "wrr")
REFUSED = ("EEXIST", "ENOENT", "ESRCH", "EINVAL")


def service(key, scheduler="rr", timeout=0, mask=0xFFFFFFFF):
    """Returns the nest of a service; with a timeout it is persistent."""
    return genl.service(PROTOCOL=genl.u16(key[0]), PORT=genl.port(key[1]), SCHED_NAME=scheduler.encode() + b"\0",
                        FLAGS=struct.pack("=II", int(timeout > 0), 0xFFFFFFFF), TIMEOUT=genl.u32(timeout), NETMASK=genl.u32(mask))


def server(number, weight=1, port=80):
    """Returns the nest of a server."""
    return genl.dest(ADDR=genl.address(f"10.2.0.{number}"), PORT=genl.port(port), WEIGHT=genl.u32(weight))


class Changer:
    """A client: what it did and what it was told."""

    def __init__(self, number, persistent):
        self.number, self.persistent, self.client = number, persistent, genl.Client()
        self.counts = collections.Counter()
        # By thing: added less removed, and the last setting that was taken.
        self.balance, self.last = collections.Counter(), {}
        self.own, self.faults = {}, []

    def tell(self, shared, command, *payload):
        """Sends a command; returns whether it was taken."""
        error = genl.error_name(self.client.request(command, b"".join(payload)).error)
        self.counts[error] += 1
        self.counts["commands"] += 1
        self.counts["shared"] += shared
        if error != "0" and error not in REFUSED:
            self.faults.append(f"{genl.command_name(command)}: {error}")
        return error == "0"

    def settings(self):
        """Returns settings of a service by lot: scheduler, timeout, mask."""
        timeout = random.choice((0, 1, 2, 300)) if self.persistent else 0
        return random.choice(SCHEDULERS), timeout, random.choice((0xFFFFFFFF, 0x00FFFFFF))

    def common_server(self):
        key, number, weight = random.choice(SERVERS), random.choice(NUMBERS), random.randrange(10)
        thing = f"{key[0]}:{key[1]} {number}"
        kind = random.choice((genl.NEW_DEST, genl.NEW_DEST, genl.SET_DEST, genl.DEL_DEST))
        if self.tell(True, kind, service(key), server(number, weight)):
            self.note(thing, kind == genl.NEW_DEST, kind == genl.DEL_DEST, weight)

    def common_service(self):
        key = random.choice(SERVERS + (SERVICE,) * 2)
        kinds = (genl.NEW_SERVICE, genl.SET_SERVICE, genl.DEL_SERVICE) if key == SERVICE else (genl.SET_SERVICE,)
        kind, settings = random.choice(kinds), self.settings()
        if self.tell(True, kind, service(key, *settings)):
            self.note(f"{key[0]}:{key[1]}", kind == genl.NEW_SERVICE, kind == genl.DEL_SERVICE, settings)

    def note(self, thing, added, removed, setting):
        self.balance[thing] += added - removed
        if not removed:
            self.last[thing] = setting

    def own_service(self):
        key = (6, 1000 + 100 * self.number + random.randrange(3))
        have, settings = self.own.get(key), self.settings()
        kind = random.choice((genl.NEW_SERVICE, genl.SET_SERVICE, genl.DEL_SERVICE))
        taken = self.tell(False, kind, service(key, *settings))
        if taken != ((have is None) == (kind == genl.NEW_SERVICE)):
            self.faults.append(f"{genl.command_name(kind)} of its own {key}: {taken}")
        if taken and kind == genl.DEL_SERVICE:
            del self.own[key]
        elif taken:
            self.own[key] = (list(settings), (have or (None, {}))[1])

    def own_server(self):
        key, number, weight = (6, 1000 + 100 * self.number + random.randrange(3)), random.choice(NUMBERS), random.randrange(10)
        kind = random.choice((genl.NEW_DEST, genl.SET_DEST, genl.DEL_DEST))
        taken = self.tell(False, kind, service(key), server(number, weight))
        have = self.own.get(key, (None, {}))[1]
        if taken != (key in self.own and (number in have) == (kind != genl.NEW_DEST)):
            self.faults.append(f"{genl.command_name(kind)} of its own {key} {number}: {taken}")
        if taken and kind == genl.DEL_DEST:
            del have[number]
        elif taken:
            have[number] = weight

    def look(self):
        """Lists all services: what is there throughout is there once, and nothing twice."""
        self.counts["dumps"] += 1
        found = collections.Counter(key for key, _ in listed(self.client))
        for key in SERVERS + FIXED:
            if found[key] != 1:
                self.faults.append(f"a dump has {key} {found[key]} times")
        self.faults += [f"a dump has {key} {count} times" for key, count in found.items() if count > 1]

    def go_on(self, seconds):
        """Does something by lot until the time is over."""
        end = time.monotonic() + seconds
        kinds = (self.common_server,) * 5 + (self.common_service,) * 2 + (self.own_service,) * 2 + (self.own_server,) * 3
        while time.monotonic() < end and len(self.faults) < 20:
            for _ in range(10):
                random.choice(kinds)()
            self.look()

    def text(self):
        """Returns all of it as JSON."""
        own = [[list(key), settings, sorted(servers.items())] for key, (settings, servers) in sorted(self.own.items())]
        return json.dumps({"counts": self.counts, "balance": self.balance, "last": self.last, "own": own, "faults": self.faults})


def fields(payload, nest):
    """Returns the attributes of the first nest of a message, by name."""
    kind = genl.NUMBERS["top"][nest]
    inner = next(value for number, value in genl.parse(payload) if number & 0x3FFF == kind)
    return {genl.NAMES[nest].get(number & 0x3FFF): value for number, value in genl.parse(inner)}


def listed(client):
    """Yields ((protocol, port), settings) of every service that a dump has."""
    for message in client.dump(genl.GET_SERVICE).messages:
        found = fields(message.payload, "SERVICE")
        timeout, mask = (struct.unpack("=I", found[name])[0] for name in ("TIMEOUT", "NETMASK"))
        key = struct.unpack("=H", found["PROTOCOL"])[0], struct.unpack("!H", found["PORT"])[0]
        persistent = struct.unpack("=I", found["FLAGS"][:4])[0] & 1
        yield key, [found["SCHED_NAME"].rstrip(b"\0").decode(), timeout if persistent else 0, mask]


def servers_of(client, key):
    """Returns {number: weight} of a service."""
    found = [fields(message.payload, "DEST") for message in client.dump(genl.GET_DEST, service(key)).messages]
    return {one["ADDR"][3]: struct.unpack("=i", one["WEIGHT"])[0] for one in found}


def prepare(client):
    """Makes what is there throughout."""
    for key in SERVERS + FIXED:
        client.request(genl.NEW_SERVICE, service(key, timeout=300 if key in SERVERS else 0))


def disagreements(client, told):
    """Returns what of the final state no order of the commands explains."""
    balance, faults = collections.Counter(), []
    for one in told:
        balance.update(one["balance"])
        faults += one["faults"]
    there = dict(listed(client))
    if any(count not in (0, 1) for thing, count in balance.items()):
        faults.append(f"added and removed: {balance}")

    def check(thing, is_there, setting):
        made = [one["last"][thing] for one in told if thing in one["last"]]
        if is_there != bool(balance[thing]):
            faults.append(f"{thing} is there: {is_there}, and was added {balance[thing]} times more than removed")
        if is_there and setting not in made:
            faults.append(f"{thing} is {setting}, and was made {made}")
    for key in SERVERS:
        have = servers_of(client, key)
        if f"{key[0]}:{key[1]}" in {thing for one in told for thing in one["last"]}:
            balance[f"{key[0]}:{key[1]}"] = 1
            check(f"{key[0]}:{key[1]}", key in there, there.get(key))
        for number in NUMBERS:
            check(f"{key[0]}:{key[1]} {number}", number in have, have.get(number))
    check("{}:{}".format(*SERVICE), SERVICE in there, there.get(SERVICE))
    wanted = {tuple(key): (settings, dict(servers)) for one in told for key, settings, servers in one["own"]}
    have = {key: (settings, servers_of(client, key)) for key, settings in there.items() if 1000 <= key[1] < 9000}
    if wanted != have:
        faults.append(f"clients' own services: {have}, not {wanted}")
    return faults


if __name__ == "__main__":
    one = Changer(int(sys.argv[1]), sys.argv[3] == "persistent")
    one.go_on(float(sys.argv[2]))
    print(one.text())
