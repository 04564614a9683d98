# SPDX-License-Identifier: GPL-2.0
"""ipvsadm's listings and settings beyond the plain table."""
from cases import case


def start(d):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s wrr", "-a -t 10.9.0.1:80 -r 10.2.0.11:80 -m -w 3", "-a -t 10.9.0.1:80 -r 10.2.0.12:80 -m",
              "-A -u 10.9.0.1:53 -s rr", "-a -u 10.9.0.1:53 -r 10.2.0.12:53 -g", "-A -f 6 -s lc")


@case(rows=("-L", "-L -n", "-Ln --stats", "-Ln --rate", "-Ln --stats --exact", "-Ln --rate --exact", "-Ln --thresholds",
            "-Ln --persistent-conn", "-Lnc", "-Ln --timeout", "-Ln --daemon", "-L -n --sort",
            "-S", "-S -n", "-Ln -t 10.9.0.1:80", "-Ln -u 10.9.0.1:53 --stats", "-Ln -f 6", "-Ln -t 10.9.0.9:1"))
def listing_with_nothing_served(d, arguments):
    start(d)
    d.quiet(5)
    d.ipvsadm(arguments)


@case(rows=("-L", "-Ln", "-Ln --stats", "-Lnc", "-Ln --timeout", "-S", "-C", "-Z"))
def listing_of_an_empty_table(d, arguments):
    d.bare()
    d.ipvsadm(arguments)


@case
def timeouts_are_set_and_kept(d):
    d.bare()
    d.control("-L --timeout", "--set 300 20 30", "-L --timeout", "--set 0 0 40", "-L --timeout", "--set 0 0 0", "-L --timeout",
              "--set 1 1 1", "-L --timeout", "--set 2147483 0 0", "-L --timeout")


@case(rows=("2147483 2147483 2147483", "8589934 1 1", "8589935 1 1", "536870911 1 1", "536870912 1 1", "2147483647 1 1",
            "1 2147483647 1", "1 1 2147483647"))
def timeout_limits(d, values):
    d.bare()
    d.control(f"--set {values}", "-L --timeout")


@case
def timeouts_belong_to_their_namespace(d):
    d.bare()
    d.netns("other")
    d.ipvsadm("--set 300 20 30")
    d.run("ipvsadm -L --timeout", where="other")


@case(rows=("-Z", "-Z -t 10.9.0.1:80", "-Z -f 6", "-Z -t 10.9.0.3:80", "-Z -f 7"))
def zero(d, arguments):
    start(d)
    d.control(arguments, "-Ln --stats")


@case(rows=("-A", "-A -t", "-A -t 10.9.0.1:80 -s", "-a -t 10.9.0.1:80", "-E", "--nonsense"))
def wrong_usage_says_so(d, arguments):
    d.bare()
    code, _ = d.execute("ipvsadm " + arguments)
    d.say(f"ipvsadm {arguments}: exit {code}")


@case
def addresses_and_ports_in_every_width(d):
    d.bare()
    d.control("-A -t 1.2.3.4:1 -s rr", "-A -t 255.255.255.254:65535 -s rr", "-A -u 0.0.0.1:9 -s rr", "-a -t 1.2.3.4:1 -r 10.2.0.11:1 -m -w 65535",
              "-a -t 255.255.255.254:65535 -r 192.168.100.200:65535 -m", "-Ln", "-Ln --stats", "-Ln --rate")
    d.proc("ip_vs")
