"""Random templates for test_chat.py, by a grammar that favours what chat templates use."""

import random

STRINGS = [
    "''",
    "'a'",
    "' b '",
    "'é日'",
    '"it\'s"',
    "'x,y,,z'",
    "'\\n'",
    "'A b\\tC'",
    "'<&>'",
    "'user'",
    "'12'",
    "' 3.5 '",
    "'ab' 'cd'",
    "'\\u00e9\\x41'",
]
NAMES = ["messages", "m", "x", "y", "ns", "tools", "bos_token", "add_generation_prompt", "missing", "loop", "d", "t"]
KEYS = ["role", "content", "a", "b", "items", "missing"]
FILTERS = [
    "trim",
    "upper",
    "lower",
    "length",
    "list",
    "first",
    "last",
    "join",
    "join(', ')",
    "join('-', attribute='role')",
    "tojson",
    "tojson(indent=2)",
    "string",
    "int",
    "float",
    "abs",
    "default('q')",
    "default('q', true)",
    "default(boolean=true)",
    "reverse",
    "sort",
    "sort(reverse=true)",
    "unique",
    "sum",
    "min",
    "max",
    "capitalize",
    "title",
    "replace('a', 'ZZ')",
    "replace('a', 1)",
    "indent",
    "indent(2, true)",
    "items",
    "dictsort",
    "round",
    "round(1)",
    "round(1, 'floor')",
    "map('upper')",
    "map(attribute='role')",
    "map(attribute='content', default='-')",
    "select('string')",
    "reject('none')",
    "select",
    "selectattr('role')",
    "selectattr('role', 'equalto', 'user')",
    "rejectattr('role', 'in', ['user', 'system'])",
    "count",
    "safe",
    "d('e')",
    "map('length')",
    "int(7)",
    "trim('a ')",
    "sort(attribute='content')",
    "tojson(separators=(',', ':'), sort_keys=true)",
    "tojson(ensure_ascii=true)",
]
TESTS = [
    "defined",
    "undefined",
    "none",
    "string",
    "mapping",
    "sequence",
    "iterable",
    "number",
    "integer",
    "float",
    "boolean",
    "true",
    "false",
    "odd",
    "even",
    "divisibleby 3",
    "divisibleby(2)",
    "equalto 'a'",
    "eq(1)",
    "in ['a', 1]",
    "sameas true",
    "sameas none",
    "gt 1",
    "callable",
    "ne 'a'",
]
METHODS = [
    "strip()",
    "lstrip()",
    "rstrip('b ')",
    "split()",
    "split(',')",
    "split(',', 1)",
    "rsplit(',', 1)",
    "splitlines()",
    "startswith('a')",
    "endswith(('b', ' '))",
    "upper()",
    "lower()",
    "title()",
    "capitalize()",
    "replace('a', 'b')",
    "replace('a', 'b', 1)",
    "find('b')",
    "rfind('b')",
    "count('a')",
    "join(['p', 'q'])",
    "isdigit()",
    "isalpha()",
    "isspace()",
    "isupper()",
    "partition(',')",
    "rpartition(',')",
    "removeprefix('a')",
    "removesuffix(' ')",
    "get('a')",
    "get('role', 'none')",
    "items()",
    "keys()",
    "values()",
    "index('a')",
    "append(1)",
    "copy()",
    "index",
    "index0",
    "first",
    "last",
    "length",
    "previtem",
    "nextitem",
    "cycle('o', 'e')",
    "revindex",
    "islower()",
]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]


class Writer:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, options):
        return self.random.choice(options)

    def atom(self):
        kind = self.random.randrange(10)
        if kind < 3:
            return self.pick(STRINGS)
        if kind < 5:
            return self.pick(["0", "1", "2", "7", "-3", "1.5", "0.1", "1e20", "2.0", "true", "none", "False", "1_000"])
        if kind < 8:
            return self.pick(NAMES)
        return self.pick(
            [
                "messages[0]",
                "messages[-1].content",
                "m.content",
                "m['role']",
                "ns.n",
                "d.a",
                "d['items']",
                "t[0]",
                "x[1:]",
                "range(3)",
                "[]",
                "{}",
                "()",
            ]
        )

    def expression(self, depth=3):
        r = self.random.random()
        if depth == 0 or r < 0.22:
            return self.atom()
        deeper = lambda: self.expression(depth - 1)
        if r < 0.42:
            return f"{deeper()} {self.pick(BINARY)} {deeper()}"
        if r < 0.58:
            return f"{self.wrapped(depth)}|{self.pick(FILTERS)}"
        if r < 0.66:
            return f"{self.wrapped(depth)} is {self.pick(['', 'not '])}{self.pick(TESTS)}"
        if r < 0.76:
            return f"{self.wrapped(depth)}.{self.pick(METHODS + KEYS)}"
        if r < 0.82:
            return f"{self.wrapped(depth)}[{self.pick(['0', '-1', '1:', ':-1', '::-1', '::2', '1:3', '5', repr(self.pick(KEYS)), '-2:', '3:0:-1'])}]"
        if r < 0.87:
            return f"({deeper()} if {deeper()}{' else ' + deeper() if self.random.random() < .7 else ''})"
        if r < 0.91:
            return f"{self.pick(['not ', '-', '+'])}{deeper()}"
        return self.pick(
            [
                f"[{deeper()}, {deeper()}]",
                f"({deeper()}, {deeper()})",
                f"({deeper()},)",
                f"{{'a': {deeper()}, 'b': {deeper()}}}",
                f"range({self.pick('123')}, {deeper()})",
                f"dict(a={deeper()})",
                f"f({deeper()})",
                f"f(b={deeper()})",
                f"({deeper()})",
            ]
        )

    def wrapped(self, depth):
        inner = self.expression(depth - 1)
        return inner if self.random.random() < 0.4 or inner.isidentifier() else f"({inner})"

    def tag(self, text):
        return self.pick(["{%", "{%", "{%-", "{%+"]) + f" {text} " + self.pick(["%}", "%}", "-%}", "+%}"])

    def output(self):
        return self.pick(["{{", "{{", "{{-"]) + f" {self.expression()} " + self.pick(["}}", "}}", "-}}"])

    def text(self):
        return self.pick(
            ["", " ", "\n", "  \n", "a", "\n    ", "text ", "{ }", "\n\n", "\t", "{# c #}", "  {#- c -#}\n", "é\r\n", "\u00a0"]
        )

    def body(self, depth, loop=False):
        parts = []
        for _ in range(self.random.randint(1, 3)):
            parts += [self.text(), self.statement(depth - 1, loop) if depth else self.output(), self.text()]
        return "".join(parts)

    def statement(self, depth, loop=False):
        kind = self.random.randrange(15)
        body = lambda inner=False: self.body(depth, inner) if depth > 0 else self.text() + self.output()
        if kind < 5:
            return self.output()
        if kind < 7:
            middle = self.tag("elif " + self.expression(2)) + body(loop) if self.random.random() < 0.4 else ""
            return (
                self.tag("if " + self.expression(2))
                + body(loop)
                + middle
                + (self.tag("else") + body(loop) if self.random.random() < 0.5 else "")
                + self.tag("endif")
            )
        if kind < 9:
            target = self.pick(["m", "m", "x", "x, y"])
            over = self.pick(["messages", "messages", "range(3)", "d.items()", "[('a', 1), ('b', 2)]", "x", self.expression(2)])
            test = f" if {self.expression(1)}" if self.random.random() < 0.25 else ""
            return (
                self.tag(f"for {target} in {over}{test}")
                + body(True)
                + (self.tag("else") + body(loop) if self.random.random() < 0.2 else "")
                + self.tag("endfor")
            )
        if kind < 12:
            target = self.pick(["x", "y", "ns.n", "x, y", "d", "t"])
            value = self.expression(2) if target != "x, y" else f"{self.expression(1)}, {self.expression(1)}"
            return self.tag(f"set {target} = {value}")
        if kind == 12:
            return self.tag(self.pick(["set x", "set y | trim", "set x | upper | length"])) + body() + self.tag("endset")
        if kind == 13:
            return self.pick(
                [
                    self.tag("filter " + self.pick(["upper", "trim", "indent(2)", "length"])) + body() + self.tag("endfilter"),
                    self.tag(f"with x = {self.expression(1)}, y = x") + body() + self.tag("endwith"),
                    self.tag("generation") + body() + self.tag("endgeneration"),
                    self.tag("raw") + " {{ x }} \n" + self.tag("endraw"),
                    self.tag("macro f(a, b='z')") + body() + self.tag("endmacro"),
                ]
            )
        return self.tag(self.pick(["break", "continue"])) if loop else self.output()

    def template(self):
        start = (
            self.tag("macro f(a, b='z')")
            + "<{{ a }}{{ b }}>"
            + self.tag("endmacro")
            + self.tag("set ns = namespace(n=1)")
            + self.tag("set d = {'a': 1, 'b': 'two', 'items': [3]}")
            + self.tag("set t = (1, 'x')")
        )
        kind = self.random.randrange(4)
        if kind < 2:  # one expression: most random ones are refused, which would hide what stands beside them
            return start + f"{{% for m in messages %}}{{% set x = {self.atom()} %}}[{{{{ {self.expression(1 + kind)} }}}}]{{% endfor %}}"
        if kind == 2:
            self.expression = lambda depth=3, whole=self.expression: self.pick(
                [
                    "x",
                    "m",
                    "m.role",
                    "m['content']",
                    "loop.index",
                    "ns.n",
                    "d.a",
                    "'q'",
                    "messages",
                    "messages|length",
                    "x is defined",
                    "y",
                    "f(1)",
                    "not x",
                    "x == 1",
                    "1, 2",
                    "loop.first",
                    "m is mapping",
                ]
            )
        return start + self.body(2 if kind == 3 else 4)


def template(seed):
    return Writer(seed).template()
