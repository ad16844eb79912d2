"""The ModelServer resource: `wire` says how it is written, `spec` and `status` what it has."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

from pydantic import ValidationError

from modelserver_operator.api.spec import ModelServerSpec
from modelserver_operator.api.status import Condition, ModelServerStatus, ServedModel
from modelserver_operator.api.wire import Rule, Wire
from modelserver_operator.errors import InvalidSpec

__all__ = [
    "Condition",
    "ModelServer",
    "ModelServerSpec",
    "ModelServerStatus",
    "ObjectMeta",
    "ServedModel",
]

# A child's name is at most this with "-settings-" and a hash of ten, and a Service is a DNS label.
_NAME: Final = "[a-z]([-a-z0-9]{0,48}[a-z0-9])?"


class ObjectMeta(Wire):
    """What the operator reads of an object's metadata."""

    name: str
    namespace: str
    uid: str
    generation: int


class ModelServer(Wire):
    """
    One model, served by a number of pods behind one address.

    The operator turns it into a Deployment, a Service and what belongs to them, keeps them as
    they should be, and says in the status what is true of them.
    """

    rules: ClassVar = (
        Rule(
            cel=f"self.metadata.name.matches('^{_NAME}$')",
            holds=lambda self: re.fullmatch(_NAME, self.metadata.name, re.ASCII) is not None,
            message="metadata.name must start with a letter, have lowercase letters, digits and"
            " '-' only, not end with '-', and be no longer than 50 characters: the Service and"
            " every other child is named after it",
        ),
    )

    metadata: ObjectMeta

    spec: ModelServerSpec
    """What is wanted."""

    @property
    def name(self) -> str:
        """Name of the object, and of its children."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """Namespace of the object and of all that it needs."""
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        """What tells this object from an earlier one of the same name."""
        return self.metadata.uid

    @property
    def generation(self) -> int:
        """Grows with every change of the spec."""
        return self.metadata.generation

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """
        Read *body* as the API server stores it; fields unknown to this version are ignored.

        Raises:
            InvalidSpec: the spec breaks the schema, so it was stored under another version of it.
        """
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise _first_of(error) from error


def _first_of(error: ValidationError) -> InvalidSpec:
    first, *more = error.errors(include_url=False, include_input=False)
    place = [*first["loc"], *filter(None, [first.get("ctx", {}).get("field")])]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    others = f" (and {len(more)} more wrong)" if more else ""
    field = field.removeprefix(".").replace(".[", "[")
    return InvalidSpec(": ".join(filter(None, [field, first["msg"] + others])))
