"""Labels and annotations that a user adds to children."""

from typing import Annotated

from pydantic import Field

Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)]
Annotations = Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)]
