"""Labels and annotations that a user adds to children."""

import re
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import Field

from modelserver_operator.api.wire import Rule, pattern

_RESERVED: Final = ("modelserver.dev/", "app.kubernetes.io/")
_NAME: Final = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_KEY: Final = rf"([a-z0-9][-a-z0-9.]{{0,251}}[a-z0-9]/)?{_NAME}"


def _are_keys(keys: Iterable[str]) -> bool:
    return all(re.fullmatch(_KEY, key, re.ASCII) for key in keys)


_KEYS: Final = Rule(
    cel=f"self.all(k, k.matches('^{_KEY}$'))",
    holds=_are_keys,
    message="keys are a name of letters, digits, '-', '_' and '.', at most 63 characters, perhaps"
    " with a domain and a slash before it, such as team or example.com/team",
)
_NOT_RESERVED: Final = Rule(
    cel="self.all(k, "
    + " && ".join(f"!k.startsWith('{prefix}')" for prefix in _RESERVED)
    + " && k != 'pod-template-hash')",
    holds=lambda keys: (
        not any(key.startswith(_RESERVED) or key == "pod-template-hash" for key in keys)
    ),
    message="modelserver.dev/, app.kubernetes.io/ and pod-template-hash belong to the operator and"
    " to Kubernetes: choose another key",
)

LabelValue = Annotated[
    str,
    Field(max_length=63),
    pattern(
        "([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?",
        "must be letters, digits, '-', '_' and '.', with a letter or digit at both ends",
    ),
]

NodeLabels = Annotated[dict[str, LabelValue], Field(max_length=32), _KEYS]
Labels = Annotated[NodeLabels, _NOT_RESERVED]
Annotations = Annotated[
    dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32), _KEYS, _NOT_RESERVED
]
