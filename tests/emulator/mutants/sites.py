"""Where a device source can be made wrong, by rule. A mutant is one or more spans of the text, each with what to write
in front of it and behind it; the span itself stays, so mutants nest and all of a file live in one compilation."""
import bisect
import re

RULES = ("barrier", "guard", "index", "stride", "zero", "mask", "order", "chosen")
FLIPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
NOTHING = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
# Multiplied by one of these, a row, a sample or a block becomes a place.
PITCH = re.compile(r"(?<![\[<]\w) \* ((?:\w+(?:\.|->))*(?:blockDim\.[xyz]|gridDim\.x|\w*(?:cols|channels|pitch|stride(?:_\w)?|width|"
                   r"height|rows|dim|tokens|patches|pixels|kept|columns|size|slots|depth|heads|groups|keys|batch|tile|"
                   r"splits|spacing|shift|apart|step|dilation|count|shared|part)|ld[abc]|[kio][nu]?t?_?[hwc]|[CNKnh]|"
                   r"k[A-Z]\w*))(?![\w(<.:]|->)")
# x += .., x = fma(.., x)
TERMS = re.compile(r"(\w+(?:\.\w+|->\w+|\[[^\[\]]*\])*) (?:\+= |= fmaf?\((?=[^;]*, \1\)))")
TOGETHER = re.compile(r"_sync|__sync|warp_|row_|over_|column_totals|add_rows|multiply_panels|\bf\(|for_|\bmma\(|continue")


def blank(text, pattern):
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def closing(text, at):
    """The place of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
    raise ValueError(f"no end of the bracket at {at}")


def split(text, begin, end, separator):
    """[begin, end) cut at the separators outside of brackets; template arguments hold no calls here."""
    parts, depth, angle, start = [], 0, 0, begin
    for i in range(begin, end):
        c = text[i]
        depth += (c in "([{") - (c in ")]}")
        if c == "<" and text[i - 1] not in " <" and text[i + 1] not in " <":
            angle += 1
        elif c == ">" and angle and text[i - 1] not in " -":
            angle -= 1
        if c == separator and depth == 0 and angle == 0:
            parts.append((start, i))
            start = i + 1
    parts.append((start, end))
    return [(a + len(text[a:b]) - len(text[a:b].lstrip()), b - (len(text[a:b]) - len(text[a:b].rstrip())))
            for a, b in parts]


class Mutant:
    def __init__(self, source, rule, left, right, after):
        self.rule, self.left, self.right, self.after = rule, left, right, after
        self.file, self.line = source.path, source.line_of(left)
        self.before = " ".join(source.code[left:right].split())
        # Between lines that change, a mutant is known by what its line says and by its place in it.
        self.context = source.lines[self.line - 1].strip()
        self.spans = None  # (left, right, in front, behind) with the number as %d; None: a choice of two
        self.number = None

    def name(self):
        return f"{self.file}:{self.line}: {self.rule}: {self.before} -> {self.after}"

    def texts(self):
        if self.spans is None:
            return [(self.left, self.right, f"(MUTANT({self.number}) ? ({self.after}) : (", "))")]
        return [(a, b, front.replace("%d", str(self.number)), back) for a, b, front, back in self.spans]


class Source:
    def __init__(self, path, text):
        self.path, self.text, self.lines = path, text, text.split("\n")
        self.begins = [0] + [m.end() for m in re.finditer("\n", text)]
        self.code = blank(text, NOTHING)
        self.seen = blank(self.code, DIRECTIVE)
        self.device = self.device_parts()

    def line_of(self, at):
        return bisect.bisect_right(self.begins, at)

    def device_parts(self):
        """Bodies of functions that run on the device."""
        parts = []
        for m in re.finditer(r"__(?:device|global)__", self.seen):
            i = m.end()
            while self.seen[i] not in "{;":
                i = closing(self.seen, i) if self.seen[i] == "(" else i
                i += 1
            if self.seen[i] == "{":
                parts.append((m.start(), closing(self.seen, i)))
        return parts

    def on_device(self, at):
        return any(a <= at < b for a, b in self.device)

    def fixed(self, at):
        """Decided by the compiler: no run can change it."""
        begin = max(self.seen.rfind(c, 0, at) for c in ";{}") + 1
        # A header of `for` has semicolons of its own.
        return re.search(r"\bconstexpr\b|static_assert|^\s*(?:using|template)\b", self.seen[begin:at]) is not None

    def operands(self, left, right):
        """The extents of a comparison's operands, whose operator is [left, right)."""
        stop = r"(?:&&|\|\||\breturn\b|[-+*/]?=\s|[<>=!]=\s| [<>] |[,;?{]| : )\s*"
        i, depth = left - 1, 0
        while i >= 0 and not (depth == 0 and self.seen[i] in "([{,;?"):
            depth += (self.seen[i] in ")]}") - (self.seen[i] in "([{")
            i -= 1
        begin = i + 1
        for m in re.finditer(stop, self.seen[begin:left]):
            inside = self.seen[begin:begin + m.start()]
            if sum(inside.count(c) for c in "([{") == sum(inside.count(c) for c in ")]}"):
                a = begin + m.end()
        begin = locals().get("a", begin)
        end, depth = right, 0
        while True:
            c = self.seen[end]
            if depth == 0 and (c in ")]},;?" or self.seen.startswith(("&&", "||", " == ", " != "), end)
                               or self.seen.startswith(" : ", end)):
                break
            depth += (c in "([{") - (c in ")]}")
            end += 1
        while self.seen[begin].isspace():
            begin += 1
        while self.seen[end - 1].isspace():
            end -= 1
        return begin, end

    def mutants(self):
        found = []

        def add(rule, left, right, after, everywhere=False):
            if (everywhere or self.on_device(left)) and not self.fixed(left):
                found.append(Mutant(self, rule, left, right, after))
                return found[-1]

        for m in re.finditer(r"__syncthreads\(\)|__syncwarp\([^()]*\)|(?:wait|commit)_copies(?:<[^;]*?>)?\(\)", self.seen):
            add("barrier", m.start(), m.end(), "void()")
        for m in re.finditer(r" (<|<=|>|>=|==|!=)(?=\s)", self.seen):
            if self.seen[:m.start()].rstrip().endswith("template"):
                continue
            left, right = self.operands(m.start(), m.end())
            a, b = self.code[left:m.start()], self.code[m.end():right].strip()
            # Of the smaller of two, <= would be no fault; there the larger one is taken.
            choice = re.match(r"\s*\? (.*?) : ([^;,}]*)", self.code[right:right + 200], re.S)
            bare = lambda t: re.sub(r"\bint(?:64_t)?\(|[\s()]", "", t)
            least = choice and {bare(a), bare(b)} == {bare(choice[1]), bare(choice[2].rstrip())}
            flipped = {"<": ">", ">": "<"}[m[1][0]] if least else FLIPPED[m[1]]
            after = a + " " + flipped + " " + b
            add("guard", left, right, " ".join(after.split()), everywhere=self.path.endswith(".cu"))
        self.indices(add)
        self.loops(add)
        for m in PITCH.finditer(self.seen):
            add("stride", m.start(1), m.end(1), m[1] + " + 1")
        for m in re.finditer(r"(?<=\] = \{)(?=\})|(?<= = )0(?:\.0f)?(?=[,;)])|(?<= : )0(?:\.0f)?(?=[,;)}])|(?<=\()0\.0f(?=\))",
                             self.seen):
            if re.search(r"\bfor \([^;]*$", self.seen[:m.start()]):  # loops() has these
                continue
            zero = add("zero", m.start(), m.end(), "not zero")
            if zero:
                zero.spans = [(m.start(), m.end(), f"mutants::not_zero(MUTANT(%d), {'' if m[0] else '0.0f'}", ")")]
        for m in re.finditer(r"\w+::(?:template )?nothing<(\w+)>\(\)", self.seen):
            add("zero", m.start(), m.end(), m[1] + "(1)")
        for m in re.finditer(r"__\w+_sync\(", self.seen):
            end = closing(self.seen, m.end() - 1)
            parts = split(self.seen, m.end(), end, ",")
            add("mask", *parts[0], "0xffffu")
            if m[0].startswith("__shfl"):
                add("index", *parts[2], self.code[slice(*parts[2])] + " + 1")
            if m[0].startswith("__shfl_xor"):
                add("order", m.start(), end + 1, "__shfl_down_sync" + self.code[m.end() - 1:end + 1])
        return found

    def indices(self, add):
        for m in re.finditer(r"(?<=[\w\]])\[(?=[^\]\[]|\w+\[)", self.seen):
            end = closing(self.seen, m.start())
            inner = self.code[m.end():end]
            base = re.search(r"([\w.:]|->|\[[^\[\]]*\])+$", self.seen[:m.start()])
            if base[0].endswith(".v") and re.fullmatch(r"\w", inner):  # a lane of a pack in registers, of its own loop
                continue
            if re.fullmatch(r"(?:[\dNKRV]|k[A-Z]\w*|\b[SP]\w+::k\w+|<N>|[-+*/ ()]|int|sizeof|\b4\b|T)*", inner):
                before = self.seen[:base.start()].rstrip()  # a size in a declaration, or a constant index
                if not re.search(r"(?:[-=+/(!{]| \*)$", before) or re.search(r"\w_t$|<\w+$|^(?:float|T)$", base[0]):
                    continue
            add("index", m.end(), end, inner + " + 1")
        for m in re.finditer(r"\b(?:load|store)(?:_acc|_repeated|_sums)?(?:<[\w:()]+>)?\((?!\))|\bSource<T>\{", self.seen):
            end = closing(self.seen, m.end() - 1)
            a, b = split(self.seen, m.end(), end, ",")[0]
            if " + " in self.seen[a:b] and "&" not in self.seen[a:b]:
                add("index", a, b, self.code[a:b] + " + 1")

    def loops(self, add):
        for m in re.finditer(r"\bfor \(", self.seen):
            end = closing(self.seen, m.end() - 1)
            parts = split(self.seen, m.end(), end, ";")
            if len(parts) != 3:
                continue
            init, condition, step = (self.code[a:b] for a, b in parts)
            first = re.search(r"= 0$", init)
            if first:
                add("index", parts[0][1] - 1, parts[0][1], "1")
            if by := re.fullmatch(r"\+\+(\w+)", step):
                add("stride", *parts[2], f"{by[1]} += 2")
            elif by := re.fullmatch(r"\w+ ([-+*/])= (.*)", step, re.S):
                after = by[2] + (" + 1" if by[1] in "+-" else " * 2")
                add("stride", parts[2][0] + by.start(2), parts[2][1], after)
            self.order(add, parts, end, init, condition, step)

    def order(self, add, parts, end, init, condition, step):
        start = re.fullmatch(r"(?:const )?[\w:]+ (\w+) = ([^,]*|[^,]*\([^()]*\)[^,]*)", init, re.S)
        if not start:
            return
        name = start[1]
        limit = re.fullmatch(name + r" < ([^&|]*)", condition, re.S)
        by = re.fullmatch(r"\+\+" + name + "|" + name + r" \+= (.*)", step, re.S)
        if not limit or not by:
            return
        body = end + 1
        while self.seen[body].isspace():
            body += 1
        stop = closing(self.seen, body) if self.seen[body] == "{" else self.statement_end(body)
        text = self.seen[body:stop]
        targets = [t[1] for t in TERMS.finditer(text) if not re.search(rf"\b{name}\b", t[1])]
        outside = [t for t in targets if not re.search(r"\b(?:float|auto|double|int|int64_t) (?:[^;]*, )?"
                                                       + re.split(r"\W", t)[0] + r"\b", text)]
        if not outside or TOGETHER.search(text):
            return
        begin, limit, by = start[2], limit[1], by[1] or "1"
        mutant = add("order", parts[0][0], parts[0][1], "backwards at times")
        if not mutant:
            return
        at = parts[0][0] + start.start(2)
        mutant.spans = [
            (at, parts[0][1], f"(MUTANT(%d) && mutants::turn({begin}, {limit}) ? "
             f"mutants::last({begin}, {limit}, {by}) : (", "))"),
            (*parts[1], f"(MUTANT(%d) && mutants::backwards() ? int64_t({name}) >= int64_t({begin}) : (", "))"),
            (*parts[2], f"(MUTANT(%d) && mutants::backwards() ? {name} -= ({by}) : (", "))")]

    def statement_end(self, at):
        while self.seen[at] != ";":
            at = closing(self.seen, at) if self.seen[at] in "([{" else at
            at += 1
        return at

    def with_mutants(self, mutants):
        """The text with every mutant in it, asleep."""
        spans = sorted((t for m in mutants for t in m.texts()), key=lambda t: (t[0], -t[1]))
        out, at, open_spans = [], 0, []

        def close_until(place):
            nonlocal at
            while open_spans and open_spans[-1][0] <= place:
                right, back = open_spans.pop()
                out.extend((self.code_at(at, right), back))
                at = right

        for left, right, front, back in spans:
            close_until(left if left < right else left - 1)
            if open_spans and right > open_spans[-1][0]:
                raise ValueError(f"{self.path}:{self.line_of(left)}: two mutants overlap: {self.code[left:right]}")
            out.extend((self.code_at(at, left), front))
            at = left
            open_spans.append((right, back))
        close_until(len(self.text))
        out.append(self.code_at(at, len(self.text)))
        return "".join(out)

    def code_at(self, a, b):
        return self.quoted[a:b]

    @property
    def quoted(self):
        """The text without its comments: a mutant may not end inside of one."""
        if not hasattr(self, "_quoted"):
            self._quoted = blank(self.text, re.compile(r"//[^\n]*|/\*.*?\*/", re.S))
        return self._quoted
