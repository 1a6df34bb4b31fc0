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
import signal
import subprocess
import sys

from sites import RULES, Mutant, Source

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LEAST = 200
TESTS = "tests/CMakeFiles/emulator_tests.dir"
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
        tested = set()  # a file may test several kernels
        for test in sorted(HERE.parent.glob("test_*.cpp")):
            text = test.read_text()
            names = set(re.findall(r'TEST_CASE\("(\w+)\.cu', text))
            if name in names:
                self.tests.append((test, f'#include "kernels/{name}.cu"' in text))
                tested |= names
        self.filter = [f"-tc={name}.cu*"] if tested != {name} else []
        self.sources = {f"kernels/{name}.cu"} | self.included(f"kernels/{name}.cu")
        self.baseline = None

    def included(self, path):
        found = set()
        for name in re.findall(r'#include "(kernels/\w+\.h)"', (ROOT / path).read_text()):
            found |= {name} | self.included(name)
        return found

    def objects(self, compile):
        """Those that hold its mutants come first: of a function that several hold, the first is linked."""
        own = [compile(t, t.relative_to(ROOT), self.name) for t, holds_kernel in self.tests if holds_kernel]
        tests = [f"{TESTS}/emulator/{t.name}.o" for t, holds_kernel in self.tests if not holds_kernel]
        return own + ([f"mutants/{self.name}.cu.o"] if tests else []) + tests

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


def build_families(build, sources, mutants, jobs, only):
    """A program for each family's tests, every mutant of its sources in it; the host's code comes from the build."""
    out = build / "mutants"
    tree = out / "tree"
    (tree / "kernels").mkdir(parents=True, exist_ok=True)
    for source in sources:
        (tree / source.path).write_text(source.with_mutants([m for m in mutants if m.file == source.path]))
    families = [Family(pathlib.Path(s.path).stem, out) for s in sources if s.path.endswith(".cu")]
    for family in families:
        if not family.tests:
            sys.exit(f'tests/emulator has no TEST_CASE("{family.name}.cu: ..")')
    wanted = [f for f in families if not only or f.name in only]
    commands = {c["file"]: shlex.split(c["command"]) for c in json.loads((build / "compile_commands.json").read_text())}
    host = [w[w.index("-o") + 1] for f, w in commands.items() if re.fullmatch(r".*/kernels/\w+\.cpp", f)
            and "autodidact_kernels.dir" in w[w.index("-o") + 1]]
    tests = {f"{TESTS}/emulator/{t.name}.o" for f in wanted for t, own in f.tests if not own}
    subprocess.run(["ninja", f"-j{jobs}", "libautodidact_emulator.a", f"{TESTS}/main.cpp.o", *host, *sorted(tests)],
                   cwd=build, check=True)
    subprocess.run(["c++", "-std=c++20", "-O1", "-fPIE", "-c", HERE / "mutant.cpp", "-o", out / "mutant.o"], check=True)

    def compile(source, origin, folder="."):
        words = commands[str(ROOT / origin)]
        target = f"mutants/{folder}/{pathlib.Path(source).name}.o"
        (build / target).parent.mkdir(exist_ok=True)
        words = [w for w in words[:words.index("-o")] if w not in ("-Werror", "-g")]
        at = next(i for i, w in enumerate(words) if w.startswith("-I"))
        words[at:at] = [f"-I{tree}"]
        subprocess.run([*words, "-w", "-include", HERE / "mutant.h", "-o", target, "-c", source], cwd=build, check=True)
        return target

    included = {f.name for f in families if all(own for _, own in f.tests)}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        kernels = list(pool.map(lambda f: compile(tree / f"kernels/{f.name}.cu", f"kernels/{f.name}.cu"),
                                [f for f in families if f.name not in included]))
        line = subprocess.run(["ninja", "-t", "commands", "tests/emulator_tests"], cwd=build, check=True,
                              capture_output=True, text=True).stdout.splitlines()[-1]
        words = [w for w in shlex.split(line) if w not in (":", "&&", "libautodidact_kernels.a") and not w.endswith(".o")]
        for name, members in (("kernels", kernels), ("host", host)):
            (out / f"lib{name}.a").unlink(missing_ok=True)
            subprocess.run(["ar", "rcs", f"mutants/lib{name}.a", *members], cwd=build, check=True)

        def link(family):
            objects = family.objects(compile) + [f"{TESTS}/main.cpp.o", "mutants/mutant.o"]
            at = words.index("-o")
            subprocess.run([*words[:at], "-o", family.program, *objects, "mutants/libkernels.a", "mutants/libhost.a",
                            *words[at + 2:]], cwd=build, check=True)
            how, family.baseline = family.run(-1, 600)
            if how:
                sys.exit(f"{family.name}: its tests fail without any mutant: {how}")
            print(f"{family.name}: {family.baseline:.1f} s of tests", flush=True)

        list(pool.map(link, wanted))
    return wanted


def judge(mutant, families):
    """(how, family): the tests of its own file; of a header's users the quickest first."""
    users = sorted((f for f in families if mutant.file in f.sources), key=lambda f: f.baseline)
    for family in users:
        how, _ = family.run(mutant.number, 30 + int(10 * family.baseline))
        if how:
            return how, family.name
    return "", ""


def report(mutants, results, proofs, command):
    judged = [m for m in mutants if m.key in results]
    caught = {m.number for m in judged if results[m.key][0]}
    equal = {m.number for m in judged if m.number not in caught and m.place in proofs}
    rows = [f"# What the tests of the emulator catch", "",
            f"{datetime.date.today()}, `{command}`; how it works: [README](README.md).", "",
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
    arguments.add_argument("--only", default="")
    arguments.add_argument("--report", action="store_true", help="judge nothing")
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
    only = [n for n in options.only.split(",") if n]
    if not options.report:
        wanted = [m for r in options.rules.split(",") for m in mutants if m.rule == r]
        # What survived is judged again: its tests may have changed.
        wanted = [m for m in wanted if not results.get(m.key, ("",))[0]
                  and (not only or pathlib.Path(m.file).stem in only)]
        families = build_families(build, sources, mutants, options.jobs, only)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool, open(log, "a") as file:
            for m, (how, by) in zip(wanted, pool.map(lambda m: judge(m, families), wanted)):
                results[m.key] = (how, by)
                file.write("\t".join((m.key, how, by, m.name())).replace("\n", " ") + "\n")
                file.flush()
                if not how and m.place not in proofs:
                    print(f"alive: {m.name()}   in {m.context}", flush=True)
    text, alive = report(mutants, results, proofs, "tests/emulator/mutants/campaign.py")
    if not only and options.rules == ",".join(RULES):
        (HERE / "results.md").write_text(text)
    print(text.splitlines()[-1])
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
