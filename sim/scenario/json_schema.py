"""The JSON Schema that editors use to complete and check scenario files.

`python -m sim.scenario.json_schema` writes it anew into the folder of shipped scenarios.
"""

import copy
import json
from pathlib import Path
from typing import Any

from sim.scenario.library import library_folder
from sim.scenario.merge import NAME_KEYS
from sim.scenario.scenario import Scenario

FILE_NAME = "titrasim.schema.json"
ALWAYS_REQUIRED = ("format", "name")


def json_schema() -> dict[str, Any]:
    """Schema of a file as written: less is required of one that extends another."""
    schema = copy.deepcopy(Scenario.model_json_schema(by_alias=True))
    schema["$comment"] = "Made from the models by: python -m sim.scenario.json_schema"
    properties: dict[str, Any] = schema["properties"]
    whole: dict[str, Any] = {"required": schema.pop("required"), "properties": {}}
    for key, value in properties.items():
        model, is_list = _table_of(value)
        if model is not None:
            required = schema["$defs"][model].pop("required", [])
            whole["properties"][key] = _requiring(required, is_list)
            if key in NAME_KEYS:
                schema["$defs"][model]["required"] = [NAME_KEYS[key]]
    properties["remove"] = _remove_schema()
    schema["required"] = list(ALWAYS_REQUIRED)
    schema["if"] = {"required": ["extends"]}
    schema["then"] = {}
    schema["else"] = whole
    return schema


def json_schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def schema_path() -> Path:
    """Where the schema is kept: beside the shipped scenarios."""
    return library_folder() / FILE_NAME


def _table_of(value: dict[str, Any]) -> tuple[str | None, bool]:
    """Name of the model of a top-level key, and whether the key holds a list of them."""
    if value.get("type") == "array":
        return _table_of(value["items"])[0], True
    for option in (value, *value.get("anyOf", ())):
        if "$ref" in option:
            return str(option["$ref"]).rpartition("/")[2], False
    return None, False


def _requiring(required: list[str], is_list: bool) -> dict[str, Any]:
    here: dict[str, Any] = {"required": required}
    return {"items": here} if is_list else here


def _remove_schema() -> dict[str, Any]:
    names = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "description": "Entries of the extended scenario to leave out, by name.",
        "properties": {kind: dict(names) for kind in NAME_KEYS},
        "additionalProperties": False,
    }


if __name__ == "__main__":
    schema_path().write_text(json_schema_text(), encoding="utf-8")
