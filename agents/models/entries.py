"""Entries written into models.yaml: what else is in the file stays, comments too."""

from __future__ import annotations

import io
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from agents.models import catalog
from traces import home, paths
from traces.errors import HeadcountError, InputError, reason


def write(name: str, entry: Mapping[str, Any], card: Mapping[str, Any]) -> Path:
    """Write what an entry and its card say into the file that counts here, which is made where there is none; the path.
    Raises InputError where the name is another model's there, or the file cannot be read or written."""
    path = catalog.place()
    there = paths.is_file(path)
    known = catalog.read(path.resolve()) if there else {}
    if name in known:
        _check_same(path, name, known[name].entry, entry)
    before = path.read_text("utf-8") if there else ""
    after = _written(before, name, entry, card)
    with home.writing(path):
        home.write_atomically(path.resolve(), after.encode())
    try:
        catalog.read(path.resolve())
    except HeadcountError as error:
        with home.writing(path):
            home.write_atomically(path.resolve(), before.encode())
        raise InputError(f"{path} cannot take the entry: {error}; it is as it was") from None
    return path


def _check_same(path: Path, name: str, known: catalog.Entry, entry: Mapping[str, Any]) -> None:
    where = (known.litellm, known.gguf and str(paths.given(known.gguf).resolve()), known.servers)
    ours = (entry.get("litellm", ""), entry.get("gguf", ""), tuple(entry.get("servers", known.servers)))
    if where != ours:
        raise InputError(f"{path} has another model called {name}: give this one another name with --as")


def _written(before: str, name: str, entry: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.util import load_yaml_guess_indent

    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    try:
        root = yaml.load(before)
        _, indent, offset = load_yaml_guess_indent(before) if before.strip() else (None, None, None)
    except YAMLError as error:
        raise InputError(f"{catalog.place()} cannot be written to: {reason(error)}") from None
    if indent and offset is not None and indent >= offset + 2:
        yaml.indent(mapping=2, sequence=indent, offset=offset)
    root = CommentedMap() if root is None else root
    at = _below(_below(root, "models", CommentedMap), name, CommentedMap)
    _put(at, {key: _flow(value) for key, value in entry.items() if key not in at or key == "stream"})
    _put(_below(at, "card", CommentedMap), card)
    target = io.StringIO()
    yaml.dump(root, target)
    return target.getvalue()


def _below(mapping: MutableMapping[str, Any], key: str, new: type[MutableMapping[str, Any]]) -> Any:
    if mapping.get(key) is None:
        mapping[key] = new()
    return mapping[key]


def _put(mapping: MutableMapping[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        mapping[key] = value


def _flow(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    from ruamel.yaml.comments import CommentedSeq

    sequence = CommentedSeq(value)
    sequence.fa.set_flow_style()
    return sequence
