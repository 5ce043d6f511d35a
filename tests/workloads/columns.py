# -*- coding: utf-8 -*-
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""columns.py TRUTH - lines of several expressions, of which one has nearly all of the time. From 3.11 on.

TRUTH says, with tabs between, by what the interpreter and its parser say of this file:
	at QUALNAME LINE:COLUMN-LINE:COLUMN TEXT	for each place that an instruction comes from; TEXT if it is one line
	hot QUALNAME LINE:COLUMN-LINE:COLUMN TEXT	for the expression that has the time of that line
"""
import ast
import sys


def slow(count):
    return len("ä€") + sum(range(count + 20000)) + len(str(count))  # hot: sum(


def fast(count):
    return count + 1


def calls(count):
    return fast(count) + slow(count) + fast(count)  # hot: slow(


def spans(count):
    return [fast(x) for x in (count, 2)] + [slow(  # hot: slow(
        count)] + [fast(count)]


class Thing:
    def method(self, count):
        return [calls(x) for x in range(fast(count))] if fast(count) else spans(count)


def codes_of(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            for inner in codes_of(constant):
                yield inner


def text_of(lines, line, column, end_line, end_column):
    """Columns are bytes."""
    return lines[line - 1].encode()[column:end_column].decode() if line == end_line else ""


def row(word, name, place, lines):
    line, end_line, column, end_column = place
    text = text_of(lines, line, column, end_line, end_column)
    return "%s\t%s\t%d:%d-%d:%d\t%s\n" % (word, name, line, column, end_line, end_column, text)


def rows(source):
    lines = source.split("\n")
    tree = ast.parse(source)
    for code in codes_of(compile(source, __file__, "exec")):
        for place in sorted(set(code.co_positions()), key=str):
            if place[0] and place[2] is not None:
                yield row("at", code.co_qualname, place, lines)
    for function in ast.walk(tree):
        for node in ast.walk(function) if isinstance(function, ast.FunctionDef) else ():
            wanted = lines[node.lineno - 1].partition("# hot: ")[2] if isinstance(node, ast.Call) else None
            if wanted and ast.get_source_segment(source, node).startswith(wanted):
                place = node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
                yield row("hot", function.name, place, lines)


with open(__file__, encoding="utf-8") as this:
    text = "".join(rows(this.read()))
with open(sys.argv[1], "w", encoding="utf-8") as out:
    out.write(text)
print("ready")
sys.stdout.flush()
while True:
    Thing().method(3)
    spans(3)
