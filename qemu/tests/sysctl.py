# SPDX-License-Identifier: GPL-2.0
"""/proc/sys/net/ipv4/vs: names, defaults, and what may be written."""
import sys

from cases import case

DIRECTORY = "/proc/sys/net/ipv4/vs"
SHOW_ALL = f"cd {DIRECTORY}; for f in *; do echo $f $(stat -c %a $f) $(cat $f); done"
ANY_INT = ("amemthresh am_droprate conntrack snat_reroute sync_persist_mode cache_bypass expire_nodest_conn sloppy_tcp "
           "sloppy_sctp expire_quiescent_template nat_icmp_send pmtu_disc backup_only conn_reuse_mode schedule_icmp "
           "ignore_tunneled sync_sock_size run_estimation").split()
TEXTS = ("1", "-1", "2147483647", "2147483648", "-2147483649", "abc", "", "\n", " 7", "5 6", "0x10", "3x", "0")
RANGES = {
    "drop_entry": ("3", "4", "-1", "1", "2", "0", "1 2", "x"),
    "drop_packet": ("3", "4", "-1", "1", "2", "0", "1 2", "x"),
    "secure_tcp": ("3", "4", "-1", "1", "2", "0", "1 2", "x"),
    "sync_version": ("0", "1", "2", "-1", "0", "1"),
    "sync_ports": ("1", "2", "3", "4", "64", "128", "0", "-1", "1073741824", "1"),
    "sync_threshold": ("5 60", "0 50", "50 50", "0 0", "7", "70", "60 50", "3 0", "-1 50", "0 -1", "3 50 9", "4 50x", "x", "", "3 50"),
    "sync_refresh_period": ("10", "-1", "0", "100000000", "5000000", "0"),
    "lblc_expiration": ("10", "-1", "0", "100000000", "5000000", "x", "86400"),
    "lblcr_expiration": ("10", "-1", "0", "100000000", "5000000", "x", "86400"),
    "sync_retries": ("3", "4", "-1", "0"),
    "sync_qlen_max": ("5", "0", "-1", "18446744073709551615", "18446744073709551616", "99"),
    "est_nice": ("5", "-20", "-21", "19", "20", "0"),
    "est_cpulist": ("0", "", "0-0", "1", "0,0", "abc", "0 ", "5000"),
    "conn_lfactor": ("-8", "8", "9", "-9", "0"),
    "svc_lfactor": ("-8", "8", "9", "-9", "1"),
    "conn_max": ("100", "1073741824", "1073741825", "0", "-1", "1000", "x", ""),
}


def write_all(d, name, values):
    for value in values:
        d.sysctl(name, value)
        d.sysctl(name)


@case
def names_modes_and_defaults(d):
    d.bare()
    d.run(["sh", "-c", SHOW_ALL])
    d.run(["nsenter", "-t", "1", "-n", "sh", "-c", SHOW_ALL])


@case(rows=ANY_INT)
def any_int_is_taken(d, name):
    d.bare()
    write_all(d, name, TEXTS)


@case(rows=tuple(RANGES))
def range_is_kept(d, name):
    d.bare()
    write_all(d, name, RANGES[name])


@case
def user_namespaces_may_not_write_everything(d):
    d.bare()
    d.run(["unshare", "-Urn", "sh", "-c", f"{SHOW_ALL}; echo 0 > {DIRECTORY}/run_estimation"])


@case
def conn_max_of_a_user_namespace_is_bounded(d):
    d.bare()
    writes = "; ".join(f"echo {value} > {DIRECTORY}/conn_max; cat {DIRECTORY}/conn_max" for value in (50, 5000, 20, 2147483647))
    d.run(["nsenter", "-t", "1", "-n", "sh", "-c", f"echo 1000 > {DIRECTORY}/conn_max"])
    d.run(["unshare", "-Urn", "sh", "-c", writes])
    d.run(["nsenter", "-t", "1", "-n", "sh", "-c", f"echo 1073741824 > {DIRECTORY}/conn_max"])


@case
def settings_belong_to_their_namespace(d):
    d.bare()
    d.netns("other")
    d.sysctl("conn_reuse_mode", 0)
    d.sysctl("conn_reuse_mode", where="other")
    d.sysctl("conn_reuse_mode")


@case
def a_list_of_cpus_is_read_and_written_from_its_beginning_alone(d):
    d.bare()
    d.sysctl("est_cpulist", "0")
    d.run([sys.executable, "-c", f"""if True:
        import os
        file = os.open("{DIRECTORY}/est_cpulist", os.O_RDWR)
        print(os.pwrite(file, b"abc", 1), os.pwrite(file, b"0", 7), os.write(file, b""))
        print([os.pread(file, count, place) for place in (0, 1) for count in (1, 2, 3)])
    """])
    d.sysctl("est_cpulist")
