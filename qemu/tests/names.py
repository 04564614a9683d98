# SPDX-License-Identifier: GPL-2.0
"""Programs that look for a module called ip_vs find one; C's own is left alone until rvs-switch."""
import contextlib
import os
import pathlib
import shutil

import topology
from cases import case
from loading import lines_of_the_log, modprobe
from module_names import BUILT, NAMES, SCHEDULERS, present, small_tree, switch
from topology import run

OPTIONS = pathlib.Path("/etc/modprobe.d/options.conf")
KEEPALIVED = pathlib.Path("/tmp/keepalived.conf")
PARAMETER = pathlib.Path("/sys/module/ip_vs/parameters/conn_tab_bits")
UNLOAD = "lsmod | awk '/^(xt_ip|ip_)vs/ {print $1}' | xargs -r modprobe -r; modprobe -r rvs"
SERVICES = "-A -t 10.9.0.1:80", "-A -t 10.9.0.1:81"


@contextlib.contextmanager
def switched(d):
    """Lets modprobe see our modules."""
    with small_tree():
        code, output = switch("on")
        d.expect(f"rvs-switch on {output}", code == 0)
        try:
            yield
        finally:
            OPTIONS.unlink(missing_ok=True)
            topology.remove(d.names)
            d.names.clear()
            d.wait("all to go", lambda: run("rmmod " + " ".join(reversed(NAMES)) + " rvs") and not present())
        code, output = switch("off")
        d.expect(f"rvs-switch off {output}", code == 0)


def of_the_kernel(name):
    """Returns the path of the kernel's own module."""
    return next(pathlib.Path("/lib/modules", os.uname().release, "kernel").rglob(f"{name}.ko*"))


def insert(name):
    """Inserts one of our own by its file."""
    return run(f"insmod {BUILT}/{name}.ko")


@case(suite="alone")
def a_running_ip_vs_is_left_alone(d):
    d.bare()
    d.expect("C's ip_vs loads", modprobe("ip_vs") == 0)
    d.expect("it serves", d.execute("ipvsadm -A -t 10.9.0.1:80 -s rr")[0] == 0)
    d.expect("rvs-switch refuses", switch("on") == (1, "rvs-switch: refused: the kernel's own ip_vs is loaded: end its services "
                                                    "(ipvsadm -C) and rules with -m ipvs, then unload it and what needs it (rmmod).\n"))
    d.expect("a scheduler comes when it is needed", d.execute("ipvsadm -A -t 10.9.0.1:81 -s sed")[0] == 0)
    d.expect(f"it is C's {present()}", present() == {"ip_vs": (6, ["ip_vs_rr", "ip_vs_sed"]), "ip_vs_rr": (1, []), "ip_vs_sed": (1, [])})
    for name in ("ip_vs", "ip_vs_dh", "xt_ipvs"):
        d.expect(f"ours does not come by hand: {name}", insert(name)[0] != 0)
    d.expect("both services are there", d.execute("ipvsadm -Ln")[1].count("TCP") == 2)


@case(suite="alone")
def every_name(d):
    with switched(d):
        for name in [*NAMES, "ipt_ipvs", "ip6t_ipvs", "net-pf-16-proto-16-family-IPVS"]:
            d.expect(f"{name} loads", run(f"modprobe -C /dev/null {name}") == (0, ""))
            module = {"ipt_ipvs": "xt_ipvs", "ip6t_ipvs": "xt_ipvs", "net-pf-16-proto-16-family-IPVS": "ip_vs"}.get(name, name)
            wanted = {"rvs", "ip_vs", module}
            d.expect(f"{wanted} are loaded {present()}", set(present()) == wanted)
            d.expect("sysfs says so", all(pathlib.Path(f"/sys/module/{one}/initstate").read_text() == "live\n" for one in wanted))
            d.expect(f"{name} unloads", run(f"modprobe -C /dev/null -r {name}") == (0, ""))
            # Modprobe looks at rvs before it unloads ip_vs, as it looks at what C's ip_vs needs.
            d.expect(f"with what it brought {present()}", not set(present()) - {"rvs"})
            run("rmmod rvs")
        d.expect("all at once", modprobe("-va " + " ".join(NAMES)) == 0)
        d.expect("they are there", set(present()) == {"rvs", *NAMES})
        d.expect("FTP's ports", pathlib.Path("/sys/module/ip_vs_ftp/parameters/ports").read_text() == "21\n")
        d.expect("all are needed by nothing but each other", present()["ip_vs"] == (32, sorted(set(NAMES) - {"ip_vs"})))
        d.expect("the line of README.md", run(["bash", "-c", UNLOAD]) == (0, ""))
        d.expect(f"unloads all {present()}", not present())


def life(d):
    """Returns what is in use, and what cannot be unloaded, while services and rules come and go."""
    seen = []

    def show(command):
        seen.append(f"{command}: {d.execute(command)}")
        seen.append({name: count for name, count in present().items() if name != "rvs"})

    d.bare()
    show("modprobe -a ip_vs ip_vs_rr ip_vs_wlc ip_vs_sed xt_ipvs")
    show("ipvsadm -A -t 10.9.0.1:80 -s rr")
    for command in ("rmmod ip_vs_rr", "rmmod ip_vs", "modprobe -r ip_vs_rr", "modprobe -r ip_vs", "rmmod ip_vs_sed", "rmmod xt_ipvs"):
        show(command)
    show("ipvsadm -A -u 10.9.0.1:80 -s rr")
    show("ipvsadm -A -f 1 -s wlc")
    show("ipvsadm -A -f 1 -s wlc")
    show("ipvsadm -E -u 10.9.0.1:80 -s wlc")
    show("rmmod ip_vs_wlc")
    show("ipvsadm -D -t 10.9.0.1:80")
    show("rmmod ip_vs_rr")
    show("modprobe xt_ipvs")
    show("iptables-nft -t mangle -A POSTROUTING -m ipvs --ipvs")
    show("iptables-legacy -t mangle -A POSTROUTING -m ipvs --ipvs")
    show("rmmod xt_ipvs")
    show("iptables-nft -t mangle -F")
    show("iptables-legacy -t mangle -F")
    d.wait("the rule to go", lambda: present()["xt_ipvs"][0] == 0)
    show("ipvsadm -C")
    show("rmmod xt_ipvs")
    show("modprobe -r ip_vs_wlc")
    show("modprobe -a ip_vs_pe_sip ip_vs_rr")
    show("ipvsadm -A -u 10.9.0.1:5060 -s rr -p 60 --pe sip")
    show("rmmod ip_vs_pe_sip")
    show("ipvsadm -E -u 10.9.0.1:5060 -s rr")
    show("ipvsadm -C")
    show("rmmod ip_vs_pe_sip")
    for ports in ("21,2121", "21,22,23,24,25,26,27,28", "1,2,3,4,5,6,7,8,9", "many", ""):
        # Without counts: C's helper uses ip_vs once more in each namespace (docs/not-yet.md).
        for command in (f"modprobe ip_vs_ftp ports={ports}", "cat /sys/module/ip_vs_ftp/parameters/ports", "rmmod ip_vs_ftp"):
            seen.append(f"{command}: {d.execute(command)}")
    show("rmmod ip_vs_rr ip_vs")
    return seen


@case(suite="alone")
def in_use_as_with_c(d):
    before = life(d)
    topology.remove(d.names)
    d.names.clear()
    d.expect(f"C's is gone {present()}", not present())
    with switched(d):
        after = life(d)
    for one, other in zip(before, after):
        d.expect(f"C: {one}\nrvs: {other}", one == other)
    d.expect("as much of both", len(before) == len(after))


@case(suite="alone", rows=("ipvsadm -Ln", f"keepalived -n -l -C -f {KEEPALIVED}"))
def a_program_brings_it(d, command):
    """ipvsadm by asking the kernel for the netlink family, keepalived by the name, with no configuration of modprobe's."""
    d.bare()
    KEEPALIVED.write_text("virtual_server 10.9.0.1 80 {\n lb_algo rr\n lb_kind NAT\n protocol TCP\n real_server 10.2.0.11 80 {\n weight 1\n }\n}\n")
    with switched(d):
        d.expect("nothing is loaded", not present())
        process = d.start(command, "director")
        d.wait("it to load rvs by its names", lambda: {"rvs", "ip_vs"} <= set(present()))
        process.terminate()
        process.wait()


@case(suite="alone")
def names_that_come_late_are_in_use(d):
    d.bare()
    d.expect("rvs loads", modprobe("rvs") == 0)
    for arguments in SERVICES:
        d.expect("it serves", d.execute(f"ipvsadm {arguments} -s rr")[0] == 0)
    for name in ("ip_vs", "ip_vs_rr", "ip_vs_sed"):
        d.expect(f"{name} comes", insert(name)[0] == 0)
    d.expect(f"they are in use {present()}", present() == {"rvs": (5, ["ip_vs", "ip_vs_rr", "ip_vs_sed"]), "ip_vs_sed": (0, []),
                                                           "ip_vs": (6, ["ip_vs_rr", "ip_vs_sed"]), "ip_vs_rr": (2, [])})
    d.expect("a service goes with its namespace", topology.remove(["director"]) is None)
    d.wait("the names to be free", lambda: present()["ip_vs"][0] == 4 and present()["ip_vs_rr"][0] == 0)
    d.names.clear()
    d.expect("they go", run("rmmod ip_vs_rr ip_vs_sed ip_vs rvs") == (0, ""))


@case(suite="alone")
def the_kernels_own_by_hand(d):
    d.expect("rvs loads", modprobe("rvs") == 0)
    code, output = run(f"insmod {of_the_kernel('ip_vs')}")
    d.expect(f"C's is refused {output}", code and "resource busy" in output)
    d.expect("the log says why", "rvs: ip_vs is kept out while rvs is loaded" in lines_of_the_log())
    for name in ("ip_vs", "xt_ipvs"):
        d.expect(f"{name} of ours comes", insert(name)[0] == 0)
    for name in ("ip_vs", "xt_ipvs"):
        code, output = run(f"insmod {of_the_kernel(name)}")
        d.expect(f"{name} of C's is refused {output}", code and "File exists" in output)
    d.expect("ours goes", run("rmmod xt_ipvs") == (0, ""))
    code, output = run(f"insmod {of_the_kernel('xt_ipvs')}")
    d.expect(f"C's finds nothing that it needs {output}", code and "Unknown symbol" in output)
    d.expect("ours goes", run("rmmod ip_vs") == (0, ""))
    d.expect("rvs goes", run("rmmod rvs") == (0, ""))
    d.expect("then C's comes", modprobe("xt_ipvs") == 0)


@case(suite="alone")
def by_hand_in_the_order_of_need(d):
    needs = run(f"modinfo -F depends {BUILT}/rvs.ko")[1].strip().split(",")
    d.expect(f"what rvs needs is there {needs}", modprobe("-a " + " ".join(needs)) == 0)
    d.expect("rvs comes", insert("rvs") == (0, ""))
    for name in NAMES:
        d.expect(f"{name} comes", insert(name) == (0, ""))
    d.expect("all go", run("rmmod " + " ".join(reversed(NAMES)) + " rvs") == (0, ""))


@case(suite="alone")
def asks_for_no_module_of_these_names(d):
    d.bare()
    log, helper, setting = (pathlib.Path(path) for path in ("/tmp/asked", "/tmp/modprobe", "/proc/sys/kernel/modprobe"))
    log.write_text("")
    helper.write_text(f"#!/bin/sh\necho \"$@\" >> {log}\nexec /sbin/modprobe \"$@\"\n")
    helper.chmod(0o755)
    d.expect("rvs loads", modprobe("rvs") == 0)
    before = setting.read_text()
    setting.write_text(str(helper))
    try:
        for number, name in enumerate(SCHEDULERS):
            d.expect(f"{name} is served", d.execute(f"ipvsadm -A -t 10.9.0.1:{80 + number} -s {name}")[0] == 0)
        d.expect("another is not", d.execute("ipvsadm -A -t 10.9.0.1:99 -s other")[0] != 0)
        d.execute("ipvsadm -A -t 10.9.0.1:99 --pe sip")
        d.expect("the helper is asked for others", run("ip link add type nonesuch")[0] != 0 and "nonesuch" in log.read_text())
    finally:
        setting.write_text(before)
    d.expect(f"for none called ip_vs {log.read_text()}", "ip_vs" not in log.read_text())
    d.expect("the services go", d.execute("ipvsadm -C")[0] == 0)
    d.expect("rvs unloads", modprobe("-r rvs") == 0)


@case(suite="alone")
def the_largest_table(d):
    d.bare()
    with switched(d):
        OPTIONS.write_text("options ip_vs conn_tab_bits=9\n")
        d.expect("ip_vs loads", modprobe("-b ip_vs") == 0)
        d.expect("it has the option", PARAMETER.read_text() == "9\n")
        d.expect("it is read-only", PARAMETER.stat().st_mode & 0o777 == 0o444)
        d.expect("it goes", run("rmmod ip_vs") == (0, ""))
        OPTIONS.write_text("")
        d.expect("and comes without", modprobe("ip_vs") == 0)
        d.expect(f"there is no limit {PARAMETER.read_text()}", PARAMETER.read_text() == "27\n")
        run("rmmod ip_vs")
        d.expect("below the smallest", modprobe("ip_vs conn_tab_bits=3") == 0 and PARAMETER.read_text() == "3\n")
        d.expect("a service makes a table", d.execute("ipvsadm -A -t 10.9.0.1:80")[0] == 0)
        d.expect("it has the smallest", PARAMETER.read_text() == "8\n")
        d.expect("the service goes", d.execute("ipvsadm -C")[0] == 0)
        run("rmmod ip_vs")
        OPTIONS.write_text("options ip_vs conn_tab_bits=20\n")
        d.expect("ip_vs loads again", modprobe("ip_vs") == 0)
        said = [line for line in lines_of_the_log() if "conn_tab_bits" in line]
        d.expect(f"too late {said}", said == ["rvs: conn_tab_bits=20 comes too late: there are connection tables, with 8 at most"])
        d.expect("it shows what is", PARAMETER.read_text() == "8\n")
        run("rmmod ip_vs rvs")
        d.expect("nonsense is refused", modprobe("ip_vs conn_tab_bits=many") != 0)
        d.expect("rvs unloads", modprobe("-r rvs") == 0)
        OPTIONS.write_text("options ip_vs conn_tab_bits=10\n")
        d.expect("after another start", modprobe("ip_vs") == 0 and PARAMETER.read_text() == "10\n")
        run("rmmod ip_vs rvs")
        OPTIONS.write_text("")
        d.expect("below nothing", modprobe("ip_vs conn_tab_bits=-1") == 0 and PARAMETER.read_text() == "-1\n")
        d.expect("a service makes the smallest table", d.execute("ipvsadm -A -t 10.9.0.1:80")[0] == 0 and PARAMETER.read_text() == "8\n")
        d.expect("the service goes", d.execute("ipvsadm -C")[0] == 0)


@case(suite="alone")
def switch_and_back(d):
    d.bare()
    with switched(d):
        d.expect("twice is as once", switch("on")[0] == 0)
        d.expect("ip_vs loads", modprobe("ip_vs") == 0)
        d.expect("it is rvs", set(present()) == {"rvs", "ip_vs"})
        d.expect("it serves", d.execute("ipvsadm -A -t 10.9.0.1:80 -s sed")[0] == 0)
        d.expect("new files may come meanwhile", switch("on")[0] == 0)
        code, output = switch("off")
        d.expect(f"off is refused {output}", code == 1 and "refused: rvs is loaded" in output)
        d.expect("the service goes", d.execute("ipvsadm -C")[0] == 0)
        d.expect("and rvs", modprobe("-r ip_vs") == 0)
        d.expect("it is off", switch("off")[0] == 0)
        d.expect("twice is as once", switch("off")[0] == 0)
        d.expect("C's comes", modprobe("ip_vs_sed") == 0 and set(present()) == {"ip_vs", "ip_vs_sed"})
        d.expect("C's goes", modprobe("-r ip_vs_sed") == 0)


@case(suite="alone", rows=("nft", "legacy"))
def a_rule_brings_the_match(d, tool):
    d.bare()
    with switched(d):
        d.expect("a rule loads", d.execute(f"iptables-{tool} -t mangle -A POSTROUTING -m ipvs --ipvs")[0] == 0)
        d.expect(f"it brought rvs {present()}", set(present()) == {"rvs", "ip_vs", "xt_ipvs"} and present()["xt_ipvs"] == (1, []))
        d.expect("it goes", d.execute(f"iptables-{tool} -t mangle -F")[0] == 0)
        d.wait("all to unload", lambda: not present() or run("rmmod xt_ipvs ip_vs rvs") and not present())


@case(suite="alone")
def refusals_of_the_switch(d):
    folder, script = pathlib.Path("/tmp/modules"), "/share/scripts/rvs-switch"
    shutil.copytree(BUILT, folder)

    def refused(what, sentence, command=f"env RVS_MODULES={folder} {script} on"):
        code, output = run(command)
        d.expect(f"{what}: {output}", (code, output.splitlines()[-1]) == (1, f"rvs-switch: refused: {sentence}"))
    release, file = os.uname().release, folder / "ip_vs_sed.ko"
    file.unlink()
    refused("a file is missing", f"{folder} has no ip_vs_sed.ko.")
    whole = (BUILT / file.name).read_bytes()
    file.write_bytes(whole.replace(release.encode(), release[::-1].encode()))
    refused("of another kernel", f"ip_vs_sed.ko is for the kernel {release[::-1]}, and this is {release}.")
    file.write_bytes(whole)
    refused("not root", "only root may.", f"setpriv --reuid 1000 --clear-groups {script} on")
    with small_tree():
        OPTIONS.write_text("alias ip_vs dummy\n")
        refused("modprobe is told otherwise", "modprobe would still not take ip_vs from "
                f"/lib/modules/{release}/updates/rvs: see the files in /etc/modprobe.d and /etc/depmod.d.")
        OPTIONS.unlink()
        d.expect("nothing is left behind", not pathlib.Path(f"/lib/modules/{release}/updates/rvs").exists())
    d.expect("usage", run(script)[0] == 2)


@case(suite="signed")
def unsigned_modules_are_refused(d):
    d.expect("signatures are enforced", pathlib.Path("/sys/module/module/parameters/sig_enforce").read_text() == "Y\n")
    code, output = switch("on")
    d.expect(f"rvs-switch refuses {output}", code == 1 and output.splitlines()[-1] == "rvs-switch: refused: this kernel takes signed "
             "modules only, and ip_vs.ko has no signature that it accepts: Key was rejected by service.")
    d.expect("C's loads", modprobe("ip_vs") == 0 and set(present()) == {"ip_vs"})


@case(suite="storm")
def names_under_lock_checks(d):
    d.bare()
    with switched(d):
        d.expect("all at once", modprobe("-a " + " ".join(name for name in NAMES if name != "ip_vs_ftp")) == 0)
        d.expect("a service", d.execute("ipvsadm -A -t 10.9.0.1:80 -s sed")[0] == 0)
        d.expect("another by its mark", d.execute("ipvsadm -A -f 7 -s wrr")[0] == 0)
        for name in ("ip_vs", "ip_vs_sed", "ip_vs_wrr", "rvs"):
            code, output = run(f"rmmod {name}")
            d.expect(f"{name} is in use {output}", code and "in use" in output)
        code, output = switch("off")
        d.expect(f"off is refused {output}", code == 1 and "refused: rvs is loaded" in output)
        d.expect("another scheduler", d.execute("ipvsadm -E -t 10.9.0.1:80 -s rr")[0] == 0 and run("rmmod ip_vs_sed") == (0, ""))
        d.expect("the services go", d.execute("ipvsadm -C")[0] == 0)
        d.expect("the names go", run("modprobe -r xt_ipvs ip_vs_rr ip_vs_wrr")[0] == 0)
