# SPDX-License-Identifier: GPL-2.0
"""Transcripts of the C module that an earlier guest has left behind, for loops in which only rvs changes.

A folder has one file for each scenario file and part of a run, as parts play in guests of their own at the same time:
{"key": …, "cases": {name: lines}}. What any part has seen is used. The key is a hash of all that the C
module's transcript depends on: the kernel's release, the guest's tree, the harness, the scenario file and those that it
imports, and the files that the guest has for it in a folder of its name. What another key wrote is not used and is written over.
"""
import hashlib
import json
import os
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"


def sources(name, found=None):
    """Returns the names of a scenario file and of those that it imports."""
    found = {name} if found is None else found | {name}
    for other in re.findall(r"^(?:import|from) (\w+)", (TESTS / f"{name}.py").read_text(), re.M):
        if other not in found and (TESTS / f"{other}.py").exists():
            found |= sources(other, found)
    return found


class Store:
    """The folder of recorded transcripts."""

    def __init__(self, folder, salt, part):
        self.folder, self.salt, self.keys = pathlib.Path(folder), salt, {}
        self.part = part.replace("/", "-of-")
        self.folder.mkdir(parents=True, exist_ok=True)

    def key(self, name):
        """Returns what the transcripts of a scenario file depend on, as a hash."""
        if name not in self.keys:
            made = hashlib.sha256(f"{os.uname().release} {os.uname().machine} {self.salt}".encode())
            data = sorted(path for path in (HERE.parents[1] / name).rglob("*") if path.is_file())
            for path in [*sorted(HERE.glob("*.py")), *(TESTS / f"{one}.py" for one in sorted(sources(name))), *data]:
                made.update(path.name.encode() + path.read_bytes())
            self.keys[name] = made.hexdigest()
        return self.keys[name]

    def path(self, name, part):
        """Returns the file of a scenario file and a part."""
        return self.folder / f"{name}.{part}.json"

    def cases(self, name, part="*"):
        """Returns {case: lines} of a scenario file, by a part or all; nothing of what was recorded under another key."""
        found = [json.loads(path.read_text()) for path in self.folder.glob(self.path(name, part).name)]
        return {case: lines for one in found if one["key"] == self.key(name) for case, lines in one["cases"].items()}

    def take(self, names):
        """Returns {case: lines} of those cases that are recorded."""
        files = {name: self.cases(name) for name in {case.split(":")[0] for case in names}}
        return {case: files[case.split(":")[0]][case] for case in names if case in files[case.split(":")[0]]}

    @staticmethod
    def lasts(lines):
        """Returns whether another boot would see the same.

        The source port of an outer UDP header (GUE) is a hash with a key that each boot draws.
        """
        return not any(re.search(r"udp \d+>6080\b|dport=6080\b", line) for line in lines)

    def put(self, seen):
        """Adds {case: lines} to what is recorded, of those that another boot would see as well."""
        seen = {case: lines for case, lines in seen.items() if self.lasts(lines)}
        for name in {case.split(":")[0] for case in seen}:
            cases = self.cases(name, self.part) | {case: lines for case, lines in seen.items() if case.split(":")[0] == name}
            self.path(name, self.part).write_text(json.dumps({"key": self.key(name), "cases": cases}))
