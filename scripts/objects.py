# SPDX-License-Identifier: GPL-2.0
"""What the object checks share: symbols, disassembly and the calls of a linked module, by LLVM's tools."""
import collections
import pathlib
import re
import subprocess
import sys

# Kernel variables of which every CPU has its own; on x86 every access goes through the segment %gs.
PER_CPU = ("__preempt_count", "this_cpu_off", "cpu_number", "current_task", "const_current_task", "hardirq_stack_ptr")
# The machines whose code is understood, by the ELF header's name: a short name, LLVM's, and how far a relocation's addend is
# from what it points to (the end of a call's field on x86, the start of the instruction on s390x).
Machine = collections.namedtuple("Machine", "name target past")
MACHINES = {"Advanced Micro Devices X86-64": Machine("x86", "x86_64-linux-gnu", 4), "AArch64": Machine("arm64", "aarch64-linux-gnu", 0),
            "RISC-V": Machine("riscv64", "riscv64-linux-gnu", 0), "IBM S/390": Machine("s390x", "s390x-linux-gnu", -2)}
# A frame whose size is not in the instruction that takes it.
UNKNOWN = 1 << 20
FRAMES = {
    "x86": [r"subq\s+\$(0x[0-9a-f]+|\d+), %rsp"],
    "arm64": [r"sub\s+sp, sp, #(0x[0-9a-f]+|\d+)(?:, lsl #(\d+))?", r"st[pr]\s.*\[sp, #-(0x[0-9a-f]+|\d+)\]!"],
    "riscv64": [r"(?:c\.)?addi(?:16sp)?\s+sp, (?:sp, )?-(0x[0-9a-f]+|\d+)"],
    "s390x": [r"(?:aghi|agfi)\s+%r15, ?-(0x[0-9a-f]+|\d+)", r"layg?\s+%r15, ?-(0x[0-9a-f]+|\d+)\(%r15\)", r"slgfi\s+%r15, ?(0x[0-9a-f]+|\d+)"],
}
UNKNOWN_FRAMES = {"x86": r"subq\s+%\w+, %rsp", "arm64": r"sub\s+sp, sp, x\d+$", "riscv64": r"(?:c\.)?sub\s+sp, sp, [ast]\d+", "s390x": r"s(?:lg|g)r?k?\s+%r15,"}
Function = collections.namedtuple("Function", "name section lines calls")


def output(*command):
    """Returns what a command prints."""
    return subprocess.run([str(one) for one in command], check=True, text=True, stdout=subprocess.PIPE).stdout


def symbols(path):
    """Returns (undefined, defined functions) of an object as lists of names."""
    undefined, defined = [], []
    for line in output("llvm-nm", path).splitlines():
        kind, name = line.split()[-2:]
        if kind in "Uw":
            undefined.append(name)
        elif kind in "tTW" and not name.startswith((".L", "__pfx_", "$")):
            defined.append(name)
    return undefined, defined


def demangle(names):
    """Returns {mangled: readable} of symbols."""
    done = subprocess.run(["llvm-cxxfilt"], input="\n".join(names), check=True, text=True, stdout=subprocess.PIPE)
    return dict(zip(names, done.stdout.splitlines()))


def machine(path):
    """Returns what is known of the machine that an object is for; there is no check without knowing it."""
    name = re.search(r"Machine:\s+(.*)", output("llvm-readelf", "-h", path)).group(1).strip()
    if name not in MACHINES:
        sys.exit(f"{path}: the code of the machine '{name}' is not understood")
    return MACHINES[name]


def functions(path):
    """Returns the functions of an object: instructions as text, and the names that relocations in them mention."""
    found, starts = [], {}
    section, past = "", machine(path).past
    for line in output("llvm-objdump", "-dr", "--no-show-raw-insn", path).splitlines():
        if line.startswith("Disassembly of section"):
            section = line.split()[-1].rstrip(":")
        elif match := re.match(r"([0-9a-f]+) <(.*)>:$", line):
            if match.group(2).startswith((".L", "$")) and found:
                continue
            found.append(Function(match.group(2), section, [], []))
            starts[section, int(match.group(1), 16)] = match.group(2)
        elif found and (match := re.match(r"\s*[0-9a-f]+:\s+R_\w+\s+(\S+)", line)):
            found[-1].calls.append(match.group(1))
            if found[-1].lines and re.split("[+-]", match.group(1))[0] in PER_CPU:
                found[-1].lines[-1] += f" ; {match.group(1)}"
        elif found and (match := re.match(r"\s*[0-9a-f]+:\s+(.*)", line)):
            found[-1].lines.append(match.group(1).replace("\t", " ").strip())
            # What `adrp` names is the page before its relocation.
            if not found[-1].lines[-1].startswith("adrp") and (target := re.search(r"<(\S+?)(?:\+0x[0-9a-f]+)?>$", line)):
                found[-1].calls.append(target.group(1))

    def name(relocation, place):
        match = re.match(r"(\.[\w.]+?)([+-]0x[0-9a-f]+)?$", relocation)
        if not match:
            return re.sub(r"[+-]0x[0-9a-f]+$", "", relocation)
        offset = int(match.group(2) or "0", 16)
        return starts.get((match.group(1), offset)) or starts.get((match.group(1), offset + past)) or place
    return [one._replace(calls=sorted({name(call, one.name) for call in one.calls})) for one in found]


def reachable(found, roots):
    """Returns the names of the functions that the roots mention, directly or through others."""
    calls = {one.name: one.calls for one in found}
    seen, todo = set(), [name for name in calls if any(re.search(root, name) for root in roots)]
    while todo:
        name = todo.pop()
        if name in calls and name not in seen:
            seen.add(name)
            todo.extend(calls[name])
    return seen


def frame(function, arch):
    """Returns how many bytes of stack a function takes by itself."""
    size = 0
    for line in function.lines:
        if arch == "x86" and line.startswith("push"):
            size += 8
        for match in filter(None, (re.match(pattern, line) for pattern in FRAMES[arch])):
            size += int(match.group(1), 0) << int((match.groups() + (None,))[1] or 0)
        if re.match(UNKNOWN_FRAMES[arch], line):
            size += UNKNOWN
    return size


def listed(name):
    """Returns the patterns of a list file beside the scripts, without comments."""
    path = pathlib.Path(__file__).resolve().parent / name
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]
