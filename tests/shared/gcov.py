# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a module was reached since it was first loaded, as a kernel with GCOV has counted it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab import Remote

# Which the kernel names by where the objects were made. Its files have a length of 0, so they are not for tar.
COLLECT = "cd /sys/kernel/debug/gcov{objects} && for file in *.gcda; do cat $file > {collected}/$file; done"
COLLECTED = "/run/gcov"
# All of it the kernel's macros.
GENERATED = ("trace.c", "trace.h")


@dataclass
class Coverage:
    """How often each line, by its file's name and number, and each function has run."""

    lines: Counter[tuple[str, int]] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)

    @classmethod
    def parse(cls, documents: Iterable[str], sources: str) -> Coverage:
        """Of the files in that directory.

        They are gcov's JSON, a document for each unit: what is in a header is in several.
        """
        coverage = cls()
        for document in map(json.loads, documents):
            for file in document["files"]:
                path = Path(document["current_working_directory"], file["file"])
                if str(path.parent) != sources or path.name in GENERATED:
                    continue
                for line in file["lines"]:
                    coverage.lines[path.name, line["line_number"]] += line["count"]
                for function in file["functions"]:
                    coverage.functions[function["name"]] += function["execution_count"]
        return coverage

    def add(self, other: Coverage) -> None:
        self.lines.update(other.lines)
        self.functions.update(other.functions)

    @property
    def unreached(self) -> list[str]:
        return sorted(name for name, count in self.functions.items() if not count)

    def summary(self) -> Iterator[str]:
        """A line for each file, and one for all."""
        all_, reached = Counter(name for name, _ in self.lines), Counter[str]()
        reached.update(name for (name, _), count in self.lines.items() if count)
        for name in sorted(all_):
            yield f"{100 * reached[name] // all_[name]:4d} %  {reached[name]:5d} of {all_[name]:5d} lines  {name}"
        yield f"{100 * reached.total() // all_.total():4d} %  {reached.total():5d} of {all_.total():5d} lines  in all"

    def unreached_lines(self, sources: Path) -> Iterator[str]:
        """As a compiler would point at them."""
        for (name, number), count in sorted(self.lines.items()):
            if not count:
                text = (sources / name).read_text().splitlines()[number - 1]
                yield f"{name}:{number}: {text.strip()}"


def measure(machine: Remote, module: Path, tree: Path) -> Coverage:
    """Of the module that was built there, in a tree that has the compiler's own gcov."""
    objects = module.parent
    inside = f"/{objects.relative_to(tree)}"
    machine.run(f"rm -rf {COLLECTED} && mkdir {COLLECTED}")
    machine.run(COLLECT.format(objects=inside, collected=COLLECTED))
    pack = f"tar -c -C {COLLECTED} ."
    with subprocess.Popen([*machine.ssh_command(), "--", pack], stdout=subprocess.PIPE) as packing:
        subprocess.run(["tar", "--extract", "--directory", objects], stdin=packing.stdout, check=True)
    gcov = f"cd {inside} && exec gcov --json-format --stdout *.gcda"
    told = subprocess.run(["chroot", tree, "sh", "-c", gcov], check=True, capture_output=True, text=True)
    return Coverage.parse(told.stdout.splitlines(), inside)
