"""Prints a random sample of mutants of each group as JSON; run by the Python that has mutmut.

Its operators are used, and nothing else of it: each mutant is one function, changed in one place. Left out are
decorated functions, as mutmut does, and texts of several words, which are for people to judge.
"""

import difflib
import json
import random
import sys
import textwrap

import libcst as cst
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode
from targets import GROUPS, ROOT


def mutations(file):
    """All of one file, with the module that they belong to."""
    wrapper = cst.metadata.MetadataWrapper(cst.parse_module((ROOT / file).read_text()))
    visitor = MutationVisitor(mutation_operators, IgnoredCode(set(), set(), set()))
    module = wrapper.visit(visitor)
    return module, [
        one
        for one in visitor.mutations
        if isinstance(one.contained_by_top_level_function, cst.FunctionDef) and not _for_people(one)
    ]


def _for_people(mutation):
    node = mutation.original_node
    return isinstance(node, cst.SimpleString) and (" " in node.value or node.value.startswith('"""'))


def _names(module):
    """The dotted name of each function that can be changed."""
    names = {}
    for statement in module.body:
        if isinstance(statement, cst.FunctionDef):
            names[statement] = statement.name.value
        elif isinstance(statement, cst.ClassDef):
            for method in statement.body.body:
                if isinstance(method, cst.FunctionDef):
                    names[method] = f"{statement.name.value}.{method.name.value}"
    return names


def described(file, module, mutation):
    """What a test run needs to make it, and what people need to see it."""
    function = mutation.contained_by_top_level_function
    before = _code(function)
    after = _code(function.deep_replace(mutation.original_node, mutation.mutated_node))
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))
    return {"file": file, "function": _names(module)[function], "source": after, "diff": lines[3:]}


def _code(function):
    bare = function.with_changes(leading_lines=[], decorators=[])
    return textwrap.dedent(cst.Module([bare]).code)


def main(seed, number, only):
    drawn = {}
    for group, files in GROUPS.items():
        wanted = [file for file in files if file.startswith(only)]
        found = [
            (file, module, one) for file in wanted for module, all_of in [mutations(file)] for one in all_of
        ]
        chosen = random.Random(f"{seed}/{group}").sample(found, min(number, len(found)))
        drawn[group] = {"of": len(found), "mutants": [described(*one) for one in chosen]}
    json.dump(drawn, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
