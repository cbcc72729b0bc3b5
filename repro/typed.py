"""Choices as typed values: frozen dataclasses, checked when they are made, that go to JSON and back."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Annotated, Any, dataclass_transform

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass_transform(frozen_default=True)
def choice(cls: type) -> Any:
    """A frozen dataclass whose fields are checked against their types; what is no field is refused.

    A member of a union has a field `kind: Literal[...]` that tells it from the others.
    """
    return dataclass(cls, frozen=True, config=ConfigDict(extra="forbid", validate_default=True))


def check_rising(how: Any, *names: str) -> None:
    """Refuse fields whose values do not rise.

    Raises:
        ValueError: naming the field.
    """
    for name in names:
        if list(getattr(how, name)) != sorted(set(getattr(how, name))):
            raise ValueError(f"{name} must rise: {getattr(how, name)}")


def as_json(value: Any) -> dict[str, Any]:
    """A choice as plain JSON, every field in it."""
    return TypeAdapter(type(value)).dump_python(value, mode="json")


def distinctive(value: Any) -> Any:
    """As plain JSON, what tells a choice from the one that has every default: so a field that is added later,
    with what has always been done as its default, changes nothing here.
    """
    if is_dataclass(value):
        told = [f for f in fields(value) if f.name == "kind" or getattr(value, f.name) != f.default]
        return {f.name: distinctive(getattr(value, f.name)) for f in told}
    return [distinctive(each) for each in value] if isinstance(value, tuple) else value


def in_one_line(error: ValidationError) -> str:
    """What is wrong with a choice, field by field, with the valid ones where they can be counted."""
    lines = []
    for e in error.errors(include_url=False):
        field, found = ".".join(map(str, e["loc"])) or error.title, e["input"]
        shown = f", not {found!r}" if isinstance(found, str | int | float | None) else ""
        lines.append(f"{field}: {e['msg'][0].lower()}{e['msg'][1:]}{shown}")
    return "; ".join(lines)
