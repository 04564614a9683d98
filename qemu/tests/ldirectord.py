# SPDX-License-Identifier: GPL-2.0
"""ldirectord with real health checks: servers fail and are found again, the fallback server, quiescence, a reload, the end."""
import os
import pathlib
import re
import shutil

import topology
from cases import case
from real_servers import serve_pages

HOME = pathlib.Path("/tmp/ldirectord")
CONFIGURATION, LOG, PID = HOME / "lvs.cf", HOME / "log", pathlib.Path("/run/ldirectord.lvs.cf.pid")
# Hashes of Perl in the same order each time: servers are added in it.
RUN = f"env PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0 ldirectord {CONFIGURATION}"
GLOBAL = f'checktimeout=2\nnegotiatetimeout=2\ncheckinterval=2\nautoreload=no\nlogfile="{LOG}"\n'
EXTERNAL = f"#!/bin/sh\n[ ! -e {HOME}/failing-$3 ]\n"
NAMES = ("server1", "server2")
# What it says when a round of checks comes between the change of its file and the command to load it.
BETWEEN = ("has changed on disk", "ignore new configuration")
# Those of `make test`; the others are for nights.
QUICK = ("negotiate", "connect", "mark")

# What is checked and how: a virtual server, and what a reload makes of it.
KINDS = {
    "negotiate": ('quiescent=no\nvirtual=10.9.0.1:80\n\treal=10.2.0.11:80 masq 2\n\treal=10.2.0.12:80 masq 1 "/" "server2"\n'
                  '\tfallback=127.0.0.1:80 gate\n\tservice=http\n\trequest="/"\n\treceive="server"\n\tscheduler=wrr\n\tprotocol=tcp\n'
                  '\tchecktype=negotiate\n', {"masq 2": "masq 5", "=wrr": "=wlc"}),
    "connect": ('quiescent=yes\nvirtual=10.9.0.1:80\n\treal=10.2.0.11:80 masq 1\n\treal=10.2.0.12:80 masq 1\n\tfallback=127.0.0.1:80 gate\n'
                '\tscheduler=rr\n\tpersistent=60\n\tnetmask=255.255.255.0\n\tprotocol=tcp\n\tchecktype=connect\n',
                {"quiescent=yes": "quiescent=no", "persistent=60": "persistent=90", "masq 1\n\tfall": "masq 7\n\tfall"}),
    "external": ('quiescent=yes\nreaddquiescent=yes\nvirtual=10.9.0.1:80\n\treal=10.2.0.11->10.2.0.12:80 masq 3\n\tfallback=127.0.0.1:80 gate\n'
                 f'\tscheduler=sed\n\tprotocol=tcp\n\tchecktype=external\n\tcheckcommand="{HOME}/check.sh"\n',
                 {"=sed": "=mh", "11->10.2.0.12": "11", "masq 3": "ipip 4"}),
    "mark": ('quiescent=no\nvirtual=7\n\treal=10.2.0.11 masq 1\n\treal=10.2.0.12 masq 1\n\tfallback=127.0.0.1 gate\n\tscheduler=rr\n'
             '\tprotocol=fwm\n\tchecktype=connect\n\tcheckport=80\n', {"12 masq 1": "12 masq 4", "=rr": "=wrr\n\tpersistent=30"}),
    "ipv6": ('quiescent=yes\nvirtual6=[fd09::1]:80\n\treal6=[fd02::11]:80 masq 1\n\treal6=[fd02::12]:80 masq 2\n\tscheduler=wrr\n'
             '\tprotocol=tcp\n\tchecktype=connect\n', {"quiescent=yes": "quiescent=no", "masq 2": "masq 3"}),
    "two": ('quiescent=no\ncleanstop=no\nfork=yes\nvirtual=10.9.0.1:80\n\treal=10.2.0.11:80 masq 1\n\treal=10.2.0.12:80 masq 1\n'
            '\tscheduler=lc\n\tprotocol=tcp\n\tchecktype=connect\nvirtual=10.9.0.2:53\n\treal=10.2.0.11:53 gate 3\n\tprotocol=udp\n\tchecktype=on\n',
            {"virtual=10.9.0.2:53": "virtual=10.9.0.2:54", "gate 3": "ipip 3"}),
}


class Daemon:
    """ldirectord as it puts itself in the background, and what it has said."""

    def __init__(self, d, kind):
        self.d, self.read, self.told = d, 0, []
        self.text = GLOBAL + KINDS[kind][0]
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir()
        (HOME / "check.sh").write_text(EXTERNAL)
        (HOME / "check.sh").chmod(0o755)
        CONFIGURATION.write_text(self.text)
        d.started.append(self)
        self.command("start")
        d.wait("its process", lambda: PID.exists() and PID.read_text().strip())

    def command(self, word):
        """Gives a command to the running one, as a service manager does."""
        code, output = self.d.execute(f"{RUN} {word}")
        self.d.say(f"ldirectord {word}: exit {code} {self.plain(output)}")

    def kill(self):
        """Removes what a failed case has left; its processes are those of its namespaces, which end with them."""
        PID.unlink(missing_ok=True)

    def wait(self):
        """As of a process: it is no child of ours."""

    @staticmethod
    def plain(text):
        """Returns text without times and process numbers."""
        return re.sub(r"^\[[^|\]]*\|[^|]*\|\d+\] ", "", re.sub(r"(?i)pid\W*\d+", "pid *", text), flags=re.M)

    def show(self, title):
        """Writes down what is configured and what was said."""
        self.d.say(f"--- {title}")
        self.d.ipvsadm("-S -n")
        text = LOG.read_text()
        lines, self.read = self.plain(text[self.read:]).splitlines(), len(text)
        lines = [line for line in lines if not line.endswith(BETWEEN)]
        self.told += lines
        self.d.lines += [f"  log: {line}" for line in lines]

    def settle(self, title):
        """Lets a few rounds of checks pass before it writes down."""
        self.d.quiet(9)
        self.show(title)

    def reload(self, changes):
        """Loads a configuration that has changed."""
        for old, new in changes.items():
            assert old in self.text, old
            self.text = self.text.replace(old, new)
        CONFIGURATION.write_text(self.text)
        self.command("reload")

    def end(self):
        """Ends it, and waits until it has gone."""
        self.command("stop")
        self.d.wait("its end", lambda: not PID.exists())
        self.show("ended")
        self.d.expect("it has told of servers", any("real server:" in line for line in self.told))


# --- the machines ---

def build(d, kind):
    """Builds a client, a director with a page of its own, and two servers."""
    plan = topology.IPV6 if kind == "ipv6" else topology.IPV4
    d.hosts(1, 2, plan)
    if kind == "ipv6":
        # All are on one link: the director tells servers, which answer by way of it, that they could do without.
        for name in ("client1", *NAMES):
            topology.set_sysctls(name, [("ipv6/conf/all/accept_redirects", 0), ("ipv6/conf/eth0/accept_redirects", 0)])
    for name in ("director", *NAMES):
        serve_pages(d, name, "[::]:80 ipv6only=off" if kind == "ipv6" else "80")
    if kind == "mark":
        d.rules("add table ip t; add chain ip t early { type filter hook prerouting priority -150; }; "
                "add rule ip t early ip daddr 10.9.0.1 tcp dport 80 meta mark set 7")


def nft(where, rules):
    """Gives rules of nftables to a machine."""
    topology.must("nft -f -", where, rules)


def lose(kind, number):
    """Lets the checks of a server fail."""
    if kind == "external":
        (HOME / f"failing-10.2.0.1{number}").touch()
    else:
        nft(f"server{number}", "add table inet lost; add chain inet lost input { type filter hook input priority 0; }; "
                   "add rule inet lost input tcp dport 80 reject with tcp reset")


def find(kind, number):
    """Lets them succeed again."""
    if kind == "external":
        (HOME / f"failing-10.2.0.1{number}").unlink()
    else:
        nft(f"server{number}", "delete table inet lost")


def ask(d, kind, times=4):
    """Has the client ask; writes down what served it."""
    where = "[fd09::1]" if kind == "ipv6" else "10.9.0.1"
    served = [d.execute(f"curl -sS -g -m 3 http://{where}/", "client1")[1].strip() for _ in range(times)]
    served = ["none" if text.startswith("curl:") else text for text in served]
    d.say(f"served by {' '.join(sorted(served))}")
    return set(served)


@case(rows=tuple(KINDS) if os.environ.get("RVS_KEEPALIVED") else QUICK)
def servers_fail_and_are_found_again(d, kind):
    build(d, kind)
    running = Daemon(d, kind)
    running.settle("started")
    d.expect("a server serves", ask(d, kind) <= set(NAMES))
    lose(kind, 2)
    running.settle("one is lost")
    ask(d, kind)
    lose(kind, 1)
    running.settle("both are lost")
    ask(d, kind)
    find(kind, 2)
    running.settle("one is back")
    ask(d, kind)
    find(kind, 1)
    running.settle("both are back")
    running.reload(KINDS[kind][1])
    running.settle("loaded again")
    running.command("status")
    running.end()
