# SPDX-License-Identifier: GPL-2.0
"""Memory runs out: each place in the module that asks for some gets none once, on the debug kernel.

What needed it fails with ENOMEM, or the packet is dropped with a reason that is counted; what is there stays as it was, the same
command is served a moment later, and in the end nothing is lost. Places that are not reached are listed, with why.
"""
import contextlib
import functools
import struct

import faults
import generator
import genl
import meals
import sockopt
import topology
from cases import case
from hunger import Commands, Journal, Packets, goes_on
from modules import kmsg
from meals import dest, service
from storms import LONG, forget_leaks, leaks
from topology import IPV4, IPV6

SCHEDULERS = "rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos".split()
# How many places fail in `make test` at least.
FEW = 20
# What faults leave in the log beside what breaks: stacks, which end where the program was.
STACKS = r"Call Trace:|RIP: 0033:"
# Places that no fault of these kinds reaches, and why.
UNREACHED = {
    r"Box<linux::netfilter::Hooks|Box<rvs::dest::Trash|Vec<linux::rcu::Arc<rvs::dest::Dest>,.*reserve|HashIndex<u32>": "only tests of the module call it",
    r"store_checksum|leave_checksum|transmit::seal": "the same bytes were made writable a moment before",
    r"Skb>::wrap": "there is room for all headers, and no clone has them, since a moment before",
    r"Skb>::quoted|Quoted>::advance": "all headers, of what is quoted as well, were made linear before",
    r"from_server::receive": "the kernel has copied what a clone has, to forward it",
    r"Route>::to #3 rvs_helper_ip_route_output_key$": "the kernel has just found the same route, and keeps it",
    r"Route>::to #4": "without policies of IPsec the route is taken as it is",
    r"Stats>::new": "a copy that nothing calls: it is inlined wherever it is used",
    r"PerNet>::new.* rvs_helper_alloc_percpu$": "a namespace's few counters of rvs lie in the page that the kernel has just taken for its own",
    r"Dest>>::pin_init.* rvs_helper_alloc_percpu$": "a worker of the kernel keeps pages for counters ready",
}


# --- loading, and namespaces ---

def loading(d, journal, turns, most):
    """Requests for memory of loading the module fail, of a long row from one place the first and the last few."""
    number, loads, step, last = 1, 0, 1, None
    turns.aim(loaded=False)
    while loads < most:
        error, failed, names, stack = turns.take(number, faults.insert_module)
        loads += 1
        if error == "0":
            topology.must("rmmod rvs")
        if failed:
            journal.note(names, f"loading: {error}", stack)
            if error != "ENOMEM" and (error != "0" or stack and not goes_on(journal, names, stack)):
                journal.complain(f"loading, request {number}, {names or stack[-12:]}: {error}")
        if failed and names and names == last:
            # A row from one place: ever further.
            number, step = number + step, step * 2
        elif step > 1:
            # It went past the end of the row: back to where it was, and on in small steps.
            number, step, last = number - step // 2 + 1, 1, None
        elif not failed:
            break
        else:
            number, last = number + 1, names
    print(f"# loading asks {number - 1} times; it was tried {loads} times", flush=True)


def loading_again(journal):
    """The same for what is left, where it can be aimed at: the module is often loaded to where it was before."""
    def play(places):
        before = faults.base()
        topology.must("rmmod rvs")
        armed = faults.Armed(places, before)
        error = faults.insert_module()
        asked = armed.disarm()
        if error != "0":
            topology.must("modprobe rvs")
        print(f"# loaded to {before:#x}, then to {faults.base():#x}: {error} {asked}", flush=True)
        return error, asked

    def judge(site, error):
        journal.note([site["name"]], f"loading: {error}")
        if error != "ENOMEM" and not goes_on(journal, [site["name"]]):
            journal.complain(f"loading, {site['name']}: {error}")
    journal.starve(play, judge)


def namespaces(journal, turns, first, most):
    """Requests for memory of making a namespace fail."""
    turns.aim()
    for number in range(first, first + most):
        error, failed, names, stack = turns.take(number, faults.make_namespace)
        if not failed:
            return error
        journal.note(names, f"namespace: {error}", stack)
        if error != "ENOMEM" and (error != "0" or stack and not goes_on(journal, names, stack)):
            journal.complain(f"namespace, request {number}, {names or stack[-12:]}: {error}")
    return faults.make_namespace()


# --- commands ---

def schedulers(commands, plans):
    """Services of schedulers, with servers that come, change and go."""
    for plan, names in plans:
        for place, name in enumerate(names):
            port = 1000 + place
            key = service(plan, port)
            commands.ask(f"add {name}", genl.NEW_SERVICE, service(plan, port, name), back=genl.DEL_SERVICE)
            for number in range(2):
                commands.ask(f"server of {name}", genl.NEW_DEST, key, dest(plan, number, port), back=genl.DEL_DEST)
            commands.ask(f"weight for {name}", genl.SET_DEST, key, dest(plan, 1, port, WEIGHT=genl.u32(3)))
            commands.ask(f"change {name}", genl.SET_SERVICE, service(plan, port, names[place - 1]))
            commands.ask(f"change to {name}", genl.SET_SERVICE, service(plan, port, name))
            commands.ask(f"zero {name}", genl.ZERO, key)
            commands.ask(f"remove a server of {name}", genl.DEL_DEST, key, dest(plan, 0, port), back=genl.NEW_DEST)
            commands.ask(f"remove {name}", genl.DEL_SERVICE, service(plan, port, name), back=genl.NEW_SERVICE)


def kinds(commands):
    """Persistent services, of marks, with an engine; what is asked about them; the old socket options."""
    persistent = struct.pack("=II", 1, 0xFFFFFFFF)
    for plan in (IPV4, IPV6):
        mark = dict(FWMARK=genl.u32(7), ADDR=None, PORT=None, PROTOCOL=None)
        call = dict(PROTOCOL=genl.u16(17), PE_NAME=b"sip\0", FLAGS=persistent, TIMEOUT=genl.u32(60))
        for title, more in (("persistent", dict(FLAGS=persistent, TIMEOUT=genl.u32(60))), ("mark", mark), ("SIP", call)):
            one = service(plan, 3000, **more)
            commands.ask(title, genl.NEW_SERVICE, one, back=genl.DEL_SERVICE)
            commands.ask(f"its server: {title}", genl.NEW_DEST, one, dest(plan, 0, 3000), back=genl.DEL_DEST)
            commands.ask(f"one service: {title}", genl.GET_SERVICE, one)
    commands.ask("list services", genl.GET_SERVICE, dump=True)
    commands.ask("list servers", genl.GET_DEST, service(IPV4, 3000), dump=True)
    for title, command in (("settings", genl.GET_CONFIG), ("information", genl.GET_INFO), ("zero", genl.ZERO)):
        commands.ask(title, command)
    with topology.inside("director"):
        options = sockopt.Client()
    one, end = sockopt.service(port=4000), sockopt.dest(port=4000)
    commands.option("option: add", options, 1154, one, back=1156)
    commands.option("option: add server", options, 1159, one + end, back=1160)
    for title, option, question in (("services", 1154, bytes(16)), ("service", 1155, one), ("servers", 1156, sockopt.dests_question(1, port=4000))):
        commands.starve(f"option: list {title}", lambda: (options.get(option, question + bytes(200)).error in (12,) and 12, ""))
    options.close()
    commands.ask("remove all", genl.FLUSH)


def many_servers(commands, count):
    """A service with so many servers that its lists grow; every tenth of them is starved."""
    one = service(IPV4, 2000, "wlc")
    commands.ask("a large service", genl.NEW_SERVICE, one, back=genl.DEL_SERVICE)
    for number in range(count):
        if number % 10 == 9:
            commands.ask(f"server {number}", genl.NEW_DEST, one, dest(IPV4, number, 2000), back=genl.DEL_DEST)
        else:
            commands.client.request(genl.NEW_DEST, one + dest(IPV4, number, 2000))
    for number in range(200):
        more = service(IPV4, 5000 + number)
        if number % 10 == 9:
            commands.ask(f"service {number}", genl.NEW_SERVICE, more, back=genl.DEL_SERVICE)
        else:
            commands.client.request(genl.NEW_SERVICE, more)
    commands.ask("remove all of many", genl.FLUSH)


# --- packets ---

def traffic(d, journal, setup, rows):
    """Packets of a setup."""
    packets = Packets(d, journal, setup)
    with faults.Turns(journal.places) as turns:
        meals.serve(packets, turns, setup)
    packets.serve()
    for row in rows:
        if row["buffer"] == "cloned":
            packets.tap()
        packets.starve(" / ".join(row.values()), packets.act_of(row))
    if LONG > 1 and setup == ("4", "nat"):
        meals.cut_up(packets)
    for form in meals.FORMS.get(setup, ()) if LONG > 1 else ():
        packets.starve(f"a reply to a client on this host, {form}", meals.to_own_client(packets, form))
    packets.end()


def few_rows():
    """Returns rows for `make test`: a reply in pages, and a request that another socket has as well."""
    usual = dict(families="4", method="nat", protocol="tcp", state="established", field="good", checksum="full")
    return [dict(usual, direction=direction, buffer=buffer) for direction, buffer in (("reply", "paged"), ("request", "cloned"))]


# What is rewritten on the way through NAT, in pages or of a clone: protocol, state, direction, buffer.
REWRITTEN = (("tcp", "established", "client's error", "cloned"), ("tcp", "established", "request", "paged"), ("tcp", "established", "reply", "paged"),
             ("tcp", "established", "server's error", "paged"), ("tcp", "established", "request", "cloned"),
             ("tcp", "established", "reply", "cloned"), ("tcp", "established", "server's error", "cloned"),
             ("udp", "established", "reply", "cloned"), ("sctp", "established", "reply", "cloned"), ("esp", "opened", "reply", "cloned"))


def all_rows():
    """Returns {setup: rows} in which every pair of values is, and what else is rewritten."""
    rows = generator.Plan("exhaustion", 1).rows
    for setup in (("4", "nat"), ("6", "nat")):
        rows[setup] += [dict(zip(generator.NAMES, (*setup, protocol, direction, state, "good", "full", buffer)))
                        for protocol, state, direction, buffer in REWRITTEN]
    return {setup: sorted(some, key=lambda row: row["buffer"] == "cloned") for setup, some in rows.items()}


# --- the whole ---

@functools.cache
def journal():
    """Returns what all cases write into."""
    return Journal(faults.sites())


@contextlib.contextmanager
def hungry(d):
    """Loads the module for a case, and judges in the end: all is well, the module goes, and nothing is lost."""
    kmsg(f"allow {STACKS}")
    faults.prepare()
    topology.must("modprobe rvs")
    forget_leaks()
    seen = len(journal().wrong)
    yield journal()
    d.close()
    d.names, d.ends = [], {}
    wrong = journal().wrong[seen:]
    d.expect(f"nothing is wrong {wrong[:20]}", not wrong)
    d.wait("the last namespace to be gone", lambda: open("/sys/module/rvs/refcnt").read() == "0\n")
    topology.must("rmmod rvs")
    found = leaks()
    d.expect(f"no lost memory {found[:3000]}", not found)


@case(suite="exhaustion")
def loading_fails(d):
    with hungry(d) as book, faults.Turns(book.places) as turns:
        topology.must("rmmod rvs")
        loading(d, book, turns, 5 if LONG == 1 else 400)
        topology.must("modprobe rvs")
        if LONG > 1:
            loading_again(book)


@case(suite="exhaustion")
def namespaces_fail(d):
    with hungry(d) as book, faults.Turns(book.places) as turns:
        made = namespaces(book, turns, 1, 5 if LONG == 1 else 200)
        d.expect(f"a namespace is made in the end: {made}", made == "0")


@case(suite="exhaustion")
def commands_are_refused(d):
    with hungry(d) as book, faults.Turns(book.places) as turns:
        d.wires(IPV4, IPV6)
        commands = Commands(d, book, turns)
        turns.aim()
        schedulers(commands, ((IPV4, SCHEDULERS), (IPV6, ("rr", "lblc", "mh"))) if LONG > 1 else ((IPV4, ("wrr",)),))
        if LONG > 1:
            kinds(commands)
            many_servers(commands, 300)
            commands.starve("list of CPUs", lambda: (meals.write_sysctl("director", "est_cpulist", "0"), ""))
            meals.first_service(book)
            meals.first_removed(book)
            meals.many_at_once(commands)
        commands.client.close()


@case(suite="exhaustion")
def every_third_request_fails(d):
    with hungry(d) as book:
        meals.by_interval(d, book)


@case(suite="exhaustion", rows=tuple(all_rows() if LONG > 1 else [("4", "nat")]))
def packets_are_dropped(d, setup):
    with hungry(d) as book:
        traffic(d, book, setup, all_rows()[setup] if LONG > 1 else few_rows())


@case(suite="exhaustion")
def every_place_failed_once(d):
    """Lists the places that were not reached, with why, and judges."""
    book, missing = journal(), []
    for site in book.places:
        if site["name"] in book.left():
            reason = faults.why(site, UNREACHED)
            missing += [] if reason else [site["name"]]
            print(f"# always had memory: {site['name']} ({site['call']}): {reason or 'not reached'}")
    for where in sorted(book.elsewhere):
        print(f"# no memory, at no place of the list: {where}")
    print(f"# {len(book.failed)} of {len(book.places)} places got no memory once", flush=True)
    d.expect(f"{FEW} places failed: {len(book.failed)}", len(book.failed) >= FEW)
    d.expect(f"every place failed {missing}", not missing or LONG == 1)
