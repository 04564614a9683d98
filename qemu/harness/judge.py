# SPDX-License-Identifier: GPL-2.0
"""Judges a kernel log: what in it is a report of a crash, a leak or a broken rule, and whose it is."""
import re

CRASHES = [
    r"\bRIP:", r"Call Trace:", r"\bBUG:", r"\bWARNING:", r"\bINFO: (?:suspicious|possible|inconsistent|task|trying)",
    r"\bKASAN:", r"\bUBSAN:", r"unreferenced object", r"ref_tracker", r"possible circular", r"[Ss]uspicious RCU",
    r"\bODEBUG:", r"DEBUG_LOCKS_WARN_ON", r"scheduling while atomic", r"sleeping function called",
    r"general protection fault", r"Oops", r"[Kk]ernel panic", r"Unable to handle kernel", r"refcount_t:",
    r"list_(?:add|del) corruption", r"unregister_netdevice: waiting", r"rust_kernel: panicked", r"panicked at",
    r"Object remaining", r"Objects remaining", r"blocked for more than", r"detected stalls?\b", r"soft lockup",
]
PATTERN = re.compile("|".join(CRASHES))
MARK = re.compile(r"rvs-guest: (loaded|unloaded|allow|case) ?(.*)")


def judge(text):
    """Returns (failures, oracle): the log's bad lines, and those that the C module alone brought about.

    The runner writes marks into the log: which module is loaded, and which pattern a case expects.
    A line counts against the oracle while `ip_vs` is loaded and rvs was never loaded before.
    """
    failures, oracle, allowed = [], [], []
    loaded, seen_rvs, case = "", False, ""
    for line in text.splitlines():
        mark = MARK.search(line)
        if mark and mark.group(1) == "loaded":
            loaded, seen_rvs = mark.group(2).strip(), seen_rvs or "rvs" in mark.group(2)
        elif mark and mark.group(1) == "unloaded":
            loaded = ""
        elif mark and mark.group(1) == "allow":
            allowed = [mark.group(2)] if mark.group(2) else []
        elif mark:
            case, allowed = mark.group(2).strip(), []
        elif PATTERN.search(line) and not any(re.search(pattern, line) for pattern in allowed):
            blamed_on_oracle = loaded == "ip_vs" and not seen_rvs
            (oracle if blamed_on_oracle else failures).append(f"{case}: {line.strip()}" if case else line.strip())
    return failures, oracle
