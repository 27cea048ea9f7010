"""How much work a JSON Schema makes of one value: anyone may give one, and it is judged while others wait.

`{"anyOf": [a, a]}` nested eighteen times took the validator 19 s for one number. So schemas that refer to themselves
are refused, and those in which too many ways lead to one place. Wide ones are as dear where data are large: 300
`contains` with `unevaluatedItems` took 131 s for a list of 400,000. So the work of one value is counted, too.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

#: As many ways may lead from the top of a schema to one of its places.
MOST_WAYS = 1_000
#: Counting stops here: the numbers double with every level.
ENDLESS = 1_000_000_000
#: As many checks of one value may be asked for, and those of a value within it.
MOST_WORK = 10_000
#: A check beside `unevaluatedItems` or `unevaluatedProperties` takes as long as so many others.
UNEVALUATED = 20
#: And comparing with an object or a list of an `enum`.
STRUCTURED = 7
#: Words that judge nothing, and definitions: they count where `$ref` names them.
_SILENT = frozenset("$defs definitions title description default examples errorMessage $comment $schema".split())
_COUNT = re.compile(r"\{(\d+)(?:,(\d*))?\}")

Node = dict[str, object] | list[object]
Weight = Callable[[str, object], int]


@dataclass(frozen=True)
class Cost:
    """What judging by a schema takes; the most there may be for one whose cost cannot be told.

    `ways` lead to the place that is reached most often, 1 without `$ref`. `checks`: of a value, with those of one value
    within it. `states`: about how many its patterns may be in at each character of a text.
    """

    ways: int = MOST_WAYS
    checks: int = MOST_WORK
    states: int = MOST_WORK


def cost_of(schema: dict[str, object]) -> Cost:
    """Count. Raises ValueError for a schema that refers to itself, to something outside, or dynamically."""
    order, counts = _ordered(schema)
    checks = _work(schema, order, lambda word, value: 1)
    states = _work(schema, order, lambda word, value: _states(value) if word == "pattern" else 0)
    return Cost(max(counts.values()), checks, states)


def require_cheap(schema: dict[str, object]) -> None:
    """Raise ValueError for a schema that would take too long to judge by."""
    cost = cost_of(schema)
    if cost.ways > MOST_WAYS:
        raise ValueError(f"more than {MOST_WAYS} ways lead to one place in it: its $ref multiply")
    if cost.checks > MOST_WORK:
        raise ValueError(f"it asks for more than {MOST_WORK} checks of one value")
    if cost.states > MOST_WORK:
        raise ValueError("its patterns are too large: repeat less in them")


def known_cost(schema: object) -> Cost:
    """Return the cost of a schema that is in use."""
    try:
        return cost_of(schema) if isinstance(schema, dict) else Cost(1, 1, 0)
    except ValueError:
        return Cost()


def _states(pattern: object) -> int:
    """Count the letters, and what is counted in `{2,30}`: repeated groups multiply."""
    text = str(pattern)
    counts = [max(int(number) for number in found if number) for found in _COUNT.findall(text)]
    repeated = 1
    for count in counts if "){" in text else [1 + sum(counts)]:
        repeated = min(ENDLESS, repeated * max(count, 1))
    return min(ENDLESS, len(text) + repeated)


def _work(schema: dict[str, object], order: list[Node], weight: Weight) -> int:
    """Add up from the inside out what the checks of one value weigh."""
    known: dict[int, int] = {}
    for node in reversed(order):
        known[id(node)] = min(ENDLESS, _work_of(node, known, schema, weight))
    return known[id(schema)]


def _work_of(node: Node, known: dict[int, int], schema: dict[str, object], weight: Weight) -> int:
    if isinstance(node, list):
        return sum(known.get(id(inner), weight("", inner)) for inner in node)
    total = 0
    for word, value in node.items():
        if word == "$ref" and isinstance(value, str):
            total += known[id(_target(value, schema))]
        elif word == "patternProperties" and isinstance(value, dict):
            total += sum(weight("pattern", name) + known.get(id(inner), 0) for name, inner in value.items())
        elif word in ("properties", "dependentSchemas") and isinstance(value, dict):
            inner = [known.get(id(one), 0) for one in value.values()]
            total += max(inner, default=0) if word == "properties" else sum(inner)
        elif word not in _SILENT and not _is_plain_enum(word, value):
            total += known.get(id(value), weight(word, value)) * (STRUCTURED if word == "enum" else 1)
    dear = "unevaluatedItems" in node or "unevaluatedProperties" in node
    return max(total, weight("", None)) * (UNEVALUATED if dear else 1)


def _is_plain_enum(word: str, value: object) -> bool:
    """Whether these are texts or numbers, which the validator looks up."""
    return word == "enum" and isinstance(value, list) and not any(isinstance(one, dict | list) for one in value)


def _ordered(schema: dict[str, object]) -> tuple[list[Node], dict[int, int]]:
    """Return all places, each behind those that lead to it, and how many ways lead to each. Raises ValueError."""
    nodes = {id(node): node for node in _nodes(schema)}
    following = {key: [id(inner) for inner in _following(node, schema)] for key, node in nodes.items()}
    waiting = dict.fromkeys(nodes, 0)
    for inner in (key for keys in following.values() for key in keys):
        waiting[inner] += 1
    counts = dict.fromkeys(nodes, 0) | {id(schema): 1}
    ready = [key for key, number in waiting.items() if not number]
    done: list[Node] = []
    while ready:
        key = ready.pop()
        done.append(nodes[key])
        for inner in following[key]:
            counts[inner] = min(ENDLESS, counts[inner] + counts[key])
            waiting[inner] -= 1
            if not waiting[inner]:
                ready.append(inner)
    if len(done) < len(nodes):
        raise ValueError("it refers to itself")
    return done, counts


def _nodes(schema: Node) -> Iterator[Node]:
    stack: list[Node] = [schema]
    while stack:
        node = stack.pop()
        yield node
        stack += _inner(node)


def _inner(node: Node) -> list[Node]:
    values = node.values() if isinstance(node, dict) else node
    return [value for value in values if isinstance(value, dict | list)]


def _following(node: Node, schema: dict[str, object]) -> list[Node]:
    """Return the places that are judged with this one: those in it, and what it refers to."""
    found = _inner(node)
    if not isinstance(node, dict):
        return found
    for word in ("$dynamicRef", "$recursiveRef", "$id", "$anchor"):
        if isinstance(node.get(word), str) and (word != "$id" or node is not schema):
            raise ValueError(f"it uses {word}: refer to places in it by $ref, such as #/$defs/address")
    reference = node.get("$ref")
    if isinstance(reference, str):
        found.append(_target(reference, schema))
    return found


def _target(reference: str, schema: dict[str, object]) -> Node:
    if reference.partition("#")[0] or (reference[1:] and not reference.startswith("#/")):
        raise ValueError(f"{reference!r} does not begin with #/")
    target: object = schema
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        target = target.get(name) if isinstance(target, dict) else _at(target, name)
    if not isinstance(target, dict | list):
        raise ValueError(f"{reference!r} leads nowhere")
    return target


def _at(target: object, step: str) -> object:
    return target[int(step)] if isinstance(target, list) and step.isdecimal() and int(step) < len(target) else None
