#!/usr/bin/env python3
"""Faults made by rule in every device source, each run against the tests of its kernels: README.md beside this file.
   tests/emulator/mutants/campaign.py [--build build/emulated] [--jobs 1] [--rules barrier,mask] [--only softmax]
   tests/emulator/mutants/campaign.py --check     the rules still find their faults, the tables still meet them"""
import argparse
import collections
import concurrent.futures
import csv
import datetime
import hashlib
import json
import os
import pathlib
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import threading

from sites import RULES, Mutant, Source

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LEAST = 200
MANY = ("guard", "index", "stride", "zero")
# What the emulator says, and what it calls that; then the checks of device_check.h.
FOUND = (("bytes of a copy under way", "copy"), ("race in", "race"), ("outside of", "bounds"),
         ("nothing has written|no thread .* has written", "unwritten"),
         ("barrier|deadlock|in the mask|waits? (?:at|in|for)", "lockstep"), (r"emulator: ", "emulator"),
         (r"v\.findings", "emulator"), (r"v\.guards", "guard zone"), (r"v\.schedules", "schedules differ"),
         (r"v\.values", "values"), (r"ERROR: test case THREW", "exception"), (r"ERROR:", "values"))


def read_table(name):
    with open(HERE / name, newline="") as file:
        return list(csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t"))


def device_sources():
    """kernels/*.cu, and the headers with device code of their own (not those whose device half is the emulator's)."""
    files = sorted((ROOT / "kernels").glob("*.cu"))
    for header in sorted((ROOT / "kernels").glob("*.h")):
        text = header.read_text()
        if "__device__" in text and "EMULATE_CUDA" not in text:
            files.append(header)
    return [Source(str(f.relative_to(ROOT)), f.read_text()) for f in files]


def all_mutants(sources):
    """Every mutant with its number, and what is wrong with the tables."""
    mutants, wrong = [], []
    for source in sources:
        mutants += source.mutants()
    for row in read_table("chosen.tsv"):
        source = next((s for s in sources if s.path == row["file"]), None)
        found = source.code.count(row["before"]) if source else 0
        if found != 1:
            wrong.append(f"chosen.tsv: {row['file']} must contain '{row['before']}' once, it does {found} times")
            continue
        at = source.code.index(row["before"])
        mutants.append(Mutant(source, "chosen", at, at + len(row["before"]), row["after"]))
    known = collections.Counter()
    for number, mutant in enumerate(mutants):
        mutant.number = number
        place = (mutant.file, mutant.rule, mutant.context, mutant.before)
        known[place] += 1
        mutant.place = "\t".join(place + (str(known[place]),))  # lines move, this does not
    return mutants, wrong


def equivalents(mutants, wrong):
    places = {m.place for m in mutants}
    proofs = {}
    for row in read_table("equivalent.tsv"):
        place = "\t".join(row[k] for k in ("file", "rule", "line", "before", "number"))
        if place not in places:
            wrong.append(f"equivalent.tsv: no mutant is {place!r}")
        proofs[place] = row["proof"]
    return proofs


class Family:
    """A .cu file with its tests."""

    def __init__(self, name, out):
        self.name, self.program = name, out / (name + "_tests")
        self.tests = []
        tested, held = set(), {f"kernels/{name}.cu"}  # a file may test, and hold, several kernels
        for test in sorted(HERE.parent.glob("test_*.cpp")):
            text = test.read_text()
            names = set(re.findall(r'TEST_CASE\("(\w+)\.cu', text))
            if name in names:
                self.tests.append((test, f'#include "kernels/{name}.cu"' in text))
                tested |= names
                held |= set(re.findall(r'#include "(kernels/\w+\.cu)"', text))
        self.filter = [f"-tc={name}.cu*"] if tested != {name} else []
        self.sources = {f"kernels/{name}.cu"} | self.included(f"kernels/{name}.cu")
        needed = tested | {pathlib.Path(s).stem for k in held for s in self.included(k)}
        self.others = sorted(needed - {pathlib.Path(k).stem for k in held})
        self.baseline = None

    def included(self, path):
        found = set()
        for name in re.findall(r'#include "(kernels/\w+\.h)"', (ROOT / path).read_text()):
            found |= {name} | self.included(name)
        return found

    def make(self, build):
        """A program of its tests and every mutant of its sources; whose mutants come first, in linking, counts."""
        own, tests = [], []
        for test, holds_kernel in self.tests:
            (own if holds_kernel else tests).append(build.compile(test, test.relative_to(ROOT), holds_kernel))
        kernels = [self.name] * (not own) + [k for k in self.others if (ROOT / f"kernels/{k}.cu").exists()]
        own += [build.compile(build.tree / f"kernels/{k}.cu", f"kernels/{k}.cu", True) for k in kernels]
        build.link(self.program, own + tests)
        passed = self.program.with_suffix(".passed")  # as this program, in so many seconds
        this = hashlib.sha1(self.program.read_bytes()).hexdigest()
        before = passed.read_text().split() if passed.exists() else [""]
        if before[0] == this:
            self.baseline = float(before[1])
            return
        how, self.baseline = self.run(-1, 600)
        if how:
            sys.exit(f"{self.name}: its tests fail without any mutant: {how}")
        passed.write_text(f"{this} {self.baseline:.2f}\n")
        print(f"{self.name}: {self.baseline:.1f} s of tests", flush=True)

    def run(self, number, seconds):
        """How the mutant was caught, or "", and the seconds of a processor that it took."""
        def limits():
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        process = subprocess.Popen([self.program, "--abort-after=1", *self.filter], preexec_fn=limits, text=True,
                                   errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env=dict(os.environ, AUTODIDACT_MUTANT=str(number)))
        text = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if code == 0:
            how = ""
        elif code in (-signal.SIGXCPU, -signal.SIGKILL):
            how = "hang"
        else:
            how = next((how for pattern, how in FOUND if re.search(pattern, text)), "crash")
            if code < 0 and how == "values":
                how = "crash"
        return how, used.ru_utime + used.ru_stime


class Build:
    """What mutants are compiled with: an emulated build's own commands, for copies of the sources."""

    def __init__(self, folder, sources, mutants, families, jobs):
        self.folder, self.out, self.tree = folder, folder / "mutants", folder / "mutants/tree"
        (self.tree / "kernels").mkdir(parents=True, exist_ok=True)
        for source in sources:
            text, path = source.with_mutants([m for m in mutants if m.file == source.path]), self.tree / source.path
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
        entries = json.loads((folder / "compile_commands.json").read_text())
        self.commands = {e["file"]: shlex.split(e["command"]) for e in entries}
        objects = {f: w[w.index("-o") + 1] for f, w in self.commands.items() if "-o" in w}
        self.host = [o for f, o in objects.items() if re.fullmatch(r".*/kernels/\w+\.cpp", f)
                     and "autodidact_kernels.dir" in o]
        # What calls the vendors' libraries, and needs elementwise.cu: without mutants, where a kernel asks for it.
        vendor = [o for f, o in objects.items() if re.fullmatch(r".*/kernels/(vendor/\w+\.\w+|elementwise\.cu)", f)
                  and "autodidact_kernels.dir" in o]
        tests = {objects[str(test)] for family in families for test, holds_kernel in family.tests if not holds_kernel}
        main = "tests/CMakeFiles/emulator_tests.dir/main.cpp.o"
        self.command("ninja", f"-j{jobs}", "libautodidact_emulator.a", main, *self.host, *vendor, *tests)
        self.command("c++", "-std=c++20", "-O1", "-fPIE", "-c", HERE / "mutant.cpp", "-o", self.out / "mutant.o")
        self.command("ar", "rcs", self.out / "vendor.a", *vendor)
        self.host += [main, str(self.out / "mutant.o"), str(self.out / "vendor.a")]
        self.cache = ["ccache"] * (shutil.which("ccache") is not None)
        self.turns, self.compiled = collections.defaultdict(threading.Lock), {}

    def command(self, *words):
        return subprocess.run(words, cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True).stdout

    def compile(self, source, origin, holds_kernel):
        with self.turns[source]:  # two kernels may share a test
            if source not in self.compiled:
                self.compiled[source] = self.compile_now(source, origin, holds_kernel)
            return self.compiled[source]

    def compile_now(self, source, origin, holds_kernel):
        words = self.commands[str(ROOT / origin)]
        at = words.index("-o")
        if not holds_kernel:
            return words[at + 1]
        target = self.out / (pathlib.Path(source).name + ".o")
        words = [w for w in words[:at] if w not in ("-Werror", "-g")]
        at = next(i for i, w in enumerate(words) if w.startswith("-I"))
        words[at:at] = [f"-I{self.tree}"]
        self.command(*self.cache, *words, "-w", "-include", HERE / "mutant.h", "-o", target, "-c", source)
        return target

    def link(self, program, objects):
        line = self.command("ninja", "-t", "commands", "tests/emulator_tests").splitlines()[-1]
        words = [w for w in shlex.split(line) if w not in (":", "&&", "libautodidact_kernels.a") and not w.endswith(".o")]
        at = words.index("-o")
        self.command(*words[:at], "-o", program, *objects, *self.host, *words[at + 2:])


def judge(mutants, families, done):
    """Runs each mutant with the families that hold it, the quickest first, until one catches it."""
    for mutant in mutants:
        how, by = "", ""
        for family in sorted((f for f in families if mutant.file in f.sources), key=lambda f: f.baseline):
            how, by = family.run(mutant.number, 20 + int(5 * family.baseline))[0], family.name
            if how:
                break
        done(mutant, how, by)


def report(mutants, results, proofs, commands):
    judged = [m for m in mutants if m.key in results]
    caught = {m.number for m in judged if results[m.key][0]}
    equal = {m.number for m in judged if m.number not in caught and m.place in proofs}
    rows = [f"# What the tests of the emulator catch", "",
            f"{datetime.date.today()}; how it works: [README](README.md). Judged by:", "",
            *(f"- `{command}`" for command in commands), "",
            f"{len(mutants)} mutants by rule and by hand, {len(judged)} judged.", ""]

    def table(title, key, names):
        rows.extend([f"| {title} | mutants | caught | equivalent | survive |", "| --- | --- | --- | --- | --- |"])
        for name in names:
            of = {m.number for m in judged if key(m) == name}
            rows.append(f"| {name} | {len(of)} | {len(of & caught)} | {len(of & equal)} | {len(of - caught - equal)} |")
        rows.append("")

    table("rule", lambda m: m.rule, [r for r in RULES if any(m.rule == r for m in judged)])
    table("file", lambda m: m.file, sorted({m.file for m in judged}))
    how = collections.Counter(results[m.key][0] for m in judged if m.number in caught)
    rows += ["| caught by | mutants |", "| --- | --- |", *(f"| {h} | {n} |" for h, n in how.most_common()), ""]
    alive = [m for m in judged if m.number not in caught | equal]
    if alive:
        rows += ["Not caught, and not shown to be equivalent:", ""]
        rows += [f"- `{m.name()}` in `{m.context}`" for m in alive] + [""]
    stale = [m for m in judged if m.number in caught and m.place in proofs]
    for m in stale:
        rows.append(f"equivalent.tsv is wrong: {m.name()} is caught ({results[m.key][0]})")
    rows.append(f"{len(caught)}/{len(judged) - len(equal)}")
    return "\n".join(rows) + "\n", alive + stale


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("--build", default="build/emulated")
    arguments.add_argument("--jobs", type=int, default=1)
    arguments.add_argument("--rules", default=",".join(RULES))
    arguments.add_argument("--only", default="", help="kernels, by the names of their files")
    arguments.add_argument("--every", type=int, default=1, help=f"of {', '.join(MANY)} only one in so many")
    arguments.add_argument("--report", action="store_true", help="judge nothing, write results.md")
    options = arguments.parse_args()

    sources = device_sources()
    mutants, wrong = all_mutants(sources)
    proofs = equivalents(mutants, wrong)
    for source in sources:
        source.with_mutants([m for m in mutants if m.file == source.path])
    if len(mutants) < LEAST:
        wrong.append(f"{len(mutants)} mutants, {LEAST} are wanted")
    if wrong:
        sys.exit("\n".join(wrong))
    counts = collections.Counter(m.rule for m in mutants)
    print(f"{len(mutants)} mutants: " + ", ".join(f"{counts[r]} {r}" for r in RULES))
    if options.check:
        return 0

    build = (ROOT / options.build).resolve()
    log = build / "mutants" / "results.tsv"
    log.parent.mkdir(exist_ok=True)
    hashes = {s.path: hashlib.sha1(s.text.encode()).hexdigest() for s in sources}
    for m in mutants:
        m.key = hashlib.sha1("\t".join((hashes[m.file], m.place, m.after)).encode()).hexdigest()[:16]
    results = {}
    if log.exists():
        results = {row[0]: (row[1], row[2]) for row in csv.reader(open(log), delimiter="\t")}
    # Runs add up: each judges what it is asked for.
    runs = build / "mutants" / "runs.txt"
    commands = runs.read_text().splitlines() if runs.exists() else []
    command = " ".join(["tests/emulator/mutants/campaign.py", *sys.argv[1:]])
    if not options.report and command not in commands:
        commands.append(command)
        runs.write_text("\n".join(commands) + "\n")
    only = [n for n in options.only.split(",") if n]
    if not options.report:
        families = [Family(pathlib.Path(x.path).stem, log.parent) for x in sources if x.path.endswith(".cu")]
        untested = [f.name for f in families if not f.tests]
        if untested:
            sys.exit(f'tests/emulator has no TEST_CASE("{untested[0]}.cu: ..")')
        families = [f for n in only for f in families if f.name == n] if only else families
        # What survived is judged again: its tests may have changed.
        wanted = [m for r in options.rules.split(",") for m in mutants if m.rule == r and not results.get(m.key, ("",))[0]
                  and (r not in MANY or m.number % options.every == 0)]
        build_of = Build(build, sources, mutants, families, options.jobs)
        with open(log, "a") as file:
            def done(m, how, by):
                results[m.key] = (how, by)
                file.write("\t".join((m.key, how, by, m.name())).replace("\n", " ") + "\n")
                file.flush()
                if not how and m.place not in proofs:
                    print(f"alive: {m.name()}   in {m.context}", flush=True)

            def kernels(family):
                family.make(build_of)
                judge([m for m in wanted if m.file == f"kernels/{family.name}.cu"], [family], done)

            with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
                list(pool.map(kernels, families))
                headers = [m for m in wanted if m.file.endswith(".h") and any(m.file in f.sources for f in families)]
                list(pool.map(lambda m: judge([m], families, done), headers))
    text, alive = report(mutants, results, proofs, commands)
    if options.report or not only and options.rules == ",".join(RULES):
        (HERE / "results.md").write_text(text)
    print(text.splitlines()[-1])
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
