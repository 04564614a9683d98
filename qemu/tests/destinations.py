# SPDX-License-Identifier: GPL-2.0
"""ipvsadm adds, edits, lists and deletes real servers."""
from cases import case

SERVICE = "-t 10.9.0.1:80"


def start(d, scheduler="wrr"):
    d.bare()
    d.ipvsadm(f"-A {SERVICE} -s {scheduler}")


def table(d):
    d.ipvsadm("-L -n")
    d.ipvsadm("-L -n --nosort")
    d.ipvsadm("-L -n --thresholds")
    d.proc("ip_vs")


@case(rows=("-m", "-g"))
def forwarding_method_is_listed(d, method):
    start(d)
    d.ipvsadm(f"-a {SERVICE} -r 10.2.0.11:80 {method} -w 5")
    table(d)


@case
def newest_destination_comes_first_in_the_kernel(d):
    start(d)
    for number in (13, 11, 14, 12):
        d.ipvsadm(f"-a {SERVICE} -r 10.2.0.{number}:80 -m")
    table(d)


@case
def editing_keeps_the_place(d):
    start(d)
    for number in (11, 12, 13):
        d.ipvsadm(f"-a {SERVICE} -r 10.2.0.{number}:80 -m")
    d.ipvsadm(f"-e {SERVICE} -r 10.2.0.11:80 -m -w 7")
    d.ipvsadm(f"-e {SERVICE} -r 10.2.0.13:80 -g -w 0")
    table(d)


@case
def same_destination_twice_is_refused(d):
    start(d)
    d.control(f"-a {SERVICE} -r 10.2.0.11:80 -m", f"-a {SERVICE} -r 10.2.0.11:80 -m", f"-a {SERVICE} -r 10.2.0.11:80 -g -w 3",
              f"-a {SERVICE} -r 10.2.0.11:81 -m")
    table(d)


@case
def unknown_destination_is_refused(d):
    start(d)
    d.control(f"-e {SERVICE} -r 10.2.0.11:80 -m", f"-d {SERVICE} -r 10.2.0.11:80", "-a -t 10.9.0.2:80 -r 10.2.0.11:80 -m",
              "-d -t 10.9.0.2:80 -r 10.2.0.11:80")
    table(d)


@case
def deleting_and_adding_again(d):
    start(d)
    d.control(f"-a {SERVICE} -r 10.2.0.11:80 -m -w 2", f"-a {SERVICE} -r 10.2.0.12:80 -m -w 3", f"-d {SERVICE} -r 10.2.0.11:80")
    table(d)
    d.ipvsadm(f"-a {SERVICE} -r 10.2.0.11:80 -g -w 9")
    table(d)


@case
def thresholds_are_listed(d):
    start(d)
    d.control(f"-a {SERVICE} -r 10.2.0.11:80 -m -x 10 -y 5", f"-a {SERVICE} -r 10.2.0.12:80 -m -x 10",
              f"-a {SERVICE} -r 10.2.0.13:80 -m -y 5", f"-a {SERVICE} -r 10.2.0.14:80 -m -x 5 -y 10",
              f"-e {SERVICE} -r 10.2.0.11:80 -m -x 4 -y 4", f"-e {SERVICE} -r 10.2.0.12:80 -m -x 4 -y 5")
    table(d)


@case(rows=("224.0.0.1", "255.255.255.255", "0.0.0.0", "10.9.0.1", "127.0.0.1", "240.0.0.1"))
def address_of_a_destination_is_checked(d, address):
    start(d)
    d.ipvsadm(f"-a {SERVICE} -r {address}:80 -m")
    table(d)


@case(rows=("0", "1", "65535", "2147483647"))
def weight_is_kept(d, weight):
    start(d)
    d.ipvsadm(f"-a {SERVICE} -r 10.2.0.11:80 -m -w {weight}")
    table(d)


@case
def destinations_of_a_mark_service(d):
    d.bare()
    d.control("-A -f 4660 -s rr", "-a -f 4660 -r 10.2.0.11:0 -g", "-a -f 4660 -r 10.2.0.12:8080 -m", "-d -f 4660 -r 10.2.0.11:0",
              "-A -f 4294967295 -s lc", "-a -f 4294967295 -r 10.2.0.11 -g")
    # Without --nosort: where C's hash puts each of two services is different after every boot.
    d.ipvsadm("-L -n")
    d.ipvsadm("-L -n --thresholds")
    d.proc("ip_vs")


@case
def direct_routing_takes_the_port_of_the_service(d):
    start(d)
    d.control(f"-a {SERVICE} -r 10.2.0.11:81 -g", f"-a {SERVICE} -r 10.2.0.12 -m")
    table(d)
