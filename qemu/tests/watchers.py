# SPDX-License-Identifier: GPL-2.0
"""Programs that watch: what node_exporter reads in /proc and what collectd asks for by socket options, after the same packets."""
import pathlib
import re
import shutil

import packet
import topology
from cases import case
from packet import ACK, SYN

VIP, MARKED = "10.9.0.1", 7
HOME = pathlib.Path("/tmp/collectd")
COLLECTD = f"""Hostname "director"
FQDNLookup false
Interval 1
BaseDir "{HOME}"
PIDFile "{HOME}/pid"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin logfile
<Plugin logfile>
	File "{HOME}/log"
	Timestamp false
</Plugin>
LoadPlugin ipvs
LoadPlugin csv
<Plugin csv>
	DataDir "{HOME}/csv"
	StoreRates false
</Plugin>
"""


def busy(d, *plans):
    """Builds a director that has seen a few packets for services of each kind."""
    d.wires(*plans)
    d.control(f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.2.0.11:8080 -m -w 3", f"-a -t {VIP}:80 -r 10.2.0.12:80 -g",
              f"-A -u {VIP}:53 -s wlc -p 60", f"-a -u {VIP}:53 -r 10.2.0.11:53 -m", f"-A -f {MARKED} -s sh", f"-a -f {MARKED} -r 10.2.0.11 -i")
    for port in (40000, 40001, 40002):
        d.send("client", packet.tcp("10.1.0.2", port, VIP, 80, SYN))
    d.send("servers", packet.tcp("10.2.0.11", 8080, "10.1.0.2", 40001, SYN | ACK, ack=1))
    d.send("client", packet.udp("10.1.0.2", 1053, VIP, 53, b"query"))
    # The counters of ip_vs are up to two seconds late.
    d.quiet(5)


@case
def node_exporter(d):
    busy(d, topology.IPV4, topology.IPV6)
    d.control("-A -t [fd09::1]:80 -s rr", "-a -t [fd09::1]:80 -r [fd02::11]:80 -m")
    d.start("prometheus-node-exporter --collector.disable-defaults --collector.ipvs --web.listen-address=127.0.0.1:9100", "director")
    d.wait("node_exporter", lambda: ":9100 " in d.execute("ss -Hltn")[1])
    code, output = d.execute("curl -s http://127.0.0.1:9100/metrics")
    found = [line for line in output.splitlines() if line.startswith("node_ipvs") or 'collector="ipvs"' in line and "success" in line]
    d.lines += sorted(found)
    d.expect("it reads all", code == 0 and 'node_scrape_collector_success{collector="ipvs"} 1' in found)
    d.expect("five servers", sum(line.startswith("node_ipvs_backend_weight") for line in found) == 5)


def values():
    """Returns the last value of each file that collectd has written, by its name without the day."""
    return {re.sub(r"-\d{4}-\d\d-\d\d$", "", str(path.relative_to(HOME / "csv"))): path.read_text().splitlines()[-1].partition(",")[2]
            for path in (HOME / "csv").rglob("*") if path.is_file()}


@case
def collectd(d):
    busy(d)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    (HOME / "collectd.conf").write_text(COLLECTD)
    d.start(f"collectd -f -C {HOME}/collectd.conf", "director")
    d.wait("two rounds", lambda: any(len(path.read_text().splitlines()) > 2 for path in (HOME / "csv").rglob("*") if path.is_file()))
    found = values()
    d.lines += [f"{name}: {value}" for name, value in sorted(found.items())]
    d.lines += sorted({line for line in (HOME / "log").read_text().splitlines() if "ipvs" in line.lower()})
    d.expect("services and servers are there", len(found) > 10)
