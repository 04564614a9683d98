#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Boots one kernel on the shared guest tree, runs a command in it and reports how it went.

Runs inside the build root, where QEMU and virtiofsd are; `qemu/run` takes care of that.
"""
import argparse
import compileall
import os
import pathlib
import py_compile
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
QEMU = HERE.parent
sys.path.insert(0, str(QEMU / "harness"))

import judge  # noqa: E402

CACHE = pathlib.Path(os.environ.get("RVS_CACHE", pathlib.Path.home() / ".cache/rvs"))
BOOTS = 3
# How long a guest may go on, in seconds, once its log has said that something is wrong; it may hang.
GRACE = 90
INIT = re.compile(r"Run \S+ as init process")
STATUS = re.compile(r"^rvs-guest-status (\d+)$")
VIRTIOFSD = "/usr/libexec/virtiofsd"
# Where a machine's kernel writes its log, if not to ttyS0.
CONSOLES = {"arm64": "ttyAMA0", "s390x": "ttysclp0"}
# QEMU's name and arguments of the machines that are not PCs; they lack what is dear to emulate and no part of the tests.
PROCESSORS = {
    "arm64": "qemu-system-aarch64 -machine virt -accel tcg -cpu max,pauth=off,sve=off,sme=off,lpa2=off",
    "riscv64": "qemu-system-riscv64 -machine virt -accel tcg -cpu max,v=off,sv48=off,sv57=off",
    "s390x": "qemu-system-s390x -machine s390-ccw-virtio,memory-backend=memory -accel tcg -cpu max",
}


def parse_arguments(arguments):
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="qemu/run", description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", required=True, help="folder with vmlinuz and release")
    parser.add_argument("--modules", required=True, help="folder with lib/modules/<release>")
    parser.add_argument("--tree", required=True, help="the Debian tree that the guest runs on")
    parser.add_argument("--initramfs", help="the tree as an archive: no file of it is then waited for while a test runs")
    parser.add_argument("--arch", default="amd64", choices=["amd64", "arm64", "riscv64", "s390x", "um"], help="um: user-mode Linux, which needs no QEMU")
    parser.add_argument("--module", help="rvs.ko to offer to modprobe")
    parser.add_argument("--smp", type=int, default=1, help="CPUs; more than one gives up instruction counting")
    parser.add_argument("--cpu", default="Nehalem", help="amd64: QEMU's name of the CPU; a plain one is emulated a quarter faster")
    parser.add_argument("--memory", default="1024", help="MiB")
    parser.add_argument("--timeout", type=int, default=600, help="seconds before the guest is ended")
    parser.add_argument("--log", help="where to keep the kernel log")
    parser.add_argument("--share", action="append", default=[], metavar="NAME=PATH", help="copy PATH to /share/NAME")
    parser.add_argument("--keep", action="append", default=[], metavar="NAME=PATH", help="copy /share/NAME to PATH at the end")
    parser.add_argument("--append", default="", help="more kernel parameters")
    parser.add_argument("--kvm", action="store_true", help="hardware virtualisation, if a boot test proved it")
    parser.add_argument("--plugin", help="plugin of QEMU's translator; it gets out=/share as argument")
    parser.add_argument("--shell", action="store_true", help="interactive: the serial line is your terminal")
    parser.add_argument("--quiet", action="store_true", help="do not repeat the guest's output")
    parser.add_argument("command", nargs="+", help="command for the guest's shell")
    options = parser.parse_args(arguments)
    options.tags = [] if options.arch in ("um", "s390x") else ["share"] if options.initramfs else ["share", "root"]
    return options


def prepare_share(options, share):
    """Fills the directory that the guest sees as /share: the command, qemu/, rvs.ko and a module index."""
    shutil.copy(HERE / "init", share / "init")
    shutil.copytree(QEMU, share / "qemu", ignore=shutil.ignore_patterns("__pycache__"))
    # The guest would take seconds to compile them each time; a Python of another version ignores what it finds.
    compileall.compile_dir(share / "qemu", quiet=2, stripdir=share, prependdir="/share",
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    for extra in options.share:
        name, path = extra.split("=", 1)
        copy = shutil.copytree if os.path.isdir(path) else shutil.copy
        (share / name).parent.mkdir(parents=True, exist_ok=True)
        copy(path, share / name)
    (share / "command").write_text(" ".join(options.command) + "\n")
    if options.shell:
        (share / "interactive").touch()
    index_modules(options, share)


def index_modules(options, share):
    """Runs depmod over the tree's modules (as hard links) and our rvs.ko, without touching the tree."""
    release = (pathlib.Path(options.kernel) / "release").read_text().strip()
    target = share / "modules/lib/modules" / release
    target.parent.mkdir(parents=True)
    subprocess.run(["cp", "-al", f"{options.modules}/lib/modules/{release}", target], check=True)
    if options.module:
        (target / "updates").mkdir()
        shutil.copy(options.module, target / "updates" / "rvs.ko")
        # Out of depmod's reach: all that is built, for rvs-switch.
        (share / "built").mkdir()
        for module in [options.module, *pathlib.Path(options.module).parent.glob("rust/names/*.ko")]:
            shutil.copy(module, share / "built")
    subprocess.run(["depmod", "-b", share / "modules", release], check=True)


def kernel_parameters(options):
    """Returns the kernel's command line."""
    root = "rdinit=/sbin/rvs-init" if options.initramfs else "rootfstype=virtiofs root=root ro init=/sbin/rvs-init"
    words = [root, "panic=-1 oops=panic printk.time=1",
             f"console={CONSOLES.get(options.arch, 'ttyS0')}", "audit=0 mitigations=off"]
    if options.smp > 1:
        words.append("rcupdate.rcu_cpu_stall_timeout=300 nowatchdog tsc=reliable")
    if options.shell:
        words.append("quiet loglevel=3")
    return " ".join(words + [options.append])


def processor(options):
    """Returns QEMU's arguments for the machine and the way it executes."""
    if options.arch in PROCESSORS:
        return PROCESSORS[options.arch].split()
    command = ["qemu-system-x86_64", "-machine", "q35,usb=off,hpet=off"]
    if options.kvm:
        return command + ["-accel", "kvm", "-cpu", "host"]
    return command + ["-accel", "tcg", "-cpu", options.cpu]


def machine(options, run):
    """Returns QEMU's command line for one guest, or that of user-mode Linux, whose files are the host's."""
    if options.arch == "um":
        start = f'"mount -t hostfs -o hostfs={run}/share none /share; exec bash /share/init"'
        return [f"{options.kernel}/vmlinuz", f"mem={options.memory}M", "root=/dev/root", "rootfstype=hostfs",
                f"rootflags={options.tree}", "ro", "panic=-1", "con=null", "con0=null,fd:1", "init=/bin/bash", "--", "-c", start]
    command = processor(options) + [
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", f"{options.kernel}/vmlinuz",
        "-append", kernel_parameters(options), "-m", options.memory, "-smp", str(options.smp),
        "-object", f"memory-backend-memfd,id=memory,size={options.memory}M,share=on"]
    if options.arch != "s390x":
        command += ["-numa", "node,memdev=memory"]
    if options.initramfs:
        command += ["-initrd", options.initramfs]
    if options.smp == 1 and not options.kvm and not options.shell:
        command += ["-icount", "shift=0,sleep=off"]
    if options.plugin:
        command += ["-plugin", f"{options.plugin},out={run}/share"]
    for tag in options.tags:
        command += ["-chardev", f"socket,id={tag},path={run}/{tag}.sock",
                    "-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]
    if options.shell:
        return command + ["-serial", "mon:stdio"]
    return command + (channel_devices(run) if options.arch == "s390x" else ["-serial", f"file:{run}/console", "-device", "virtio-serial-pci"]) + [
        "-chardev", f"file,id=output,path={run}/output", "-device", "virtconsole,chardev=output"]


def channel_devices(run):
    """Returns the devices of a machine without PCI. Its files come by 9p: virtiofs speaks the byte order of the guest."""
    return ["-fsdev", f"local,id=share,path={run}/share,security_model=none", "-device", "virtio-9p-ccw,fsdev=share,mount_tag=share",
            "-chardev", f"file,id=console,path={run}/console", "-device", "sclpconsole,chardev=console", "-device", "virtio-serial-ccw"]


def start_virtiofsd(run, tag, directory, *more):
    """Starts the file server of one shared directory."""
    log = open(run / f"{tag}.virtiofsd", "w")
    return subprocess.Popen([VIRTIOFSD, f"--socket-path={run}/{tag}.sock", f"--shared-dir={directory}", "--sandbox=none",
                             "--cache=always", "--inode-file-handles=never", *more], stdout=log, stderr=log)


class Guest:
    """One running guest: its QEMU, its file servers and what it has printed so far."""

    def __init__(self, options, run):
        self.options, self.run, self.offset, self.partial, self.status = options, run, 0, "", None
        self.lines = []
        self.servers = [start_virtiofsd(run, "share", run / "share")] if "share" in options.tags else []
        if "root" in options.tags:
            self.servers.append(start_virtiofsd(run, "root", options.tree, "--readonly"))
        while not all((run / f"{tag}.sock").exists() for tag in options.tags):
            if any(server.poll() is not None for server in self.servers):
                raise SystemExit("qemu/run: virtiofsd does not start: " + (run / "share.virtiofsd").read_text())
            time.sleep(0.01)
        said = run / ("console" if options.arch == "um" else "qemu")
        tty = {} if options.shell else {"stdin": subprocess.DEVNULL, "stdout": open(said, "w"), "stderr": subprocess.STDOUT}
        self.qemu = subprocess.Popen(machine(options, run), **tty)

    def drain(self):
        """Passes new output of the guest on, line by line."""
        path = self.run / ("share/output" if self.options.arch == "um" else "output")
        if not path.exists():
            return
        with open(path, errors="replace") as output:
            output.seek(self.offset)
            text = output.read()
            self.offset = output.tell()
        lines = (self.partial + text).split("\n")
        self.partial = lines.pop()
        for line in lines:
            status = STATUS.match(line)
            if status:
                self.status = int(status.group(1))
            else:
                self.lines.append(line)
                if not self.options.quiet:
                    print(line, flush=True)

    def wait(self):
        """Waits for the guest to end, or ends it when its time is over; returns whether it ended by itself."""
        end = time.monotonic() + self.options.timeout
        look, sick = 0, False
        while self.qemu.poll() is None:
            self.drain()
            now = time.monotonic()
            if now > look and not sick:
                look, sick = now + 5, bool(judge.judge(kernel_log(self.run))[0])
                end = min(end, now + GRACE) if sick else end
            if now > end and not self.options.shell:
                return False
            time.sleep(0.05)
        self.drain()
        return True

    def stop(self):
        """Ends what is still running."""
        for process in [self.qemu, *self.servers]:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def kernel_log(run):
    """Returns what a guest's kernel has written so far."""
    return (run / "console").read_text(errors="replace") if (run / "console").exists() else ""


def died_at_birth(options, run):
    """Tells whether the kernel ended before its first process: nothing of ours had run.

    With several CPUs, QEMU's translator now and then runs a breakpoint that the kernel, which patches itself
    while it starts, has already taken back.
    """
    return not options.shell and not INIT.search(kernel_log(run))


def report(guest, in_time):
    """Prints what went wrong, if anything, and returns the exit status of the run."""
    log = kernel_log(guest.run)
    if guest.options.log:
        pathlib.Path(guest.options.log).write_text(log)
    failures, oracle = judge.judge(log)
    for line in oracle:
        print(f"# the C module's own: {line}")
    for line in failures:
        print(f"# log: {line}")
    if not in_time:
        print(f"# the guest did not end within {guest.options.timeout} s, or {GRACE} s after the first line above, and was stopped; "
              "last lines of its log:")
    elif guest.status is None:
        print("# the guest ended without an exit status; last lines of its log:")
    if not in_time or guest.status is None:
        print("\n".join("#   " + line for line in log.splitlines()[-25:]))
        if guest.options.arch != "um":
            print((guest.run / "qemu").read_text(), end="")
        return 124 if not in_time else 125
    return guest.status or (3 if failures else 0)


def main(arguments):
    """Runs a guest; one whose kernel did not come as far as its first process is started again."""
    options = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for left in reversed(range(BOOTS)):
        status = run_once(options, left == 0)
        if status is not None:
            return status
        print("# the kernel ended before its first process; it is started again", flush=True)


def keep(source, target):
    """Copies a file or what is in a folder to where it is wanted."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def run_once(options, last):
    """Runs one guest from start to power-off; returns None for a kernel that died at birth, if it is not the last try."""
    base = CACHE / "run"
    base.mkdir(parents=True, exist_ok=True)
    run = pathlib.Path(tempfile.mkdtemp(prefix="guest-", dir=base))
    try:
        (run / "share").mkdir()
        prepare_share(options, run / "share")
        guest = Guest(options, run)
        try:
            in_time = guest.wait()
        finally:
            guest.stop()
        if in_time and not last and died_at_birth(options, run):
            return None
        for name, path in (kept.split("=", 1) for kept in options.keep):
            keep(run / "share" / name, path)
        return 0 if options.shell else report(guest, in_time)
    finally:
        shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
