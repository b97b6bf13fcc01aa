"""The inputs of a run as `input_files.all()` gives them: a list with the methods of Django's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from runners.pipeline.absent import NO_DATABASE, OF_QUERY_SETS
from runners.pipeline.errors import missing, not_available

Product = TypeVar("Product")

#: The fields that can be asked for; `data` is the name of the file.
FIELDS: dict[str, Callable[[Any], Any]] = {
    "pk": lambda product: product.pk,
    "id": lambda product: product.pk,
    "name": lambda product: product.name,
    "product_id": lambda product: product.name,
    "data": lambda product: product.data.name,
    "data_product_type": lambda product: product.data_product_type,
}
LOOKUPS: dict[str, Callable[[Any, Any], bool]] = {
    "exact": lambda value, wanted: bool(value == wanted),
    "iexact": lambda value, wanted: str(value).casefold() == str(wanted).casefold(),
    "contains": lambda value, wanted: str(wanted) in str(value),
    "icontains": lambda value, wanted: str(wanted).casefold() in str(value).casefold(),
    "startswith": lambda value, wanted: str(value).startswith(str(wanted)),
    "istartswith": lambda value, wanted: str(value).casefold().startswith(str(wanted).casefold()),
    "endswith": lambda value, wanted: str(value).endswith(str(wanted)),
    "iendswith": lambda value, wanted: str(value).casefold().endswith(str(wanted).casefold()),
    "in": lambda value, wanted: value in wanted,
}


class InputList(list[Product]):
    """Some of the inputs, in their order."""

    def all(self) -> InputList[Product]:
        """Return a copy."""
        return InputList(self)

    def first(self) -> Product | None:
        """Return the first one, or None."""
        return self[0] if self else None

    def last(self) -> Product | None:
        """Return the last one, or None."""
        return self[-1] if self else None

    def count(self, *value: Any) -> int:
        """Return how many there are; of one value, how often it is there, as lists do."""
        return super().count(*value) if value else len(self)

    def exists(self) -> bool:
        """Return whether there are any."""
        return bool(self)

    def filter(self, **wanted: Any) -> InputList[Product]:
        """Return those that fit, as in `filter(data__endswith=".fits")`."""
        tests = [_test(name, value) for name, value in wanted.items()]
        return InputList(product for product in self if all(test(product) for test in tests))

    def exclude(self, **unwanted: Any) -> InputList[Product]:
        """Return those that do not fit."""
        left_out = {id(product) for product in self.filter(**unwanted)}
        return InputList(product for product in self if id(product) not in left_out)

    def order_by(self, *names: str) -> InputList[Product]:
        """Return them sorted by fields, with a minus the other way round."""
        ordered = InputList(self)
        for name in reversed(names):
            ordered.sort(key=_field(name.removeprefix("-")), reverse=name.startswith("-"))
        return ordered

    def get(self, **wanted: Any) -> Product:
        """Return the one that fits. Raise LookupError unless it is one."""
        found = self.filter(**wanted)
        if len(found) != 1:
            raise LookupError(f"{len(found)} inputs fit {wanted}, not 1")
        return found[0]

    def __getattr__(self, name: str) -> Any:
        raise missing("input_files", name, OF_QUERY_SETS)


def _field(name: str) -> Callable[[Any], Any]:
    if name not in FIELDS:
        raise not_available(f"The field {name} of input files", NO_DATABASE)
    return FIELDS[name]


def _test(name: str, wanted: Any) -> Callable[[Any], bool]:
    field, _, lookup = name.partition("__")
    value = _field(field)
    if (lookup or "exact") not in LOOKUPS:
        raise not_available(f"The look-up {name}", NO_DATABASE)
    fits = LOOKUPS[lookup or "exact"]
    return lambda product: fits(value(product), wanted)
