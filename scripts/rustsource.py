# SPDX-License-Identifier: GPL-2.0
"""What the source checks share: Rust files with comments and strings blanked, findings, self-tests."""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|r(?P<h>#*)".*?"(?P=h)|c?b?"(?:\\.|[^"\\])*"|b?\'(?:\\.[^\']*|[^\'\\])\'', re.S)


def blank(text):
    """Returns the text with comments, strings and characters replaced by spaces; lines stay where they are."""
    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())
    return TOKEN.sub(spaces, text)


def line_of(text, position):
    """Returns the number of the line a position is in."""
    return text.count("\n", 0, position) + 1


def block_end(code, opening):
    """Returns the position behind the brace that closes the one at `opening`."""
    depth = 0
    for position in range(opening, len(code)):
        if code[position] == "{":
            depth += 1
        elif code[position] == "}":
            depth -= 1
            if depth == 0:
                return position + 1
    return len(code)


def without_tests(code):
    """Returns blanked code with the bodies of test modules blanked too."""
    for match in re.finditer(r"#\[cfg\((?:test|any\(test|CONFIG_KUNIT|all\(test)[^\]]*\]\s*(?:pub\s+)?mod\s+\w+\s*\{", code):
        end = block_end(code, match.end() - 1)
        code = code[:match.start()] + re.sub(r"[^\n]", " ", code[match.start():end]) + code[end:]
    return code


def rust_files(root, *folders):
    """Yields (path relative to root, text) of the Rust files in folders below root."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.rs")):
            if "target" not in path.parts and path.name != "bindings_generated.rs":
                yield path.relative_to(root), path.read_text()


def finish(name, findings, checked):
    """Prints findings and ends the program: 1 if there are any."""
    for finding in findings:
        print(f"{name}: {finding}", file=sys.stderr)
    if findings:
        sys.exit(f"{name}: {len(findings)} findings")
    if not checked:
        sys.exit(f"{name}: found nothing to check")
    print(f"{name}: {checked}")


def self_test(name, check, clean, faults):
    """Proves that a check can fail: `clean` and each of `faults` are {path: text}; every fault must be found."""
    def findings(files):
        with tempfile.TemporaryDirectory() as folder:
            for path, text in files.items():
                target = pathlib.Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            return check(pathlib.Path(folder))[0]
    problems = [f"complains about clean source: {found}" for found in findings(clean)]
    for path, text, expected in faults:
        found = findings({**clean, path: text})
        if not any(expected in one for one in found):
            problems.append(f"does not find the planted fault '{expected}' in {text!r} (found {found})")
    if problems:
        sys.exit("\n".join(f"{name}: {problem}" for problem in problems))
    print(f"{name}: finds all {len(faults)} planted faults")


def output(*command):
    """Returns what a command prints."""
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
