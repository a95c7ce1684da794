# SPDX-License-Identifier: GPL-2.0
"""
Finds the places of a C file that can be mutated, and rewrites the file so that a
number, read when the place is reached, selects the original or one of its mutants.

The parser knows as much of C as the project uses: functions, statements, expressions.
It leaves macros, initializers of static data and declarations as they are.
"""
import re

TOKEN = re.compile(r"""
    (?P<space>   \s+ | /\*.*?\*/ | ^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)
  | (?P<name>    [A-Za-z_]\w*)
  | (?P<number>  (?:0x[0-9a-fA-F]+|\d+)[uUlL]*)
  | (?P<string>  "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*')
  | (?P<op>      <<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\s\w])
""", re.X | re.S | re.M)

LEVELS = [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!="], ["<", "<=", ">", ">="],
          ["<<", ">>"], ["+", "-"], ["*", "/", "%"]]
LEVEL = {op: level for level, ops in enumerate(LEVELS) for op in ops}
ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}

TYPES = set("""const struct union enum unsigned signed int long short char void bool volatile
    typeof u8 u16 u32 u64 s8 s16 s32 s64 uint ulong __be64 __be32 __user KHX_LPID
    kprobe_opcode_t typeof_member""".split())

TURNED = {"<": ("<=",), "<=": ("<",), ">": (">=",), ">=": (">",), "==": ("!=",), "!=": ("==",),
          "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",),
          "<<": (">>",), ">>": ("<<",)}
KINDS = {"==": "comparison", "!=": "comparison", "<": "comparison", "<=": "comparison",
         ">": "comparison", ">=": "comparison", "&&": "condition", "||": "condition"}

# Assertions, and hints to the scheduler: without them the module does the same.
CHECKS = re.compile(r"(lockdep_|might_|cond_resched|BUILD_BUG_ON|static_assert|WARN|"
                    r"khx_flush_debug_(owe|settled)|__acquire|__release|va_)")

# A lock is removed with what unlocks it. Each pair is: takes, drops.
LOCKS = [(re.compile(r"^(raw_)?(spin|mutex|read|write)_lock(_\w+)?$"),
          re.compile(r"^(raw_)?(spin|mutex|read|write)_unlock(_\w+)?$")),
         (re.compile(r"^s?rcu_read_lock$"), re.compile(r"^s?rcu_read_unlock$")),
         (re.compile(r"^down_(read|write)(_\w+)?$"), re.compile(r"^up_(read|write)$")),
         (re.compile(r"^preempt_disable$"), re.compile(r"^preempt_enable$"))]

BARRIER = re.compile(r"^(smp_|dma_|)([rw]?mb|store_release|store_mb)$|^barrier$")
FLUSH = re.compile(r"flush|invalidate|kick_all_cpus|ptesync|tlbie|_settle|pass_finish")


class Unknown(Exception):
    """The parser does not know this syntax."""


class Token:
    __slots__ = ("kind", "text", "start", "end")

    def __init__(self, kind, text, start, end):
        self.kind, self.text, self.start, self.end = kind, text, start, end


class Site:
    """One mutant: at @start the text up to @end becomes @mutant, or is removed."""

    def __init__(self, kind, start, end, mutant, note=None):
        self.kind, self.start, self.end = kind, start, end
        self.mutant = mutant
        self.note = note
        self.number = None


class Node:
    """A piece of the source; its sites rewrite it as a whole, its kids parts of it."""

    def __init__(self, start, end, kids=(), kind="", op=""):
        self.start, self.end = start, end
        self.kids = [kid for kid in kids if kid]
        self.kind, self.op = kind, op
        self.sites = []             # of an expression
        self.removed = None         # Site of a statement
        self.condition = False      # only whether it is 0 matters


def flat(text):
    """The text on one line, without comments."""
    return " ".join(re.sub(r"/\*.*?\*/", " ", text, flags=re.S).split())


class Parser:
    def __init__(self, text):
        self.text = text
        self.tokens = [Token(m.lastgroup, m[0], m.start(), m.end())
                       for m in TOKEN.finditer(text) if m.lastgroup != "space"]
        self.tokens.append(Token("end", "", len(text), len(text)))
        self.at = 0
        self.returns = ""           # type that the function at hand returns
        self.locks = []             # (takes?, key, Node) of the function at hand

    # Tokens

    def peek(self, ahead=0):
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def is_at(self, *texts):
        return self.peek().text in texts and self.peek().kind != "string"

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, text):
        if not self.is_at(text):
            raise Unknown(f"{self.peek().text!r} where {text!r} was expected, "
                          f"line {self.line_of(self.peek().start)}")
        return self.next()

    def line_of(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def skip_group(self):
        """Skips a token, and what it opens. Returns its last token."""
        depth = 0
        while True:
            token = self.next()
            if token.kind == "end":
                raise Unknown("unbalanced brackets")
            if token.kind == "op" and token.text in "([{":
                depth += 1
            elif token.kind == "op" and token.text in ")]}":
                depth -= 1
            if depth <= 0:
                return token

    def source(self, node):
        return flat(self.text[node.start:node.end])

    # Expressions

    def is_type(self):
        """Is the token after a '(' the begin of a type?"""
        token = self.peek()
        return token.kind == "name" and (token.text in TYPES or
                                         re.search(r"_t$", token.text) is not None and
                                         self.peek(1).text in (")", "*"))

    def primary(self):
        token = self.peek()
        if token.kind == "op" and token.text == "(":
            self.next()
            if self.is_at("{"):             # a statement expression
                self.at -= 1
                return Node(token.start, self.skip_group().end)
            if self.is_type():
                while not self.is_at(")"):
                    self.skip_group()
                self.next()
                if self.is_at("{"):
                    inside = self.initializer()
                    return self.postfix(Node(token.start, inside.end, [inside]))
                operand = self.unary()
                return Node(token.start, operand.end, [operand])
            inside = self.comma()
            end = self.expect(")").end
            return self.postfix(Node(token.start, end, [inside], "group"))
        if token.kind == "name" and token.text in ("sizeof", "typeof", "__alignof__"):
            self.next()
            return self.postfix(Node(token.start, self.skip_group().end))
        if token.kind in ("name", "string"):
            self.next()
            while token.kind == "string" and self.peek().kind == "string":
                self.next()
            return self.postfix(Node(token.start, self.tokens[self.at - 1].end, kind=token.kind))
        if token.kind == "number":
            self.next()
            node = Node(token.start, token.end, kind="number")
            node.sites = [Site("constant", token.start, token.end, f"{token.text} + 1")]
            return node
        raise Unknown(f"{token.text!r} in an expression, line {self.line_of(token.start)}")

    def argument(self):
        """An argument of a call, which a macro may use as something else."""
        begin = self.at
        try:
            if self.is_type() and self.peek(1).text not in (".", "->", ",", ")"):
                raise Unknown("a type")
            node = self.assignment()
            if self.is_at(",", ")"):
                return node
        except Unknown:
            pass
        self.at = begin
        start = self.peek().start
        while not self.is_at(",", ")"):
            self.skip_group()
        return Node(start, self.tokens[self.at - 1].end)

    def postfix(self, node):
        while True:
            token = self.peek()
            if token.kind != "op":
                return node
            if token.text == "(":
                self.next()
                arguments = []
                while not self.is_at(")"):
                    arguments.append(self.argument())
                    if self.is_at(","):
                        self.next()
                kids = [node] + arguments
                node = Node(node.start, self.next().end, kids, "call", self.source(node))
            elif token.text == "[":
                self.next()
                index = self.comma()
                node = Node(node.start, self.expect("]").end, [node, index], "index")
            elif token.text in (".", "->"):
                self.next()
                node = Node(node.start, self.next().end, [node], "member")
            elif token.text in ("++", "--"):
                node = Node(node.start, self.next().end, [node], "step", token.text)
            else:
                return node

    def unary(self):
        token = self.peek()
        if token.kind == "op" and token.text in ("!", "~", "-", "+", "*", "&", "++", "--"):
            self.next()
            operand = self.unary()
            node = Node(token.start, operand.end, [operand], "unary", token.text)
            if token.text == "!":
                if operand.kind == "unary" and operand.op == "!":
                    operand.sites = []
                node.sites = [Site("condition", node.start, node.end,
                                   f"!!({self.source(operand)})")]
            elif token.text == "~":
                node.sites = [Site("bits", node.start, node.end, self.source(operand))]
            elif token.text == "&":
                operand.sites = []
            return node
        return self.primary()

    def binary(self, level=0):
        if level == len(LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek().kind == "op" and self.peek().text in LEVELS[level]:
            op = self.next().text
            right = self.binary(level + 1)
            node = Node(left.start, right.end, [left, right], "binary", op)
            node.sites = [Site(*site) for site in self.turned(node, op, left, right)]
            left = node
        return left

    def turned(self, node, op, left, right):
        one, two = self.source(left), self.source(right)
        for other in TURNED.get(op, ()):
            kind = KINDS.get(op, "arithmetic")
            yield kind, node.start, node.end, f"({one}) {other} ({two})"
        if op in ("&&", "||"):
            yield "condition", node.start, node.end, f"!!({one})"
            yield "condition", node.start, node.end, f"!!({two})"
        elif op in ("&", "|", "^"):
            yield "bits", node.start, node.end, one
            yield "bits", node.start, node.end, two

    def conditional(self):
        condition = self.binary()
        if not self.is_at("?"):
            return condition
        self.next()
        if self.is_at(":"):                 # x ?: y
            self.next()
            other = self.conditional()
            return Node(condition.start, other.end, [condition, other], "conditional")
        one = self.comma()
        self.expect(":")
        other = self.conditional()
        self.negate(condition)
        return Node(condition.start, other.end, [condition, one, other], "conditional")

    def assignment(self):
        left = self.conditional()
        if self.peek().kind == "op" and self.peek().text in ASSIGN:
            op = self.next().text
            right = self.initializer() if self.is_at("{") else self.assignment()
            return Node(left.start, right.end, [left, right], "assignment", op)
        return left

    def comma(self):
        node = self.assignment()
        while self.is_at(","):
            self.next()
            right = self.assignment()
            node = Node(node.start, right.end, [node, right], "comma")
        return node

    def initializer(self):
        start = self.expect("{").start
        kids = []
        while not self.is_at("}"):
            if self.is_at("."):
                self.next()
                self.next()
                self.expect("=")
            elif self.is_at("["):
                self.skip_group()
                self.expect("=")
            kids.append(self.initializer() if self.is_at("{") else self.assignment())
            if self.is_at(","):
                self.next()
        return Node(start, self.next().end, kids)

    def negate(self, condition):
        """Adds the negated condition, unless another site is the same."""
        condition.condition = True
        if condition.kind == "binary" and condition.op in ("==", "!="):
            return
        if condition.kind == "unary" and condition.op == "!":
            return
        condition.sites.append(Site("condition", condition.start, condition.end,
                                    f"!({self.source(condition)})"))

    # Statements

    def is_declaration(self):
        token, after = self.peek(), self.peek(1)
        if token.kind != "name":
            return False
        if token.text in TYPES or token.text in ("static", "DECLARE_BITMAP", "DEFINE_WAIT"):
            return True
        if after.kind == "name":
            return True
        return (after.text == "*" and self.peek(2).kind in ("name",) and
                self.peek(3).text in ("=", ";", ",")) or (
                after.text == "*" and self.peek(2).text == "*")

    def declaration(self):
        start, kids, static = self.peek().start, [], self.is_at("static")
        while not self.is_at(";"):
            if self.is_at("=") and not static:
                self.next()
                kids.append(self.initializer() if self.is_at("{") else self.assignment())
            else:
                self.skip_group()
        return Node(start, self.next().end, kids)

    def statement(self):
        token = self.peek()
        if token.text == "{":
            return self.block()
        if token.text == ";":
            return Node(token.start, self.next().end)
        if token.kind == "name":
            known = {"if": self.if_statement, "for": self.for_statement,
                     "while": self.while_statement, "do": self.do_statement,
                     "switch": self.switch_statement, "return": self.return_statement,
                     "break": self.jump, "continue": self.jump, "goto": self.jump,
                     "case": self.label, "default": self.label, "asm": self.asm}
            if token.text in known:
                return known[token.text]()
            if self.peek(1).text == ":" and self.peek(2).text != ":":
                self.next()
                self.next()
                return None
            if self.is_declaration():
                return self.declaration()
            if self.peek(1).text == "(" and self.is_iterator():
                return self.iterator()
        return self.expression_statement()

    def block(self):
        start, kids = self.expect("{").start, []
        while not self.is_at("}"):
            kids.append(self.statement())
        return Node(start, self.next().end, kids)

    def controlled(self):
        self.expect("(")
        condition = self.comma()
        self.expect(")")
        return condition

    def if_statement(self):
        start = self.next().start
        condition = self.controlled()
        self.negate(condition)
        kids = [condition, self.statement()]
        if self.is_at("else"):
            self.next()
            kids.append(self.statement())
        return Node(start, self.tokens[self.at - 1].end, kids)

    def for_statement(self):
        start, kids = self.next().start, []
        self.expect("(")
        for end in (";", ";", ")"):
            if not self.is_at(end):
                kids.append(self.comma())
            self.expect(end)
        kids.append(self.statement())
        return Node(start, self.tokens[self.at - 1].end, kids)

    def while_statement(self):
        start = self.next().start
        kids = [self.controlled(), self.statement()]
        return Node(start, self.tokens[self.at - 1].end, kids)

    def do_statement(self):
        start = self.next().start
        kids = [self.statement()]
        self.expect("while")
        kids.append(self.controlled())
        return Node(start, self.expect(";").end, kids)

    def switch_statement(self):
        start = self.next().start
        kids = [self.controlled(), self.statement()]
        return Node(start, self.tokens[self.at - 1].end, kids)

    def label(self):
        while not self.is_at(":"):
            self.next()
        self.next()

    def asm(self):
        start = self.peek().start
        while not self.is_at(";"):
            self.skip_group()
        return self.removable(Node(start, self.next().end), "barrier")

    def jump(self):
        start = self.peek().start
        while not self.is_at(";"):
            self.next()
        return self.removable(Node(start, self.next().end), "jump")

    def is_iterator(self):
        """name(...) that controls the statement after it."""
        begin = self.at
        self.next()
        self.skip_group()
        after = self.peek()
        self.at = begin
        return after.text == "{" or after.kind == "name"

    def iterator(self):
        start = self.next().start
        self.skip_group()
        kid = self.statement()
        return Node(start, self.tokens[self.at - 1].end, [kid])

    def return_statement(self):
        start = self.next().start
        if self.is_at(";"):
            return Node(start, self.next().end)
        value = self.comma()
        end = self.expect(";").end
        text = self.source(value)
        other = None
        if self.returns == "bool":
            if not (value.kind == "unary" and value.op == "!" or value.op in ("==", "!=")):
                other = f"!({text})"
        elif "*" in self.returns:
            other = None if text == "NULL" else "NULL"
        elif self.returns in ("int", "long", "ssize_t"):
            other = "-EIO" if text == "0" else "0"
        elif text != "0":
            other = "0"
        if text in ("0", "true", "false"):
            value.sites = []
        if other:
            value.sites.append(Site("return", value.start, value.end, other))
        return Node(start, end, [value])

    def expression_statement(self):
        start = self.peek().start
        value = self.comma()
        node = Node(start, self.expect(";").end, [value])
        call = value
        if value.kind == "assignment" and value.kids[1].kind == "call":
            call = value.kids[1]
        name = call.op if call.kind == "call" else ""
        if CHECKS.match(name):
            node.kids = []
            return node
        for takes, drops in LOCKS:
            if takes.match(name) or drops.match(name):
                key = name.split("_")[0].strip("s") + self.source(call).split("(", 1)[1]
                key = re.sub(r", \w+\);?$", ")", key)
                self.locks.append((bool(takes.match(name)), key, node))
                node.kids = []
                return node
        if BARRIER.match(name):
            kind = "barrier"
        elif name:
            kind = "flush" if FLUSH.search(name) else "call"
        else:
            kind = "assignment"
        return self.removable(node, kind)

    def removable(self, node, kind):
        node.removed = Site(kind, node.start, node.end, "")
        return node

    # Files

    def pair_locks(self):
        """Each lock of a function is one mutant, if the function also drops it."""
        for key in dict.fromkeys(key for _, key, _ in self.locks):
            sides = {takes for takes, other, _ in self.locks if other == key}
            nodes = [node for _, other, node in self.locks if other == key]
            if sides != {True, False}:
                self.unpaired += len(nodes)
                continue
            site = Site("lock", nodes[0].start, nodes[0].end, "", note="and what drops it")
            for node in nodes:
                node.removed = site
        self.locks = []

    def functions(self):
        """Yields (name, body) of each function."""
        self.unpaired = 0
        since = 0                           # begin of the declaration at hand
        while self.peek().kind != "end":
            token = self.peek()
            if token.text == "{":
                name = self.function_name(since)
                if name:
                    body = self.block()
                    self.pair_locks()
                    yield name, body
                    since = self.at
                else:
                    self.skip_group()
            elif token.text in "([":
                self.skip_group()
            else:
                self.next()
                if token.text == ";":
                    since = self.at

    def function_name(self, since):
        """The name of the function whose body begins here; keeps what it returns."""
        head = self.tokens[since:self.at]
        if not head or head[-1].text != ")" or any(t.text == "=" for t in head):
            return None
        texts = [t.text for t in head]
        begin = texts.index("(")
        if begin == 0 or head[begin - 1].kind != "name" or "#" in texts:
            return None
        skipped = {"static", "inline", "__always_inline", "__init", "__exit", "const",
                   "notrace", "noinline"}
        self.returns = " ".join(t for t in texts[:begin - 1] if t not in skipped)
        return texts[begin - 1]


class File:
    """A C file, its sites, and its text with those that are enabled."""

    def __init__(self, name, text):
        self.name, self.text = name, text
        parser = Parser(text)
        self.nodes, self.sites = [], []
        for function, body in parser.functions():
            self.nodes.append(body)
            for site in self.walk(body):
                site.function = function
                if site not in self.sites:
                    self.sites.append(site)
        self.unpaired = parser.unpaired
        self.sites.sort(key=lambda site: (site.start, site.end))

    def walk(self, node):
        if node.removed:
            yield node.removed
        yield from node.sites
        for kid in node.kids:
            yield from self.walk(kid)

    def line(self, offset):
        return self.text.count("\n", 0, offset) + 1

    def rewritten(self, disabled=frozenset()):
        """The text of the file with its mutants. Lines keep their numbers."""
        out, at = [], 0
        for node in self.nodes:
            out += [self.text[at:node.start], self.emit(node, disabled)]
            at = node.end
        return "".join(out + [self.text[at:]])

    def emit(self, node, disabled):
        out, at = [], node.start
        for kid in sorted(node.kids, key=lambda kid: kid.start):
            out += [self.text[at:kid.start], self.emit(kid, disabled)]
            at = kid.end
        text = "".join(out + [self.text[at:node.end]])
        chosen = [site for site in node.sites if site.number not in disabled]
        if chosen:
            others = "".join(f"khx_mutant({site.number}) ? ({site.mutant}) : " for site in chosen)
            text = f"({others}{'!!' if node.condition else ''}({text}))"
        if node.removed and node.removed.number not in disabled:
            text = f"{{ if (!khx_mutant({node.removed.number})) {text} }}"
        return text
