# SPDX-License-Identifier: GPL-2.0
"""What a scenario saw, as lines of text, and when two of them are equal."""
import difflib
import re

# With the blanks that fill a column before it: it may have a digit more or less.
TOLERANT = re.compile(" *\x01(\\d+)\x02(\x02*)")


def about(seconds, spread=1):
    """Returns a number that may differ by `spread` between two transcripts (a timer read at slightly different times)."""
    return f"\x01{int(seconds)}" + "\x02" * spread


def plain(line):
    return line.replace("\x01", "").replace("\x02", "")


def same(left, right):
    """Says whether two lines are equal, numbers of `about` within their spread."""
    if left == right:
        return True
    if TOLERANT.sub("", left) != TOLERANT.sub("", right):
        return False
    pairs = zip(TOLERANT.findall(left), TOLERANT.findall(right))
    return all(abs(int(a) - int(b)) <= 1 + len(more) for (a, more), (b, _) in pairs)


def compare(left, right, names):
    """Returns the differences of two transcripts as the lines of a unified diff; none if they are equal."""
    if len(left) == len(right) and all(same(a, b) for a, b in zip(left, right)):
        return []
    # Lines that agree within tolerance are made equal first, so that the diff shows only what matters.
    if len(left) == len(right):
        right = [a if same(a, b) else b for a, b in zip(left, right)]
    return list(difflib.unified_diff([plain(line) for line in left], [plain(line) for line in right],
                                     names[0], names[1], lineterm="", n=3))


def connection_lines(text, spread=1):
    """Sorts the lines of /proc/net/ip_vs_conn and makes their `Expires` tolerant, to within `spread` seconds."""
    header, *lines = text.splitlines()
    fields = header.split()
    at = fields.index("Expires")
    result = []
    for line in lines:
        words = line.split()
        number = words[at] if at < len(words) else ""
        place = line.rfind(f" {number}") + 1
        result.append(line[:place] + about(number, spread) + line[place + len(number):] if number.isdigit() else line)
    return [header] + sorted(result, key=plain)


def connection_table(text):
    """The same for the output of `ipvsadm -L -c`, whose times are written mm:ss."""
    lines = text.splitlines()
    heads = [line for line in lines if line.startswith(("IPVS", "pro "))]
    rest = [re.sub(r" (\d+):(\d\d) ", lambda m: " " + about(int(m[1]) * 60 + int(m[2])) + " s ", line)
            for line in lines if line not in heads]
    return heads + sorted(rest, key=plain)


def service_blocks(text, heads):
    """Sorts the services of /proc/net/ip_vs, whose order is the hash's; destinations keep theirs."""
    lines = text.splitlines()
    blocks = []
    for line in lines[heads:]:
        if line.startswith("  ->"):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return lines[:heads] + [line for block in sorted(blocks) for line in block]
