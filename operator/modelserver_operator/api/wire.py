"""How the resource looks on the wire, and how a rule is said once for API server and parser."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

RULES = "x-kubernetes-validations"
WHEN_ABSENT = "when-absent"


@dataclasses.dataclass(frozen=True)
class Rule:
    """
    What must hold of a value: an annotation of a field, or one of the `rules` of a class.

    Args:
        cel: what the API server evaluates; `self` is the value.
        holds: the same in Python, for what was stored under another version of the schema.
        message: what to write instead.
        field: the field that the error names, where it is not the value itself.
    """

    cel: str
    holds: Callable[[Any], bool]
    message: str
    field: str = ""

    def schema(self) -> dict[str, str]:
        """Say it to the API server."""
        schema = {"rule": self.cel, "message": self.message}
        return {**schema, "fieldPath": f".{self.field}"} if self.field else schema

    def check(self, value: Any) -> Any:
        """Return *value* if the rule holds for it, as pydantic's validators do."""
        if not self.holds(value):
            context = {"message": self.message, "field": self.field}
            raise PydanticCustomError("rule", "{message}", context)
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core)
        return {**schema, RULES: [*schema.get(RULES, ()), self.schema()]}


def pattern(expression: str, message: str) -> Rule:
    """
    Ask the whole string to follow *expression*.

    Not JSON schema's `pattern`, whose error shows the expression and no more. The expression keeps
    to what the regular expressions of Python and Go have in common.
    """
    compiled = re.compile(expression, re.ASCII)
    return Rule(
        cel=f"self.matches(r'^({expression})$')",
        holds=lambda value: compiled.fullmatch(value) is not None,
        message=message,
    )


@dataclasses.dataclass(frozen=True)
class ListType:
    """How server-side apply merges a list: as a whole, as a set, or by the keys of its items."""

    type: Literal["atomic", "set", "map"]
    keys: tuple[str, ...] = ()

    def check(self, items: Any) -> Any:
        """Return *items* if no two have the same key, as pydantic's validators do."""
        seen: set[Any] = set()
        for index, item in enumerate(items or ()):
            key = tuple(_value(item, name) for name in self.keys)
            if self.keys and key in seen:
                context = {"key": ", ".join(self.keys), "field": f"[{index}]"}
                raise PydanticCustomError("twice", "no two items may have the same {key}", context)
            seen.add(key)
        return items

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = {**handler(core), "x-kubernetes-list-type": self.type}
        return {**schema, "x-kubernetes-list-map-keys": [*self.keys]} if self.keys else schema


def _value(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, dict) else getattr(item, name)


@dataclasses.dataclass(frozen=True)
class WhenAbsent:
    """What the absence of a field means, where that is no value that a schema could hold."""

    text: str

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(core), WHEN_ABSENT: self.text}


class Wire(BaseModel):
    """An object of the resource: frozen, camelCase on the wire, unknown fields ignored."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        if cls.rules:
            schema[RULES] = [rule.schema() for rule in cls.rules]
        return schema

    @model_validator(mode="after")
    def _follows_its_rules(self) -> Self:
        for rule in self.rules:
            rule.check(self)
        return self
