# SPDX-License-Identifier: GPL-2.0
"""Tables and plots of all rows but the packets: schedulers, growth, control plane, memory and listings."""
import plot

SUBJECTS = ("ip_vs", "rvs")


def number(value):
    return f"{value:,.0f}"


def pick(rows, **wanted):
    """Returns the row that has these values, or an empty one."""
    return next((row for row in rows if all(row.get(key) == value for key, value in wanted.items())), {})


def cell(row, key):
    """Returns a figure of a row, or why there is none."""
    if key in row:
        return number(row[key])
    if row and not {"refused", "none", "failed"} & set(row):
        return ""
    return "not served yet" if "refused" in row else "no server" if "none" in row else "failed"


SCHEDULERS_NOTE = """IPv4 TCP, VS/DR, conntrack off; instructions over plain forwarding of the same packets. *new*: one SYN that
makes a new connection (median). *life*: a connection from its SYN over the client's ACK and FIN to its end, with everything that
its states and its end cause in the scheduler (mean over 2,560 lives, each ended by the next SYN of the same addresses with
`conn_reuse_mode` 2). In the unbalanced cases the odd server is the one that was added first; *no server*: a hashing scheduler
does not look for another server than the one that the hash names."""


def schedulers(results):
    """Yields the parts of the schedulers' section."""
    rows = results["schedulers"]
    plain = pick(rows, subject="forward")
    made, cases = [], list(dict.fromkeys((row["scheduler"], row["servers"]) for row in rows if "scheduler" in row))
    for row in rows:
        if "new" in row and row is not plain:
            row.update({f"{key} over": row[key] - plain[key] for key in ("new", "life")})
    for scheduler, servers in sorted(cases, key=lambda case: case[0]):
        found = [pick(rows, subject=subject, scheduler=scheduler, servers=servers) for subject in SUBJECTS]
        what = f"{servers:,} servers" if isinstance(servers, int) and servers > 1 else "1 server" if servers == 1 else servers
        made.append([f"{scheduler}, {what}"] + [cell(row, key + " over") for key in ("new", "life") for row in found])
    yield SCHEDULERS_NOTE
    yield ["row", "ip_vs new", "rvs new", "ip_vs life", "rvs life"], made
    series = {}
    for subject in SUBJECTS:
        for scheduler in ("rr", "wlc"):
            points = [(row["servers"], row["life over"]) for row in rows if row.get("subject") == subject
                      and row.get("scheduler") == scheduler and "life over" in row and isinstance(row["servers"], int)]
            if points:
                series[f"{subject} {scheduler}"] = points
    yield plot.Lines("servers", "Instructions of a connection's life over forwarding", series, "servers of the service")


GROWTH_NOTE = """IPv4 UDP, VS/DR, conntrack off; ip_vs with `conn_tab_bits=20`; what the sender costs is subtracted, forwarding is
not. *established*: a packet of one of all connections, picked from everywhere (median). *new* by connections: the mean from the
row above to this one, with all that the table's growth takes meanwhile."""


COLUMNS = [(kind, subject) for kind in ("established", "new") for subject in SUBJECTS]


def by_size(rows, key):
    """Returns the table of rows that have a size."""
    sizes = list(dict.fromkeys(row[key] for row in rows))
    return ([key] + [f"{subject} {kind}" for kind, subject in COLUMNS],
            [[f"{size:,}"] + [cell(pick(rows, subject=subject, **{key: size}), kind) for kind, subject in COLUMNS] for size in sizes])


CHILDREN_NOTE = """As above, for a service with `-p 3000 -M 0.0.0.0`: its one template has all connections, which are its children. A packet
finds its connection without them, and a new connection is one more in the template's count: neither asks how many there are. (The
first rows of *new* include what is made once.)"""


def children(results):
    """Yields the parts of the section about one template."""
    yield CHILDREN_NOTE
    yield by_size(results["children"], "children")


def growth(results):
    """Yields the parts of the growth section."""
    yield GROWTH_NOTE
    for key in ("connections", "services"):
        rows, columns = results.get(key, []), COLUMNS
        yield by_size(rows, key)
        series = {f"{subject} {kind}": [(row[key], row[kind]) for row in rows if row["subject"] == subject and kind in row]
                  for kind, subject in columns}
        if all(series.values()):
            yield plot.Lines(key, f"Instructions per packet by {key}", series, key)


CONTROL_NOTE = """Thousands of instructions; each service has ten servers, one more has 1,000, scheduler wlc; ip_vs with
`conn_tab_bits=20`. Kernel side: the system calls of a netlink client that adds every service and server, lists all services and then
the servers of each (what `-S`, `-Ln` and `--stats` all ask for), adds one server to one of them, adds one to that of 1,000, and
flushes. *One of many servers*: the kernel's side of one
request, median of nine; with *mixed weights* the servers weigh 1 to 10, those that are removed and added again 1 to 9. Both
modules fill the table of mh, sh and dh anew at each of these changes that matters to it. Whole: the command from start to
end, user space and the start of the process included; ipvsadm makes the same requests."""
CONTROL = ("kernel restore", "kernel list", "kernel one server", "kernel one server of many", "kernel flush", "ipvsadm -R", "ipvsadm -S -n",
           "ipvsadm -Ln", "ipvsadm -Ln --stats")


CHANGES = {"weight": "another weight, and back", "removed": "removed", "added": "added again"}


def compared(title, found, key):
    """Returns a row of the table: a figure of both modules in thousands, and how they compare."""
    shown = [f"{row[key] / 1000:,.1f}" if key in row else cell(row, key) for row in found]
    both = all(key in row and row[key] > 0 for row in found)
    return [title, *shown, f"{100 * found[1][key] / found[0][key]:.0f} %" if both else ""]


def control(results):
    """Yields the parts of the control plane's section."""
    rows, made = results["control"], []
    for size in dict.fromkeys(row["services"] for row in rows):
        found = [pick(rows, subject=subject, services=size) for subject in SUBJECTS]
        made += [compared(f"{size:,} services: {key}", found, key) for key in CONTROL]
    rows = results.get("changes", [])
    for scheduler, many in dict.fromkeys((row["scheduler"], row["servers"]) for row in rows):
        found = [pick(rows, subject=subject, scheduler=scheduler, servers=many) for subject in SUBJECTS]
        made += [compared(f"{scheduler}, one of {many:,} servers: {title}", found, key) for key, title in CHANGES.items()]
    yield CONTROL_NOTE
    yield ["row", "ip_vs", "rvs", "rvs/ip_vs"], made


SIZE_NOTE = """ip_vs with `conn_tab_bits=20`. Memory is what the kernel has less after 10,000 services, a server for each, or 100,000
connections were added, tables and statistics of one CPU included, after 50,000 for persistent clients; each module is measured
in a boot of its own. A line of `/proc/net/ip_vs_conn` is one of 100,000, if nothing else is said. The stretches are those of
100,000 connections that expire by themselves, and of a service with 100,000 that is deleted (they expire afterwards),
*persistent*: of two clients with a template each. They are the longest run of softirqs, during which no other softirq can run,
and the longest that the timer's softirq had to wait when a tick raised it. In instructions; a nanosecond each in this guest."""


def size(results):
    """Yields the parts of the section on memory, listings and stretches."""
    rows = results.get("memory", []) + results.get("size", []) + results.get("many", [])
    made = []
    for what in dict.fromkeys(row["what"] for row in rows):
        found = [pick(rows, subject=subject, what=what) for subject in SUBJECTS]
        for key, title in (("bytes", "bytes of memory: {}"), ("each", "instructions of a {}"), ("left", "{}"), ("instructions", "instructions of a {}"),
                           ("run", "{}: longest run of softirqs"), ("wait", "{}: longest wait of the timer softirq")):
            if any(key in row for row in found):
                made.append([title.format(what), *(cell(row, key) for row in found)])
    yield SIZE_NOTE
    yield ["row", *SUBJECTS], made
