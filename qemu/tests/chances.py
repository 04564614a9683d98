# SPDX-License-Identifier: GPL-2.0
"""twos draws at random: over ten seeded lives its choices are as likely as the specification says, with both modules.

Before every batch of decisions weights and connections are read; from there on each decision's chances are known exactly.
"""
import math

from cases import case
from decisions import NAMES, SEEDS, Life, director

# An active connection weighs as much as 257 that are not.
ACTIVE = 257


def draws(weights):
    """Returns the chance of each server to be drawn: r is one of 0 to the sum, and 0 belongs to the first."""
    total = sum(weights.values())
    chances = {number: weight / (total + 1) for number, weight in weights.items() if weight}
    first = next(iter(chances), None)
    return {number: chance + (number == first) / (total + 1) for number, chance in chances.items()}


def choices(weights, loads):
    """Returns the chance of each server to be chosen: the second of two draws if it has less load for its weight."""
    drawn = draws(weights)
    chances = dict.fromkeys(drawn, 0.0)
    for first, one in drawn.items():
        for second, other in drawn.items():
            better = weights[second] * loads[first] > weights[first] * loads[second]
            chances[second if better else first] += one * other
    return chances


def tail(square, freedom):
    """Returns the chance of a chi-square of at least this much (Wilson and Hilferty's approximation)."""
    spread = 2 / (9 * freedom)
    return math.erfc(((square / freedom) ** (1 / 3) - 1 + spread) / math.sqrt(2 * spread)) / 2


def likelihood(observed, expected):
    """Returns how likely a difference from what was expected is that is at least as large; rare servers count as one."""
    rare = [number for number, count in expected.items() if count < 5]
    bins = [(observed.get(number, 0), count) for number, count in expected.items() if count >= 5]
    bins.append((sum(observed.get(number, 0) for number in rare), sum(expected[number] for number in rare)))
    bins = [(seen, count) for seen, count in bins if count >= 5]
    return tail(sum((seen - count) ** 2 / count for seen, count in bins), len(bins) - 1) if len(bins) > 1 else 1.0


class Chances(Life):
    """A life of few servers without thresholds, each decision of which is judged by its chances."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.size, self.observed, self.expected, self.strange = min(self.size, 9), {}, {}, 0
        self.service.counts = lambda: None
        self.wires.decide = self.judged(self.wires.decide)

    def settings(self):
        return self.random.choice((0, 1, 1, 2, 3, 5, 8, 20)), 0, 0

    def standing(self):
        """Returns weights and loads of the servers, the newest first."""
        text = self.service.d.read("/proc/thread-self/net/ip_vs")
        rows = [line.split() for line in text.splitlines() if line.startswith("  ->") and ":" in line and "Remote" not in line]
        numbers = [int(row[1][6:8], 16) for row in rows]
        weights = {number: int(row[3]) for number, row in zip(numbers, rows)}
        return weights, {number: ACTIVE * int(row[4]) + int(row[5]) for number, row in zip(numbers, rows)}

    def judged(self, decide):
        """Returns a way of deciding that counts what came and what was to be expected, and tells the transcript nothing."""
        def counted(kind, *more):
            weights, loads = self.standing()
            chosen = decide(kind, *more)
            for number in chosen:
                chances = choices(weights, loads)
                for server, chance in chances.items():
                    self.expected[server] = self.expected.get(server, 0) + chance
                self.strange += chances.get(number, 0) == 0 and (number != 0 or bool(chances))
                self.observed[number] = self.observed.get(number, 0) + 1
                if number in loads:
                    loads[number] += ACTIVE if kind.tcp else 1
            return bytes(len(chosen))
        return counted

    def play(self):
        super().play()
        # The next life has a judge of its own.
        del self.wires.decide
        self.d.expect("nobody was chosen who must not be", self.strange == 0)
        chance = likelihood(self.observed, self.expected)
        self.d.expect("the choices are as likely as specified", chance > 1e-6)
        if chance <= 1e-6:
            self.d.faults.append(", ".join(f"{NAMES[number - 11]}: {self.observed.get(number, 0)} of {count:.1f}"
                                           for number, count in self.expected.items()))


@case
def twos(d):
    wires, client = director(d)
    for seed in SEEDS:
        Chances(d, wires, client, ("twos", "twos", 0), seed).play()
