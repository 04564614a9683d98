# SPDX-License-Identifier: GPL-2.0
"""keepalived with configurations as published, in tests/keepalived: loaded, a server lost and found, reloaded, ended.

The director runs keepalived's checkers. Behind it one machine has every address of the real servers' networks and answers on
every port. A line `# reload:` of a configuration says, as a script for sed, what is changed in it before it is loaded again.
"""
import os
import pathlib
import re
import shutil

import topology
from cases import case
from real_servers import serve_pages

PUBLISHED = pathlib.Path(__file__).resolve().parents[2] / "keepalived"
HOME = pathlib.Path("/tmp/keepalived")
FAILING = HOME / "failing"
# Those of `make test`; the others are for nights.
QUICK = ("chef", "gue", "group", "ipv6-over-ipv4", "quorum")
NAMES = tuple(sorted(path.stem for path in PUBLISHED.glob("*.conf")))
CHOSEN = NAMES if os.environ.get("RVS_KEEPALIVED") else tuple(name for name in NAMES if name in QUICK)
# The networks of the real servers, and those of the virtual addresses as they see them.
SERVERS, SERVERS6, VIRTUAL, VIRTUAL6 = "198.51.100.0/24", "2001:db8:2::/64", "192.0.2.0/24", "2001:db8:1::/64"
ANSWERS = """table inet answers {
	set lost4 { type ipv4_addr; }
	set lost6 { type ipv6_addr; }
	chain prerouting { type nat hook prerouting priority -100; meta l4proto tcp redirect to :80; udp dport != 7 redirect to :7; }
	chain early { type filter hook prerouting priority -300;
		ip daddr @lost4 meta l4proto != tcp drop; ip6 daddr @lost6 meta l4proto != tcp drop; }
	chain refused { type filter hook input priority 0;
		ct original ip daddr @lost4 reject with tcp reset; ct original ip6 daddr @lost6 reject with tcp reset; }
}"""
# The longest that checks may take for each step, in seconds.
BRIEF = {"delay_loop": 2, "delay_before_retry": 1, "connect_timeout": 2}
SCRIPT = f"#!/bin/sh\nset -- $(basename $0) $*\n[ ! -e {FAILING} ] || set -- $* fails\necho $* >>{HOME}/scripts.log\n[ ! -e {FAILING} ]\n"


# --- the machines ---

def build(d):
    """Builds a director and, behind it, all real servers in one."""
    for name in ("director", "servers"):
        d.netns(name)
    topology.families(["director", "servers"], (topology.IPV4, topology.IPV6))
    topology.batch(["link add eth0 netns director type veth peer name eth0 netns servers"])
    for name, own, other in (("director", 1, 2), ("servers", 2, 1)):
        topology.batch(["link set lo up", "link set eth0 up", f"address add 203.0.113.{own}/24 dev eth0",
                        f"address add 2001:db8:f::{own}/64 dev eth0 nodad"], name)
    topology.batch([f"route add {SERVERS} via 203.0.113.2", f"route add {SERVERS6} via 2001:db8:f::2", "address add 192.0.2.254/32 dev lo",
                    "address add 192.0.2.88/32 dev lo", "address add 2001:db8:1::fe/128 dev lo nodad"], "director")
    topology.batch([f"route add local {SERVERS} dev lo", f"route add local {SERVERS6} dev lo",
                    f"route add {VIRTUAL} via 203.0.113.1", f"route add {VIRTUAL6} via 2001:db8:f::1"], "servers")
    topology.must("nft -f -", "servers", ANSWERS)
    serve_pages(d, "servers", "[::]:80 ipv6only=off")
    d.start("socat -T 1 UDP6-RECVFROM:7,fork,ipv6only=0 EXEC:cat", "servers")


def brief(text):
    """Cuts the times of checks: the guest's own time passes quickly, not for nothing."""
    for word, most in BRIEF.items():
        text = re.sub(rf"^(\s*{word}\s+)(\d+)", lambda found, most=most: found[1] + str(min(int(found[2]), most)), text, flags=re.M)
    return text


def prepare(name):
    """Copies a configuration and makes every script that it names."""
    shutil.rmtree(HOME, ignore_errors=True)
    shutil.copytree(PUBLISHED, HOME)
    text = brief((PUBLISHED / f"{name}.conf").read_text())
    (HOME / "keepalived.conf").write_text(text)
    everything = text + "".join(path.read_text() for path in (PUBLISHED / f"{name}.d").glob("*.inc"))
    for path in {pathlib.Path(found) for found in re.findall(r"(/[\w/.-]+\.sh)\b", everything)}:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SCRIPT)
        path.chmod(0o755)
    return text


# --- keepalived ---

def largest(text, *words):
    """Returns the largest number that follows one of the words."""
    return max([int(number) for word in words for number in re.findall(rf"^\s*{word}\s+(\d+)", text, re.M)], default=1)


class Keepalived:
    """keepalived on the director, and what it has said."""

    def __init__(self, d, text):
        self.d, self.read, self.told = d, 0, []
        self.log = HOME / "log"
        # Longer than any check of the configuration goes on before it decides.
        self.patience = 3 * largest(text, "delay_loop") + 2 + largest(text, "retry", "nb_get_retry") * (
            largest(text, "delay_before_retry") + largest(text, "connect_timeout"))
        self.process = d.start(f"keepalived -n -l -D -C -f {HOME}/keepalived.conf", "director", stdout=self.log.open("w"))

    def said(self):
        """Returns new lines without times and process numbers, sorted: checks run at times drawn by lot."""
        text = self.log.read_text()
        lines, self.read = text[self.read:].splitlines(), len(text)
        lines = [re.sub(r"^\w{3} \w{3} +\d+ [\d:]+ \d+: ", "", line) for line in lines]
        # How long it took says nothing of IPVS, and is told otherwise where a process was too short to be counted.
        lines = [line for line in lines if not line.startswith(("CPU usage", "Stopped - used"))]
        # How many servers there were when the quorum was reached depends on the order of the checks.
        lines = [re.sub(r"(Gained quorum \S+ <=) \d+", r"\1 *", line) for line in lines]
        return sorted(re.sub(r"(?i)\bpid\W*\d+|\bprocess \d+|\d+\.\d{3,}|\[\d+\]|\(\d+\)", "*", line) for line in lines)

    def settle(self, title):
        """Lets all checks run, and writes down what is configured and what was said."""
        self.d.quiet(self.patience)
        self.show(title)

    def show(self, title):
        """Writes down what is configured and what was said."""
        self.d.say(f"--- {title}")
        self.d.ipvsadm("-S -n")
        lines = self.said()
        self.told += lines
        self.d.lines += [f"  log: {line}" for line in lines]
        scripts = HOME / "scripts.log"
        self.d.lines += [f"  script: {line}" for line in sorted(set(scripts.read_text().splitlines()))] if scripts.exists() else []
        scripts.unlink(missing_ok=True)

    def end(self):
        """Ends keepalived as a service manager does."""
        self.process.terminate()
        self.process.wait()
        self.show("ended")
        self.d.expect("keepalived ends well", self.process.returncode == 0)
        self.d.expect("it has told of IPVS", any(" VS " in line for line in self.told))


def change(name, text):
    """Changes the configuration as it asks for."""
    for script in re.findall(r"^# reload: (.*)$", text, re.M):
        topology.must(["sed", "-i", script, str(HOME / "keepalived.conf")])
    return (HOME / "keepalived.conf").read_text()


def first_server(name, text):
    """Returns the address of the first real server and the name of its family's set."""
    everything = text + "".join(path.read_text() for path in sorted((PUBLISHED / f"{name}.d").glob("*.inc")))
    address = re.search(r"^\s*real_server (\S+)", everything, re.M)[1]
    return address, "lost6" if ":" in address else "lost4"


@case(rows=CHOSEN)
def as_published(d, name):
    build(d)
    text = prepare(name)
    running = Keepalived(d, text)
    running.settle("started")
    address, lost = first_server(name, text)
    topology.must(f"nft add element inet answers {lost} {{ {address} }}", "servers")
    FAILING.touch()
    running.settle(f"{address} is lost")
    topology.must(f"nft flush set inet answers {lost}", "servers")
    FAILING.unlink()
    running.settle("it is back")
    d.expect("something is changed", change(name, text) != text)
    running.process.send_signal(1)
    running.settle("loaded again")
    running.end()
