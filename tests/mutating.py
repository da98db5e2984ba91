"""Mutants of a module: its source with one small fault put in, by cosmic-ray's operators and two of our own.

Left out are faults that no test can notice, or that say nothing new: in annotations, in `frozen` and `slots` of classes
(mypy holds those), in `if TYPE_CHECKING`, and operators replaced by others than their nearest (`<` becomes `<=` and
`>=`, not also `!=` and `is`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator

OPERATORS = (
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Mod_Mul", "Pow_Mul", "BitOr_BitAnd", "BitAnd_BitOr")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt")),
    *(f"ReplaceUnaryOperator_{pair}" for pair in ("USub_UAdd", "Delete_Not")),
    *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "NumberReplacer", "ZeroIterationForLoop"),
)
UNUSED = "FloatingPointError"  # Python itself never raises it
ANNOTATIONS = ("tfpdef", "annassign")


@dataclass(frozen=True)
class Mutant:
    """`lines`: the statement that the fault is in, from its first line to its last. `before` and `after`: the lines
    that differ, without what surrounds them. `in_body`: the fault is in a function's body, not in what runs at import.
    """

    path: str
    operator: str
    lines: range
    source: str
    in_body: bool
    before: str
    after: str


class DeleteCall(Operator):  # type: ignore[misc]
    """Leaves out a statement that is a call, whose value nobody uses."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        if node.type == "expr_stmt" or node.parent is None or node.parent.type != "simple_stmt":
            return
        called = node.type in ("atom_expr", "power", "await_expr") and node.get_code().rstrip().endswith(")")
        if called:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return parso.python.tree.Keyword("pass", node.start_pos, prefix=node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> Sequence[Any]:
        return ()


class CatchAnother(Operator):  # type: ignore[misc]
    """Catches an exception that never comes in place of the one that is meant."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        for caught in self._caught(node):
            yield caught.start_pos, caught.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        caught = self._caught(node)[index]
        place = caught.parent.children
        name = parso.python.tree.Name(UNUSED, caught.start_pos, prefix=caught.get_first_leaf().prefix)
        name.parent = caught.parent
        place[place.index(caught)] = name
        return node

    @staticmethod
    def _caught(node: Any) -> list[Any]:
        if node.type != "except_clause":
            return []
        what = node.children[1]
        inner = what.children[1] if what.type == "atom" else what
        return inner.children[::2] if inner.type == "testlist_comp" else [inner]

    @classmethod
    def examples(cls) -> Sequence[Any]:
        return ()


def mutants(path: str, root: Path) -> Iterator[Mutant]:
    """Every mutant of the module at `path` (relative to `root`) that compiles."""
    source = (root / path).read_text(encoding="utf-8")
    seen = {source}
    for name, operator in _operators():
        for occurrence, node in enumerate(_places(source, operator)):
            if _left_out(node):
                continue
            mutated = mutate_code(source, operator, occurrence)
            if mutated is not None and mutated not in seen and _compiles(mutated, path):
                seen.add(mutated)
                inside = _in_body(node)
                yield Mutant(path, name, _statement(node), mutated, inside, *_differing(source, mutated))


def _operators() -> Iterator[tuple[str, Any]]:
    for name in OPERATORS:
        yield name, cosmic_ray.plugins.get_operator(f"core/{name}")()
    yield "DeleteCall", DeleteCall()
    yield "CatchAnother", CatchAnother()


def _places(source: str, operator: Any) -> Iterator[Any]:
    for node in ast_nodes(get_ast(source)):
        for _ in operator.mutation_positions(node):
            yield node


def _left_out(node: Any) -> bool:
    if _in_annotation(node) or node.parent.type == "parameters":
        return True
    if node.parent.type == "argument" and node.parent.children[0].get_code().strip() in ("frozen", "slots"):
        return True
    return node.type == "if_stmt" and node.children[1].get_code().strip() == "TYPE_CHECKING"


def _in_annotation(node: Any) -> bool:
    child, parent = node, node.parent
    while parent is not None:
        if parent.type in ANNOTATIONS and child is not parent.children[0]:
            return True
        if parent.type == "funcdef" and child is parent.annotation:
            return True
        child, parent = parent, parent.parent
    return False


def _in_body(node: Any) -> bool:
    """Whether it is within the suite of a function."""
    child, parent = node, node.parent
    while parent is not None:
        if parent.type in ("funcdef", "lambdef") and child is parent.children[-1]:
            return True
        child, parent = parent, parent.parent
    return False


def _statement(node: Any) -> range:
    """The lines of the smallest statement around the node; of a compound one, its head."""
    while node.parent is not None and node.parent.type not in ("simple_stmt", "suite", "file_input"):
        if node.type in ("if_stmt", "while_stmt", "for_stmt", "with_stmt", "try_stmt", "funcdef", "classdef"):
            break
        node = node.parent
    first, last = node.start_pos[0], node.end_pos[0]
    suite = next((child for child in getattr(node, "children", ()) if child.type == "suite"), None)
    return range(first, (suite.start_pos[0] if suite is not None else last) + 1)


def _compiles(source: str, path: str) -> bool:
    try:
        compile(source, path, "exec")
    except SyntaxError:
        return False
    return True


def _differing(before: str, after: str) -> tuple[str, str]:
    old, new = before.splitlines(), after.splitlines()
    start = next(i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    back = next(i for i, (a, b) in enumerate(zip(reversed(old), reversed(new), strict=False)) if a != b)
    cut = [" ".join(line.strip() for line in lines[start : len(lines) - back]) for lines in (old, new)]
    return cut[0], cut[1]
