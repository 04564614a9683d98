# SPDX-License-Identifier: GPL-2.0
"""The table and the plot of the packet rows in time, with intervals by the bootstrap: pairs drawn again from the pairs."""
import random
import statistics

import plot
from rows import title

DRAWS = 2000
NOTE = """The packet rows above in nanoseconds, in user-mode Linux: the same kernel source, configured by `qemu/vm/native.config`, as a
program at the machine's own speed, with rvs linked as one optimised unit as for a stock kernel. Within one boot each row is
measured {pairs} times with each module, alternately ip_vs and rvs first. Each time 32 batches of 64 packets and as many of plain
forwarding, in a namespace without services, take turns; the median of the differences between neighbours counts. *over* is the
mean of these medians; for a NAT server's replies one re-route (what it costs ip_vs) is taken off for both. *95 %* is the
interval of the ratio, by the bootstrap over the pairs. User-mode Linux has one CPU, its system calls and the clock are slow,
and its code model is the large one: caches count here, contention does not. New connections wait for memory more than they
compute: each of their packets comes from a buffer of its own, and each is made where nothing was before."""


def resampled(pairs, rng):
    return [pairs[rng.randrange(len(pairs))] for _ in pairs]


def ratio(pairs):
    """Returns how the second of all pairs compare with the first."""
    return sum(second for _, second in pairs) / sum(first for first, _ in pairs)


def interval(pairs, seed=1):
    """Returns the bounds between which the ratio lies with 95 % confidence, by the percentile bootstrap."""
    rng = random.Random(seed)
    drawn = sorted(ratio(resampled(pairs, rng)) for _ in range(DRAWS))
    return drawn[DRAWS * 25 // 1000], drawn[DRAWS * 975 // 1000 - 1]


class Samples:
    """The rows, found by what they are."""

    def __init__(self, rows):
        self.rows = {(row["subject"], row["family"], row["protocol"], row["method"], row["kind"], row["conntrack"],
                      row["services"]): row for row in rows if "over" in row}

    def both(self, *key):
        """Returns a pair for each turn: what ip_vs and rvs take over plain forwarding, or that and one re-route."""
        first, second = (self.rows[subject, *key]["over"] for subject in ("ip_vs", "rvs"))
        if key[3] != "reply":
            return list(zip(first, second))
        once = self.rows["ip_vs", *key[:3], "reply without re-route", *key[4:]]["over"]
        return [(less, other - (more - less)) for more, less, other in zip(first, once, second)]


def parts(results):
    """Yields the texts, tables and plots of the section."""
    samples, made, bars = Samples(results["native"]), [], []
    served = [key[1:] for key in samples.rows if key[0] == "rvs"]
    yield NOTE.format(pairs=len(samples.rows[("rvs", *served[0])]["over"]))
    for key in served:
        pairs, plain = samples.both(*key), samples.rows["ip_vs", *key]["plain"]
        low, high = interval(pairs)
        means = [statistics.fmean(pair[number] for pair in pairs) for number in (0, 1)]
        made.append([title(*key), *(f"{value:,.0f}" for value in (statistics.fmean(plain), *means)),
                     f"{100 * ratio(pairs):.0f} %", f"{100 * low:.0f} to {100 * high:.0f} %"])
        if not key[4] and key[5] == 1:
            bars.append((title(*key).removeprefix("IPv4 "), means))
    refused = dict.fromkeys((row["family"], row["protocol"], row["method"]) for row in results["native"] if "refused" in row)
    made += [[f"IPv{family} {protocol} {method}", "", "", "not served yet", "", ""] for family, protocol, method in refused]
    yield ["row", "forwarding", "ip_vs over", "rvs over", "rvs/ip_vs over", "95 %"], made
    yield plot.Bars("time", "IPv4: nanoseconds per packet over forwarding", ("ip_vs", "rvs"), bars)
