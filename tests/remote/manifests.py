"""Check a manifest against the Kubernetes client's models, which are made from its schema."""

from __future__ import annotations

import re
from typing import Any

from kubernetes import client

_PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float)}


def problems(kind: str, value: Any, place: str = "") -> list[str]:
    """Return what is wrong with a value; empty if it is a valid object of the type.

    Parameters
    ----------
    kind : str
        Type as the client writes it: ``V1Job``, ``list[V1EnvVar]``, ``dict[str, str]``, ``str``.
    value : object
        From JSON. A null is as good as nothing, as for the API server.
    place : str
        Where it lies in the manifest.
    """
    place = place or kind
    if container := re.fullmatch(r"(list|dict)[\[(](?:str, ?)?(.+)[\])]", kind):
        expected = list if container[1] == "list" else dict
        if not isinstance(value, expected):
            return [f"{place}: expected a {container[1]}, got {value!r}"]
        items = enumerate(value) if expected is list else value.items()
        return [
            line for key, one in items for line in problems(container[2], one, f"{place}.{key}")
        ]
    if kind in _PLAIN:
        # In Python, True is an int.
        good = isinstance(value, _PLAIN[kind]) and isinstance(value, bool) == (kind == "bool")
        return [] if good else [f"{place}: expected {kind}, got {value!r}"]
    model = getattr(client, kind, None)
    return _problems_of_model(model, value, place) if model else []


def _problems_of_model(model: Any, value: Any, place: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{place}: expected an object, got {value!r}"]
    names = {json: name for name, json in model.attribute_map.items()}
    given = {key: one for key, one in value.items() if one is not None}
    found = [f"{place}.{key}: no such field" for key in given.keys() - names.keys()]
    for key in given.keys() & names.keys():
        found += problems(model.openapi_types[names[key]], given[key], f"{place}.{key}")
    try:
        model(**{names[key]: one for key, one in given.items() if key in names})
    except ValueError as error:  # a required field is missing, or a value is not allowed
        found.append(f"{place}: {error}")
    return found
