#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The demo as it runs inside the guest: a director, three clients, three real servers, real HTTP.

    client1 10.1.0.11 --+                       +-- server1 10.2.0.11 (nginx)
    client2 10.1.0.12 --+---- one switch -------+-- server2 10.2.0.12 (nginx)
    client3 10.1.0.13 --+         |             +-- server3 10.2.0.13 (nginx)
                              director
                   10.1.0.1, 10.2.0.1, VIP 192.0.2.80 (VS/NAT), VIP 192.0.2.90 (VS/DR)

Clients and servers are in different subnets of one wire: with VS/NAT the replies come back through
the director, with VS/DR a real server answers the client itself, because it holds the VIP on a
dummy interface that does not answer ARP.
"""
import argparse
import collections
import dataclasses
import json
import os
import sys
import time

import topology

CLIENTS, SERVERS = (1, 2, 3), (1, 2, 3)
NAT_VIP, DR_VIP = "192.0.2.80", "192.0.2.90"
PLAN = dataclasses.replace(topology.IPV4, clients=tuple(f"10.1.0.1{number}" for number in CLIENTS),
                           servers=tuple(f"10.2.0.1{number}" for number in SERVERS), vips=(NAT_VIP, DR_VIP))
WEIGHTS = {1: 3, 2: 2, 3: 1}
COLOUR = {"head": "1;36", "good": "1;32", "bad": "1;31", "dim": "2", "command": "33"}

CLIENT_CODE = r"""
import http.client, json, sys, time
vip, count, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
served, failed = {}, []
for number in range(count):
    try:
        connection = http.client.HTTPConnection(vip, 80, timeout=20)
        connection.request("GET", "/")
        answer = connection.getresponse()
        body = answer.read().decode().strip()
        connection.close()
        if answer.status != 200 or not body.startswith("server"):
            raise OSError("status %d: %r" % (answer.status, body))
        served[body] = served.get(body, 0) + 1
        print("served", body, flush=True)
    except OSError as error:
        failed.append("request %d: %s" % (number + 1, error))
    time.sleep(pause)
print("result", json.dumps({"served": served, "failed": failed}), flush=True)
"""


class Printer:
    """Prints headings, commands and results, in colours when asked to."""

    def __init__(self, colour):
        self.colour = colour

    def paint(self, kind, text):
        return f"\033[{COLOUR[kind]}m{text}\033[0m" if self.colour else text

    def say(self, kind, text):
        print(self.paint(kind, text), flush=True)


def wait_for(what, condition, seconds=60):
    """Waits until a condition holds; the demo ends if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"demo: waited {seconds} s for: {what}")
        time.sleep(0.05)


def build_network():
    """Builds the switch, the clients, the director and the real servers of the picture above."""
    topology.hosts(len(CLIENTS), len(SERVERS), PLAN)
    for number in SERVERS:
        name = f"server{number}"
        # It holds the VIP without answering ARP, and its VS/DR replies go straight to the client.
        topology.batch(["link add vip type dummy", f"address add {DR_VIP}/32 dev vip", "link set vip up",
                        f"rule add from {DR_VIP} lookup 100", "route add 10.1.0.0/24 dev eth0 table 100"], name)
        start_nginx(name)


def start_nginx(name):
    """Starts nginx in a real server; it answers every request with its name."""
    home = f"/tmp/{name}"
    os.makedirs(home, exist_ok=True)
    with open(f"{home}/nginx.conf", "w") as conf:
        conf.write(f"""
            worker_processes 1; pid {home}/pid; error_log {home}/error.log; user root;
            events {{ worker_connections 256; }}
            http {{ access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p;
                   fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
                   server {{ listen 80; return 200 "{name}\\n"; }} }}""")
    topology.must(f"nginx -c {home}/nginx.conf", name)
    wait_for(f"nginx of {name}", lambda: ":80 " in topology.must("ss -Hltn", name))


class Requests:
    """Requests that clients send at the same time; collects which servers answered."""

    def __init__(self, vip, total, pause=0.0):
        self.total, self.started = total, time.monotonic()
        share = [total // len(CLIENTS)] * len(CLIENTS)
        share[0] += total - sum(share)
        self.processes = [
            topology.start([sys.executable, "-c", CLIENT_CODE, vip, str(count), str(pause)], f"client{number}", stderr=None)
            for number, count in zip(CLIENTS, share)
        ]

    def finish(self):
        """Waits for all clients and returns how many each server answered, what failed, and how long it took."""
        served, failed = collections.Counter(), []
        for process in self.processes:
            output, _ = process.communicate()
            lines = [line for line in output.splitlines() if line.startswith("result ")]
            result = json.loads(lines[-1][len("result "):]) if lines else {"served": {}, "failed": ["client died"]}
            served.update(result["served"])
            failed += result["failed"]
        return served, failed, time.monotonic() - self.started


class Demo:
    """The acts of the demo in their order."""

    def __init__(self, arguments):
        self.printer, self.requests, self.failures = Printer(arguments.colour), arguments.requests, 0

    def ipvsadm(self, *arguments):
        self.printer.say("command", "director# ipvsadm " + " ".join(arguments))
        output = topology.must(["ipvsadm", *arguments], "director")
        if output:
            print(output, end="", flush=True)
        return output

    def heading(self, text):
        self.printer.say("head", f"\n== {text}")

    def report(self, requests):
        served, failed, seconds = requests.finish()
        total = sum(served.values())
        for name in sorted(served):
            share = 100 * served[name] / max(total, 1)
            print(f"  {name}  {served[name]:4d}  {share:4.0f}%  {'#' * round(share / 2)}")
        kind = "bad" if failed else "good"
        self.printer.say(kind, f"  {total} of {requests.total} requests served in {seconds:.1f} s of the guest's clock, {len(failed)} failed")
        for line in failed[:5]:
            self.printer.say("bad", f"  {line}")
        self.failures += len(failed) + (requests.total - total - len(failed))
        return served

    def service(self, vip, method):
        self.ipvsadm("-A", "-t", f"{vip}:80", "-s", "wrr")
        for number in SERVERS:
            self.ipvsadm("-a", "-t", f"{vip}:80", "-r", f"10.2.0.1{number}:80", method, "-w", str(WEIGHTS[number]))

    def weights_honoured(self, served):
        total, weights = sum(served.values()), sum(WEIGHTS.values())
        for number in SERVERS:
            fair = total * WEIGHTS[number] / weights
            if abs(served[f"server{number}"] - fair) > max(2, total * 0.02):
                self.failures += 1
                self.printer.say("bad", f"  server{number} has not its share of {fair:.0f}")

    def act(self, title, vip, method):
        self.heading(f"{title}: weights 3, 2, 1 and {self.requests} requests from three clients")
        self.service(vip, method)
        self.weights_honoured(self.report(Requests(vip, self.requests)))
        self.ipvsadm("-L", "-n")

    def active(self, vip, server):
        for line in topology.must(f"ipvsadm -L -n -t {vip}:80", "director").splitlines():
            words = line.split()
            if words[:2] == ["->", f"10.2.0.1{server}:80"]:
                return int(words[4])
        return 0

    def change_act(self, vip, method):
        self.heading(f"a server is drained and removed, another added, while {self.requests} requests run")
        self.ipvsadm("-d", "-t", f"{vip}:80", "-r", "10.2.0.13:80")
        running = Requests(vip, self.requests, pause=0.01)
        for process in running.processes:
            for _ in range(max(1, self.requests // 20)):
                process.stdout.readline()
        self.ipvsadm("-e", "-t", f"{vip}:80", "-r", "10.2.0.11:80", method, "-w", "0")
        wait_for("server1 to drain", lambda: self.active(vip, 1) == 0)
        self.ipvsadm("-d", "-t", f"{vip}:80", "-r", "10.2.0.11:80")
        self.ipvsadm("-a", "-t", f"{vip}:80", "-r", "10.2.0.13:80", method, "-w", "2")
        served = self.report(running)
        if not served["server3"]:
            self.failures += 1
            self.printer.say("bad", "  the added server served nothing")
        self.ipvsadm("-L", "-n", "--stats")

    def play(self):
        started = time.monotonic()
        module = open("/proc/modules").read()
        if not any(line.startswith("rvs ") for line in module.splitlines()):
            raise SystemExit("demo: rvs is not loaded")
        self.heading(f"Linux {os.uname().release} {os.uname().machine} with rvs.ko; building the network")
        print(__doc__.split("\n\n", 1)[1].split("\n\nClients", 1)[0])
        build_network()
        self.act("VS/NAT", NAT_VIP, "-m")
        self.act("VS/DR", DR_VIP, "-g")
        self.change_act(NAT_VIP, "-m")
        topology.must("ipvsadm -C", "director")
        self.heading("result")
        seconds = time.monotonic() - started
        if self.failures:
            self.printer.say("bad", f"  {self.failures} failures in {seconds:.0f} s")
        else:
            self.printer.say("good", f"  every request was served; all of it took {seconds:.0f} s of the guest's clock")
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser(description="the demo, inside the guest")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--colour", action="store_true")
    return Demo(parser.parse_args()).play()


if __name__ == "__main__":
    sys.exit(main())
