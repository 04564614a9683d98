# SPDX-License-Identifier: GPL-2.0
"""keepalived's health checks with real servers and traffic: a server fails and is found again, weights follow a script."""
import pathlib
import shutil

from cases import case
from keepalived import HOME, Keepalived
from real_servers import serve_pages
from serving import OTHER_SERVER, SERVER, VIP

SERVERS = (SERVER, OTHER_SERVER)
# What decides in each kind of check, and the protocol that is served.
CHECKS = {
    "TCP_CHECK": ("TCP", "connect_timeout 2"),
    "HTTP_GET": ("TCP", "url { path / status_code 200 } connect_timeout 2"),
    "UDP_CHECK": ("UDP", "connect_timeout 2 require_reply"),
    "MISC_CHECK": ("TCP", f'misc_path "{HOME}/check.sh ADDRESS" misc_timeout 4'),
}
CHECK = f"#!/bin/sh\n[ ! -e {HOME}/failing-$1 ]\n"
WEIGHT = f"#!/bin/sh\nexit $(cat {HOME}/weight-$1)\n"


def blocks(text):
    """Returns a configuration with each word that opens or closes a block, and each setting, on a line of its own."""
    for word in ("connect_timeout", "require_reply", "misc_timeout", "misc_dynamic", "status_code", "path"):
        text = text.replace(f" {word}", f"\n{word}")
    return text.replace("{", "{\n").replace("}", "\n}\n")


def configuration(kind, protocol, parameters, more=""):
    """Returns a configuration of one service with two servers that are checked."""
    servers = "".join(f"real_server {address} 80 {{ {kind} {{\n{parameters.replace('ADDRESS', address)} }} }} " for address in SERVERS)
    return blocks(f"virtual_server {VIP} 80 {{\ndelay_loop 2\nretry 1\ndelay_before_retry 1\nlvs_sched wrr\nlvs_method NAT\n"
                  f"protocol {protocol}\n{more}\n{servers} }}\n")


def begin(d, text, scripts=()):
    """Builds a client, a director and two servers, and starts keepalived."""
    d.hosts(1, 2)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    for name, script in scripts:
        (HOME / name).write_text(script)
        (HOME / name).chmod(0o755)
    (HOME / "keepalived.conf").write_text(text)
    return lambda: Keepalived(d, text)


def serve(d, kind, name):
    """Starts what a server serves with; returns its process."""
    if kind == "UDP_CHECK":
        process = d.start(["socat", "-T", "1", "UDP4-RECVFROM:80,fork", f"SYSTEM:cat >/dev/null; echo {name}"], name)
        d.wait("socat", lambda: ":80 " in d.execute("ss -Hlun", name)[1])
        return process
    serve_pages(d, name, "80")
    return d.started[-1]


def requests(d, kind, times=4):
    """Has the client ask; writes down what served it."""
    ask = ["curl", "-s", "-m", "3", f"http://{VIP}/"]
    if kind == "UDP_CHECK":
        # From a port of its own each time, as another client would.
        ask = ["socat", "-T", "1", "-t", "1", "-", f"UDP4:{VIP}:80"]
    served = [d.execute(ask, "client1", None if kind != "UDP_CHECK" else "?")[1].strip() for _ in range(times)]
    d.say(f"served by {' '.join(sorted(served))}")
    return served


def configured(d):
    """Returns what is configured, without writing it down."""
    return d.execute("ipvsadm -S -n")[1]


@case(rows=tuple(CHECKS))
def a_server_fails_and_is_found_again(d, kind):
    protocol, parameters = CHECKS[kind]
    ready = begin(d, configuration(kind, protocol, parameters), [("check.sh", CHECK)])
    processes = {name: serve(d, kind, name) for name in ("server1", "server2")}
    running = ready()
    d.wait("both servers", lambda: configured(d).count(" -r ") == 2)
    running.settle("started")
    d.expect("both serve", set(requests(d, kind)) == {"server1", "server2"})
    if kind == "MISC_CHECK":
        (HOME / f"failing-{SERVERS[1]}").touch()
    else:
        processes["server2"].terminate()
        processes["server2"].wait()
    d.wait("one server", lambda: configured(d).count(" -r ") == 1)
    running.settle("one has failed")
    d.expect("the other serves", set(requests(d, kind)) == {"server1"})
    if kind == "MISC_CHECK":
        (HOME / f"failing-{SERVERS[1]}").unlink()
    else:
        serve(d, kind, "server2")
    d.wait("both servers", lambda: configured(d).count(" -r ") == 2)
    running.settle("found again")
    d.expect("both serve", set(requests(d, kind)) == {"server1", "server2"})
    running.end()


@case
def weights_by_a_script(d):
    """An exit status of two and more is a weight with two added to it."""
    ready = begin(d, configuration("MISC_CHECK", "TCP", f'misc_path "{HOME}/weight.sh ADDRESS" misc_timeout 4 misc_dynamic'),
                  [("weight.sh", WEIGHT)])
    for name, address in zip(("server1", "server2"), SERVERS):
        serve_pages(d, name, "80")
        pathlib.Path(HOME / f"weight-{address}").write_text("3")
    running = ready()
    running.settle("started")
    d.expect("half each", sorted(requests(d, "TCP")) == ["server1"] * 2 + ["server2"] * 2)
    (HOME / f"weight-{SERVERS[1]}").write_text("5")
    d.wait("the weight", lambda: "-w 3" in configured(d))
    running.settle("more for the second")
    d.expect("one to three", sorted(requests(d, "TCP")) == ["server1"] + ["server2"] * 3)
    (HOME / f"weight-{SERVERS[0]}").write_text("2")
    d.wait("no weight", lambda: "-w 0" in configured(d))
    running.settle("none for the first")
    d.expect("the second serves", requests(d, "TCP") == ["server2"] * 4)
    running.end()
