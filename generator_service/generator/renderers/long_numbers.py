"""Whole numbers of the data that are longer than an engine can hold."""

from collections.abc import Iterator


def beyond(value: object, bits: int, path: str = "") -> Iterator[tuple[str, int]]:
    """Yield every whole number from -2^bits down and from 2^bits up, with its data path."""
    if isinstance(value, int) and not -(2**bits) < value < 2**bits:
        yield path, value
    inner: Iterator[tuple[str, object]] = iter(())
    if isinstance(value, dict):
        inner = ((f"{path}.{name}".lstrip("."), one) for name, one in value.items())
    elif isinstance(value, list):
        inner = ((f"{path}[{at}]", one) for at, one in enumerate(value))
    for below, one in inner:
        yield from beyond(one, bits, below)
