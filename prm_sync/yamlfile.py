"""YAML as every file of prm-sync is read: strict, and each value knows its line.

Values mean what they look like, as in YAML 1.2: only `true` and `false` are booleans (`NO` is Norway, `on` a word),
`2026-01-31` is a text, `0123` keeps its zero. A key that stands twice is refused, never the last one taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from prm_sync.errors import ConfigError

Place: TypeAlias = tuple[str | int, ...]
"""Keys and list positions that lead to a value: `("connections", "acme", "streams", 0)`."""
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file's values as plain Python, and the line (from 1) of each."""

    path: Path
    data: Any
    lines: Mapping[Place, int]

    def line(self, place: Iterable[str | int]) -> int:
        """The line of `place`, or of the nearest thing around it that stands in the file."""
        found: Place = ()
        for part in place:  # validators put words of their own into a place: pass over them
            if (*found, part) in self.lines:
                found = (*found, part)
        return self.lines.get(found, 1)

    def error(self, message: str, *place: str | int) -> ConfigError:
        return ConfigError(message, file=self.path, line=self.line(place))


def read(path: Path) -> YamlFile:
    """Raises ConfigError where the file is missing, not UTF-8, not YAML, or has a key twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("there is no such file", file=path) from None
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"cannot be read: {type(e).__name__}", file=path) from e
    return parse(text, path)


def parse(text: str, path: Path) -> YamlFile:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        data = None if node is None else _value(loader, node, (), lines, path, frozenset())
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        problem = " ".join(str(e.problem or e.context).split())
        if mark and "\t" in _indentation(text, mark.line):
            problem = "a tab in the indentation; use spaces"
        raise ConfigError(f"not YAML: {problem}", file=path, line=mark.line + 1 if mark else None) from None
    except yaml.YAMLError as e:
        raise ConfigError(f"not YAML: {' '.join(str(e).split())}", file=path) from None
    finally:
        loader.dispose()
    return YamlFile(path, data, lines)


def _indentation(text: str, line: int) -> str:
    """The white space that a line (from 0) begins with."""
    lines = text.split("\n")
    found = lines[line] if line < len(lines) else ""
    return found[: len(found) - len(found.lstrip())]


def validated(model: type[M], file: YamlFile, data: Any = None, at: Place = ()) -> M:
    """`data` (the whole file by default), which stands at `at`, as a `model`.

    Raises ConfigError with every mistake, one a line, each with its file:line; values are never shown.
    """
    if data is None:
        data = {} if file.data is None else file.data
    try:
        return model.model_validate(data)
    except ValidationError as e:
        mistakes = [file.error(_mistake(model, err["type"], err["msg"], err["loc"]), *at, *err["loc"])
                    for err in e.errors(include_input=False, include_url=False, include_context=False)]  # fmt: skip
    mistakes.sort(key=lambda m: m.line or 0)
    rest = "".join(f"\n{m}" for m in mistakes[1:])
    first = str(mistakes[0]).removeprefix(f"{file.path}:{mistakes[0].line}: ")
    raise ConfigError(first + rest, file=file.path, line=mistakes[0].line)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """'; did you mean "lead"?', or the list of what is known, to end a message with."""
    names = sorted(set(known))
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known: {', '.join(names)}" if names else ""


def _mistake(model: type[BaseModel], kind: str, message: str, loc: Place) -> str:
    """A pydantic error in our words: what, where, what to do."""
    where = ".".join(str(part) for part in loc)
    if kind == "extra_forbidden":
        return f'unknown key "{loc[-1]}" in {".".join(map(str, loc[:-1])) or "the file"}' + did_you_mean(
            str(loc[-1]), _keys_at(model, loc[:-1])
        )
    if kind == "missing":
        return f'{where}: "{loc[-1]}" is missing'
    text = message.removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def _keys_at(model: type[BaseModel], place: Place) -> set[str]:
    """The keys that may stand at `place`: only for suggestions, so names in between are passed over."""
    here = {model}
    for part in place:
        below = [m.model_fields[part].annotation for m in here if isinstance(part, str) and part in m.model_fields]
        if below:
            here = {found for annotation in below for found in _models(annotation)}
    return {field.alias or name for m in here for name, field in m.model_fields.items()}


def _models(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {found for arg in get_args(annotation) for found in _models(arg)}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml reads ten times faster
    """PyYAML's safe loader with the scalars of YAML 1.2's core schema instead of 1.1's surprises."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 PyYAML's own way


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9_]*)", list("-+0123456789")),
    ("float", r"[-+]?(0|[1-9][0-9_]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


def _value(
    loader: _Loader, node: yaml.Node, place: Place, lines: dict[Place, int], path: Path, above: frozenset[int]
) -> Any:
    lines.setdefault(place, node.start_mark.line + 1)
    if id(node) in above:
        raise ConfigError("an alias contains itself", file=path, line=node.start_mark.line + 1)
    inside = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError("a key must be a plain word", file=path, line=line)
            key = str(key_node.value)
            here = (*place, key)
            if key in values:
                within = f" in {'.'.join(map(str, place))}" if place else ""
                raise ConfigError(f'duplicate name "{key}"{within}, first in line {lines[here]}', file=path, line=line)
            lines[here] = line
            values[key] = _value(loader, value_node, here, lines, path, inside)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*place, n), lines, path, inside) for n, item in enumerate(node.value)]
    return loader.construct_object(node)
