"""How much work a JSON Schema makes of one value: anyone may give one, and it is judged while others wait.

`{"anyOf": [a, a]}` nested eighteen times took the validator 19 s for one number. So schemas that refer to themselves
are refused, and those in which too many ways lead to one place.
"""

from collections.abc import Iterator

#: As many ways may lead from the top of a schema to one of its places.
MOST_WAYS = 1_000
#: Counting stops here: the numbers double with every level.
ENDLESS = 1_000_000_000

Node = dict[str, object] | list[object]


def ways(schema: dict[str, object]) -> int:
    """Return how many ways lead to the place in a schema that is reached most often; 1 without `$ref`.

    Raises ValueError for a schema that refers to itself, to something outside, or dynamically.
    """
    nodes = {id(node): node for node in _nodes(schema)}
    following = {key: [id(inner) for inner in _following(node, schema)] for key, node in nodes.items()}
    waiting = dict.fromkeys(nodes, 0)
    for inner in (key for keys in following.values() for key in keys):
        waiting[inner] += 1
    counts = dict.fromkeys(nodes, 0) | {id(schema): 1}
    ready = [key for key, number in waiting.items() if not number]
    done = 0
    while ready:
        key = ready.pop()
        done += 1
        for inner in following[key]:
            counts[inner] = min(ENDLESS, counts[inner] + counts[key])
            waiting[inner] -= 1
            if not waiting[inner]:
                ready.append(inner)
    if done < len(nodes):
        raise ValueError("it refers to itself")
    return max(counts.values())


def require_cheap(schema: dict[str, object]) -> None:
    """Raise ValueError for a schema that would take too long to judge by."""
    if ways(schema) > MOST_WAYS:
        raise ValueError(f"more than {MOST_WAYS} ways lead to one place in it: its $ref multiply")


def known_ways(schema: object) -> int:
    """Return the ways of a schema that is in use; the most there may be if they cannot be counted."""
    try:
        return ways(schema) if isinstance(schema, dict) else 1
    except ValueError:
        return MOST_WAYS


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
