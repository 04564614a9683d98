# SPDX-License-Identifier: GPL-2.0
"""What `twos` may choose with which probability, and whether it does: an exact law and a chi-square test."""
import math
import random

BINS = 20


def gamma_tail(a, x):
    """Returns the regularised upper incomplete gamma function Q(a, x)."""
    if x <= 0:
        return 1.0
    factor = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for step in range(1, 1000):
            term *= x / (a + step)
            total += term
        return max(0.0, 1 - factor * total)
    fraction = x + 1 - a + 2 * 1000
    for step in range(1000, 0, -1):
        fraction = x + 2 * step - 1 - a - step * (step - a) / fraction
    return factor / fraction


def p_value(counts):
    """Returns how likely counts at least this uneven are where all bins are equally likely."""
    expected = sum(counts) / len(counts)
    if not expected:
        return 1.0
    return gamma_tail((len(counts) - 1) / 2, sum((count - expected) ** 2 for count in counts) / expected / 2)


def law(servers):
    """Returns {server: probability} for servers [(name, weight, load)] in list order, all of them eligible.

    Two numbers of 0 to the sum of weights, both included, choose a server each, the first one also for 0; of the two
    the less loaded by its weight is taken, the first where they are equal.
    """
    whole = sum(weight for _, weight, _ in servers) + 1
    ranks = {}
    for at, (name, weight, load) in enumerate(servers):
        ranks.setdefault(load / weight, []).append((name, (weight + (at == 0)) / whole))
    chances, above = {}, 0.0
    for rank in sorted(ranks, reverse=True):
        level = sum(chance for _, chance in ranks[rank])
        for name, chance in ranks[rank]:
            chances[name] = chance * (level + 2 * above)
        above += level
    return chances


class Watch:
    """Compares decisions with their law while loads change with each of them.

    Each decision becomes a number that is uniform in 0..1 if the law holds: the probability of the servers before the
    chosen one and a random part of its own. Once servers are in list order and once in the order of their load.
    """

    def __init__(self, seed):
        self.random, self.bins = random.Random(seed), ([0] * BINS, [0] * BINS)
        self.impossible = 0

    def begin(self, servers):
        """Takes the state before a batch: {name: [weight, load, total, upper, overloaded]} in list order."""
        self.servers = servers
        self.renew()

    def renew(self):
        """Computes the law of the moment and until what load of a server it stays so."""
        eligible = [(name, weight, load) for name, (weight, load, _, _, overloaded) in self.servers.items()
                    if weight and not overloaded]
        chances = law(eligible)
        by_load = sorted(eligible, key=lambda server: server[2] / server[1])
        self.parts, self.limits = {}, {}
        for way, order in enumerate((eligible, by_load)):
            below = 0.0
            for name, _, _ in order:
                self.parts.setdefault(name, [chances[name]]).append(below)
                below += chances[name]
        ratios = [load / weight for _, weight, load in by_load] + [math.inf]
        for at, (name, weight, load) in enumerate(by_load):
            tied = at and ratios[at - 1] == ratios[at]
            self.limits[name] = 0 if tied else ratios[at + 1] * weight

    def saw(self, name, cost):
        """Takes one decision, None for no server, and what its connection adds to the server's load."""
        part = self.parts.get(name)
        if not part:
            self.impossible += name is not None or bool(self.parts)
            return
        own, *before = part
        for bins, below in zip(self.bins, before):
            bins[min(BINS - 1, int((below + own * self.random.random()) * BINS))] += 1
        server = self.servers[name]
        server[1] += cost
        server[2] += 1
        if server[2] == server[3]:
            server[4] = True
        if server[4] or server[1] >= self.limits[name]:
            self.renew()

    def verdict(self):
        """Returns what the decisions say of the law: how many it rules out, and the two p-values."""
        return self.impossible, *(p_value(bins) for bins in self.bins)
