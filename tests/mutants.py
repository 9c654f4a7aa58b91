# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Change one thing at a time in what decides, signs, prunes and proves, and see whether a unit test notices.

``tests/mutants.py plugins/module_utils/_model/peering`` tries the modules of one package. Each mutant (the module with
one change) is tried by the unit test of its module, and if it survives that, by the other unit tests of its package;
both in a copy of the checkout. What was tried already, with the same module and tests, is not tried again, so a run
that was stopped goes on where it was. Survivors that tests/mutants.txt does not explain end it with exit status 1.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import difflib
import fcntl
import gc
import hashlib
import importlib.metadata
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "mutants"
RESULTS = OUT / "results.jsonl"
ACCEPTED = ROOT / "tests" / "mutants.txt"
UTILS = "plugins/module_utils"
PACKAGES = (
    f"{UTILS}/_model/trust",
    f"{UTILS}/_model/peering",
    f"{UTILS}/_model/verify",
    f"{UTILS}/_model/istio/former.py",
    f"{UTILS}/_model/istio/ownership.py",
    f"{UTILS}/_model/istio/release_owners.py",
    f"{UTILS}/_model/workloads/outdated.py",
    f"{UTILS}/_kube/conditions.py",
    f"{UTILS}/_kube/endpoint.py",
    f"{UTILS}/_kube/managed_fields.py",
    f"{UTILS}/_kube/masking.py",
    f"{UTILS}/_kube/lease.py",
    f"{UTILS}/_kube/helm/drift.py",
    f"{UTILS}/_kube/helm/kubeconfig.py",
    f"{UTILS}/_local/kind/orphans.py",
    f"{UTILS}/_local/kind/state_folder.py",
    f"{UTILS}/child_env.py",
    f"{UTILS}/files.py",
    f"{UTILS}/proxies.py",
    f"{UTILS}/renewal.py",
    "plugins/plugin_utils/trust",
    "plugins/plugin_utils/istiod/system_namespace.py",
)
"""What is tried without arguments: what decides, signs, prunes and proves, if its tests need no API server."""
SWAPS = ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is")
COSMIC = (
    *(f"ReplaceComparisonOperator_{swap}" for swap in SWAPS),
    *(f"ReplaceBinaryOperator_{swap}" for swap in ("Add_Sub", "Sub_Add", "Mul_Div", "BitOr_BitAnd", "BitAnd_BitOr")),
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ZeroIterationForLoop",
)
"""Operators of cosmic-ray. Ours, in `splices()`, take things out, as somebody would who thinks they are not needed."""
WORDS = ("FleetError", "Problem", "Check", "RuntimeError", "ValueError")
"""Calls whose arguments are texts for people. Nothing of a text is changed: tests do not hold it to the letter."""
TEXTS = ("what", "obj", "seen", "means", "next_step", "reason", "name", "shown", "warning")
"""Arguments and attributes of that kind."""
WALL_SECONDS = 300
"""No mutant is given longer, however busy the machine. What counts is its CPU time."""


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change of a module."""

    file: str
    line: int
    before: str
    after: str
    source: str = dataclasses.field(compare=False, repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.before, self.after

    def __str__(self) -> str:
        lines = [f"{self.file}:{self.line}"]
        lines += [f"  - {line}" for line in self.before.splitlines()]
        lines += [f"  + {line}" for line in self.after.splitlines()]
        return "\n".join(lines)


def mutants(file: str, source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    same = ast.dump(ast.parse(source))
    found: dict[str, Mutant] = {}
    for changed in (*by_cosmic_ray(source), *splices(source)):
        try:
            tree = ast.dump(ast.parse(changed))
        except SyntaxError:
            continue
        if tree != same:
            found.setdefault(tree, _mutant(file, source, changed))
    return sorted(found.values(), key=lambda mutant: (mutant.line, mutant.after))


def _mutant(file: str, source: str, changed: str) -> Mutant:
    old, new = source.splitlines(), changed.splitlines()
    blocks = [b for b in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if b[0] != "equal"]
    start, end = blocks[0][1], blocks[-1][2]
    start_new, end_new = blocks[0][3], blocks[-1][4]

    def text(lines: list[str]) -> str:
        return "\n".join(line.strip() for line in lines)

    return Mutant(file, start + 1, text(old[start:end]), text(new[start_new:end_new]), changed)


def by_cosmic_ray(source: str) -> t.Iterator[str]:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.operators.provider import OperatorProvider

    tree, known = get_ast(source), OperatorProvider()
    nodes = list(ast_nodes(tree))
    left = _left_alone(source)
    for name in COSMIC:
        operator = known[name]()
        at = [node for node in nodes for _position in operator.mutation_positions(node)]
        for occurrence, node in enumerate(at):
            if not _is_of_types(node) and not any(start <= node.start_pos < end for start, end in left):
                changed = mutate_code(source, operator, occurrence)
                if changed is not None:
                    yield changed


def _is_of_types(node: t.Any) -> bool:
    """Whether this is part of an annotation, which nobody evaluates."""
    while node.parent is not None:
        up = node.parent
        if up.type == "tfpdef" or (up.type == "annassign" and up.children[1] is node):
            return True
        if up.type == "funcdef" and up.annotation is node:
            return True
        if up.type in ("param", "parameters") and node.type == "operator":
            return True  # the star before keyword-only parameters, which cosmic-ray takes for a product
        node = up
    return False


def _left_alone(source: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """From where to where texts and decorators are."""
    nodes: list[t.Any] = []
    for node in ast.walk(ast.parse(source)):
        nodes += getattr(node, "decorator_list", [])
        nodes += [node] if _is_text(node) else []
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in nodes]


def _is_text(node: ast.AST) -> bool:
    """Whether this makes words for people, or is about what a tool sees and no run."""
    if isinstance(node, ast.Call):
        return _name(node.func) in WORDS
    if isinstance(node, ast.keyword):
        return node.arg in TEXTS
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Attribute) and node.targets[0].attr in TEXTS
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Attribute) and node.test.attr == "TYPE_CHECKING"
    if isinstance(node, ast.ExceptHandler):
        return isinstance(node.type, ast.Name) and node.type.id == "ImportError"
    if isinstance(node, ast.IfExp):
        return all(
            isinstance(branch, ast.JoinedStr) or (isinstance(branch, ast.Constant) and isinstance(branch.value, str))
            for branch in (node.body, node.orelse)
        )
    return isinstance(node, ast.JoinedStr)


def splices(source: str) -> t.Iterator[str]:
    """Our own operators: each takes one thing out of the text.

    A statement; a condition (never, always); a member of `and` and `or`; an exception that is caught; a keyword
    argument; an entry of a dictionary; `in` becomes `not in`, and the other way; 0, 1 and 2 become one more. Larger
    numbers are limits, which no test holds to the digit.
    """
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    data = source.encode()

    def span(node: t.Any) -> tuple[int, int]:
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    def put(start: int, end: int, text: str) -> str:
        return (data[:start] + text.encode() + data[end:]).decode()

    def without(start: int, end: int) -> str:
        """Without one of several things that commas part."""
        rest = data[end:]
        return put(start, end + rest.index(b",") + 1 if rest.lstrip().startswith(b",") else end, "")

    for node in _evaluated(ast.parse(source)):
        if isinstance(node, (ast.Raise, ast.Delete, ast.AugAssign)) or _is_effect(node):
            yield put(*span(node), "pass")
        elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
            yield put(*span(node.test), "False")
            if not isinstance(node, ast.While):
                yield put(*span(node.test), "True")
        elif isinstance(node, ast.ExceptHandler) and node.type is not None:
            yield put(*span(node.type), "()")
        elif isinstance(node, ast.comprehension):
            for condition in node.ifs:
                yield put(*span(condition), "True")
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                if isinstance(node.op, ast.And):
                    yield put(*span(value), "True")
                elif not _is_default(value):
                    yield put(*span(value), "False")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            word = "not in" if isinstance(node.ops[0], ast.In) else "in"
            left, right = data[slice(*span(node.left))].decode(), data[slice(*span(node.comparators[0]))].decode()
            yield put(*span(node), f"({left} {word} {right})")
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg not in TEXTS:
                    yield without(*span(keyword))
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                start = span(key)[0] if key is not None else data.rindex(b"**", 0, span(value)[0])
                yield without(start, span(value)[1])
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, int)
            and not isinstance(node.value, bool)
            and 0 <= node.value <= 2
        ):
            yield put(*span(node), str(node.value + 1))


def _is_default(node: ast.expr) -> bool:
    """Whether this is what `or` gives for nothing: a constant, or an empty list or dictionary."""
    return isinstance(node, (ast.Constant, ast.List, ast.Dict, ast.Tuple))


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_effect(node: ast.AST) -> bool:
    """A call that stands alone, or a change of something that others see."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, (ast.Call, ast.Await))
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], (ast.Attribute, ast.Subscript))


def _evaluated(node: ast.AST) -> t.Iterator[ast.AST]:
    """All nodes but annotations, decorators and texts."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_text(child):
                yield from _evaluated(child)


def accepted() -> dict[tuple[str, str, str], str]:
    """Survivors that tests/mutants.txt explains: why, by file and change."""
    found: dict[tuple[str, str, str], str] = {}
    for block in ACCEPTED.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        before = "\n".join(line[2:] for line in lines if line.startswith("- "))
        after = "\n".join(line[2:] for line in lines if line.startswith("+ "))
        why = " ".join(line[2:] for line in lines if line.startswith("= "))
        if not why:
            sys.exit(f"mutants: {ACCEPTED.name} does not say why of\n{block}")
        found[lines[0], before, after] = why
    return found


class Module:
    """A module with its mutants and its tests."""

    def __init__(self, path: Path) -> None:
        self.file = str(path.relative_to(ROOT))
        self.source = path.read_text(encoding="utf-8")
        unit = ROOT / "tests" / "unit" / path.relative_to(ROOT).parent
        package = sorted(unit.glob("test_*.py"))
        own = [test for test in package if test.name == f"test_{path.name}"]
        # Without a test of its own, those that name it come first: they kill most.
        first = own or [test for test in package if re.search(rf"\b{path.stem}\b", test.read_text(encoding="utf-8"))]
        groups = first, [test for test in package if test not in first]
        self.tests = [[str(test.relative_to(ROOT)) for test in group] for group in groups if group]
        digest = hashlib.sha256(self.source.encode())
        for test in sorted(unit.glob("*.py")):
            digest.update(test.read_bytes())
        self.digest = digest.hexdigest()[:16]


class Slot:
    """A copy of the checkout, in which one test runs at a time."""

    def __init__(self, number: int) -> None:
        self.tree = OUT / f"tree-{number}"
        shutil.rmtree(self.tree, ignore_errors=True)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, stdout=-1, check=True
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            source, target = ROOT / name, self.tree / name
            if source.is_symlink() or source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        (self.tree / "home").mkdir()
        self.pid = 0
        self.began = 0.0
        self.what: tuple[Module, Mutant | None, int] | None = None

    def start(self, module: Module, source: str, tests: list[str], cpu_seconds: int) -> None:
        """Fork what has read the libraries already; the child reads the collection from this slot's copy."""
        (self.tree / module.file).write_text(source, encoding="utf-8")
        self.began = time.monotonic()
        self.pid = os.fork()
        if self.pid:
            return
        code = 70
        try:
            os.setsid()
            os.chdir(self.tree)
            said = os.open(self.tree / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(said, 1)
            os.dup2(said, 2)
            os.environ["HOME"] = str(self.tree / "home")
            sys.path[:] = [entry for entry in sys.path if not entry.startswith(str(ROOT / "tests"))]
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
            import pytest

            # Why an assertion failed is of no interest; to prepare that takes longer than most tests.
            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--assert=plain", *tests]))
        finally:
            os._exit(code)

    def ended(self) -> str:
        """The outcome, once the child has ended: `survived`, `killed`, `timeout`, or "" while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid and time.monotonic() - self.began > WALL_SECONDS:
            os.killpg(self.pid, signal.SIGKILL)
            pid, status = os.waitpid(self.pid, 0)
        if not pid:
            return ""
        self.pid = 0
        if os.WIFSIGNALED(status):
            return "timeout"
        return {0: "survived", 4: "broken", 5: "broken", 70: "broken"}.get(os.WEXITSTATUS(status), "killed")

    def wait(self) -> str:
        while not (outcome := self.ended()):
            time.sleep(0.02)  # until the child has ended
        return outcome

    def restore(self, module: Module) -> None:
        (self.tree / module.file).write_text(module.source, encoding="utf-8")

    def said(self) -> str:
        return (self.tree / "said.txt").read_text(encoding="utf-8", errors="replace")[-3000:]


def try_module(module: Module, slots: list[Slot], done: dict[str, str]) -> dict[Mutant, str]:
    """Outcome of each mutant of a module."""
    began = time.monotonic()
    all_of_it = mutants(module.file, module.source)
    outcomes = {m: done[_name_of(module, m)] for m in all_of_it if _name_of(module, m) in done}
    waiting = [(m, 0) for m in all_of_it if m not in outcomes]
    if waiting:
        seconds = _baseline(module, slots[0])
        with RESULTS.open("a", encoding="utf-8") as results:
            _all(module, waiting, slots, seconds, outcomes, results)
    survived = sum(1 for outcome in outcomes.values() if outcome == "survived")
    took = f"{time.monotonic() - began:.0f} s"
    print(f"{module.file}: {len(outcomes)} mutants, {survived} survived, {took}", flush=True)
    return outcomes


def _name_of(module: Module, mutant: Mutant) -> str:
    return hashlib.sha256(f"{module.digest}\0{mutant.line}\0{mutant.source}".encode()).hexdigest()[:24]


def _baseline(module: Module, slot: Slot) -> list[int]:
    """CPU seconds for each group of tests; ends the program where the tests say nothing about the module."""
    limits = []
    for tests in module.tests:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        slot.start(module, module.source, tests, WALL_SECONDS)
        if slot.wait() != "survived":
            sys.exit(f"mutants: the tests of {module.file} fail without any change:\n{slot.said()}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        limits.append(round(3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)) + 5)
    # If not even this is noticed, the tests read another copy.
    future = "from __future__ import annotations\n"
    broken = module.source.replace(future, f"{future}\nraise RuntimeError('broken on purpose')\n", 1)
    noticed = False
    for tests in module.tests:
        slot.start(module, broken, tests, WALL_SECONDS)
        noticed = slot.wait() != "survived" or noticed
    slot.restore(module)
    if not noticed:
        sys.exit(f"mutants: no test of {' '.join(' '.join(tests) for tests in module.tests)} imports {module.file}")
    return limits


def _all(
    module: Module,
    waiting: list[tuple[Mutant, int]],
    slots: list[Slot],
    seconds: list[int],
    outcomes: dict[Mutant, str],
    results: t.TextIO,
) -> None:
    busy: dict[Slot, tuple[Mutant, int]] = {}
    try:
        while waiting or busy:
            for slot in [slot for slot in slots if slot not in busy][: len(waiting)]:
                mutant, group = waiting.pop(0)
                slot.start(module, mutant.source, module.tests[group], seconds[group])
                busy[slot] = mutant, group
            for slot in list(busy):
                outcome = slot.ended()
                if not outcome:
                    continue
                mutant, group = busy.pop(slot)
                if outcome == "broken":
                    sys.exit(f"mutants: pytest could not run for\n{mutant}\n{slot.said()}")
                if outcome == "survived" and group + 1 < len(module.tests):
                    waiting.insert(0, (mutant, group + 1))
                    continue
                outcomes[mutant] = outcome
                row = {"id": _name_of(module, mutant), "outcome": outcome, "file": mutant.file, "line": mutant.line}
                results.write(json.dumps({**row, "before": mutant.before, "after": mutant.after}) + "\n")
                results.flush()
            time.sleep(0.005)  # until a child has ended
    finally:
        for slot in busy:
            if slot.pid:
                # By its number: a child that has just begun may not lead its group yet.
                os.kill(slot.pid, signal.SIGKILL)
                os.waitpid(slot.pid, 0)
        for slot in slots:
            slot.restore(module)


def modules(wanted: t.Iterable[str]) -> tuple[list[Module], list[str]]:
    """Modules below some paths that have something to try and a test; and those without a test."""
    found, untested = [], []
    for name in wanted:
        path = (ROOT / name).resolve()
        paths = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for module in (Module(each) for each in paths if each.name != "__init__.py"):
            (found if module.tests else untested).append(module)
    return found, [module.file for module in untested]


def read_ahead() -> None:
    """Import once what each child would import, but nothing of the collection."""
    os.environ |= {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / "collections")
    import aiohttp  # noqa: F401
    import cryptography.x509  # noqa: F401
    import hypothesis.strategies  # noqa: F401
    import pytest  # noqa: F401
    import yaml  # noqa: F401
    from ansible.plugins import loader  # noqa: F401

    for plugin in importlib.metadata.entry_points(group="pytest11"):
        plugin.load()
    gc.freeze()  # else each child looks through all of this at its end


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=PACKAGES, help="modules and packages below plugins/")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants side by side (default: cores)")
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    arguments = parser.parse_args()
    known = accepted()
    found, untested = modules(arguments.paths)
    if arguments.list:
        for module in found:
            print(*mutants(module.file, module.source), sep="\n")
        return 0
    OUT.mkdir(parents=True, exist_ok=True)
    lock = (OUT / ".lock").open("w")  # held until the end; a second run would write into the same copies
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"mutants: another run is at work in {OUT.relative_to(ROOT)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    done = {}
    if RESULTS.exists():
        rows = RESULTS.read_text(encoding="utf-8").splitlines()
        done = {row["id"]: row["outcome"] for row in map(json.loads, rows)}
    read_ahead()
    slots = [Slot(number) for number in range(max(1, arguments.jobs))]
    outcomes: dict[Mutant, str] = {}
    for module in found:
        outcomes |= try_module(module, slots, done)
    survivors = [mutant for mutant, outcome in outcomes.items() if outcome == "survived"]
    new = [mutant for mutant in survivors if mutant.key not in known]
    tried = {module.file for module in found}
    stale = [key for key in known if key[0] in tried and key not in {mutant.key for mutant in survivors}]
    for mutant in new:
        print(mutant)
    for file, before, after in stale:
        print(f"{file}: explained in {ACCEPTED.name}, but not a survivor:\n  - {before}\n  + {after}")
    for file in untested:
        print(f"{file}: no unit test in its package, not tried")
    explained = len(survivors) - len(new)
    print(f"{len(outcomes)} mutants, {len(survivors)} survived, {explained} of them explained, {len(new)} new")
    return 1 if new or stale else 0


if __name__ == "__main__":
    sys.exit(main())
