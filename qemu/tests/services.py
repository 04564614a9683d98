# SPDX-License-Identifier: GPL-2.0
"""ipvsadm adds, edits, lists and deletes virtual services."""
from cases import case


def table(d):
    d.ipvsadm("-L -n")
    d.ipvsadm("-S -n")
    d.proc("ip_vs")


@case(rows=("rr", "wrr", "lc", "wlc"))
def scheduler_is_accepted(d, scheduler):
    d.bare()
    d.ipvsadm(f"-A -t 10.9.0.1:80 -s {scheduler}")
    d.ipvsadm(f"-A -u 10.9.0.1:53 -s {scheduler}")
    d.ipvsadm(f"-A -f 7 -s {scheduler}")
    table(d)


@case
def default_scheduler_is_wlc(d):
    d.bare()
    d.ipvsadm("-A -t 10.9.0.1:80")
    table(d)


@case
def same_service_twice_is_refused(d):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s rr", "-A -t 10.9.0.1:80 -s rr", "-A -t 10.9.0.1:80 -s wlc", "-A -u 10.9.0.1:80 -s rr")
    table(d)


@case
def edit_changes_the_scheduler(d):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s rr", "-E -t 10.9.0.1:80 -s wlc", "-E -t 10.9.0.2:80 -s rr", "-E -f 3 -s rr")
    table(d)


@case
def delete_removes_one_service(d):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s rr", "-A -t 10.9.0.1:81 -s rr", "-D -t 10.9.0.1:80", "-D -t 10.9.0.1:80", "-D -f 5")
    table(d)


@case
def clear_removes_everything(d):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s rr", "-A -f 2 -s wrr", "-a -f 2 -r 10.2.0.11", "-C")
    table(d)
    d.ipvsadm("-C")


@case
def unknown_scheduler_is_refused(d):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s nosuch", "-A -t 10.9.0.1:80 -s rr", "-E -t 10.9.0.1:80 -s nosuch")
    table(d)


@case
def list_of_one_service(d):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s rr", "-A -t 10.9.0.2:80 -s rr", "-L -n -t 10.9.0.2:80", "-L -n -t 10.9.0.3:80",
              "-L -n -f 4", "-L -n -t 10.9.0.1:80 --stats")


@case
def save_and_restore_give_the_same_table(d):
    d.bare()
    d.control("-A -t 10.9.0.1:80 -s wrr", "-a -t 10.9.0.1:80 -r 10.2.0.11:8080 -m -w 3",
              "-a -t 10.9.0.1:80 -r 10.2.0.12:80 -g -w 0 -x 100 -y 50", "-A -u 10.9.0.2:53 -s lc", "-a -u 10.9.0.2:53 -r 10.2.0.13:53 -m",
              "-A -f 9 -s rr", "-a -f 9 -r 10.2.0.14:0 -g")
    saved = d.ipvsadm("-S -n")
    d.ipvsadm("-C")
    d.ipvsadm("-R", stdin=saved)
    d.expect("the same after restoring", d.ipvsadm("-S -n") == saved)
    table(d)


@case
def many_services_are_listed_in_order(d):
    d.bare()
    rules = "".join(f"-A -t 10.9.{number // 200}.{number % 200 + 1}:{1000 + number} -s rr\n"
                    f"-a -t 10.9.{number // 200}.{number % 200 + 1}:{1000 + number} -r 10.2.0.11:80 -m\n" for number in range(300))
    d.ipvsadm("-R", stdin=rules)
    table(d)
    d.proc("ip_vs_status")


@case
def neighbours_of_a_removed_service_are_still_found(d):
    d.bare()
    ports = range(8001, 8065)
    for port in ports:
        d.ipvsadm(f"-A -t 10.9.0.1:{port} -s rr")
    for port in ports[::3]:
        d.ipvsadm(f"-D -t 10.9.0.1:{port}")
    for port in ports:
        d.ipvsadm(f"-E -t 10.9.0.1:{port} -s wlc")
    table(d)


@case(rows=(4093, 4094))
def maglev_has_places_for_so_many_servers(d, count):
    d.bare()
    servers = (f"10.3.{number >> 8}.{number & 255}" for number in range(1, count + 1))
    d.execute("ipvsadm -R", stdin="-A -t 10.9.0.1:80 -s rr\n" + "".join(f"-a -t 10.9.0.1:80 -r {server}:80 -g\n" for server in servers))
    d.ipvsadm("-E -t 10.9.0.1:80 -s mh")
    d.run(["sh", "-c", "ipvsadm -Ln | head -5; ipvsadm -Ln | wc -l"])


@case
def services_belong_to_their_namespace(d):
    d.bare()
    d.netns("other")
    d.ipvsadm("-A -t 10.9.0.1:80 -s rr")
    d.run("ipvsadm -L -n", where="other")
    d.run("ipvsadm -A -t 10.9.0.1:80 -s wlc", where="other")
    d.run("ipvsadm -L -n", where="other")
    d.proc("ip_vs", where="other")
    table(d)
