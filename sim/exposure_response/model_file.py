"""The model file: fitted logistic models that a scenario can name.

TOML with format = 1 and one [[model]] a model. Numbers are written so that they read back
identical. Codes: D21 not TOML, D22 another format, D23 no model, D24 unknown key, D25 key
missing, D26 value of the wrong kind, D27 no covariance matrix, D28 name twice, F01-F03 and
F10-F12 the file itself.
"""

import json
import math
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sim.errors import DataError, FileError, LimitError, Problem, quoted
from sim.scenario.locate import Places, locate
from sim.scenario.nearest import nearest

FORMAT = 1
EXPOSURE_UNIT = "ng*h/mL per day"
# The last one is that of `titrasim er table`.
METHODS = ("ml", "firth", "table")
COEFFICIENT_AT_MOST = 1e9  # what a scenario takes
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# A text that a spreadsheet would take for a formula is no text of a scenario either.
_TEXT = re.compile(r"[^=+\-@\s][^\x00-\x1f]*")


@dataclass(frozen=True)
class ModelEntry:
    """One logistic model: logit P = intercept + slope * AUC/day, with where it comes from.

    covariance holds the variance of the intercept, the covariance and the variance of the
    slope; exposure_range the lowest and highest AUC/day of the patients; population says whose
    data they are.
    """

    name: str
    intercept: float
    slope_per_auc_per_day: float
    method: str
    patients: int
    events: int
    covariance: tuple[float, float, float]
    exposure_unit: str
    exposure_range: tuple[float, float]
    source: str
    population: str = "not stated"


KEYS = tuple(field.name for field in fields(ModelEntry))
OPTIONAL = ("population",)
TEXTS = {"source": 2000, "population": 300}
PAIRS = {"covariance": 3, "exposure_range": 2}


def write_models(
    path: str | os.PathLike[str], models: Sequence[ModelEntry], replace: bool = False
) -> None:
    """Write a model file, whole or not at all.

    Raises LimitError for a model that a scenario could not take, FileError where the file
    stands already and is no model file or replace is not asked for, where no scenario could
    name it, or where it cannot be written.
    """
    target = Path(path)
    text = _text(models)
    if faults := _faults(text):
        raise LimitError(f"{target.name} cannot be written: {'; '.join(faults)}")
    check_target(target, replace)
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        unfinished.write_text(text, "utf-8", newline="\n")
        os.replace(unfinished, target)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        message = f"this file cannot be written: {(error.strerror or 'unknown').lower()}"
        raise FileError([Problem(target.name, None, None, "F10", "error", message)]) from error


def model_faults(model: ModelEntry) -> list[str]:
    """Return what keeps a model from being written; empty for a sound one."""
    return _faults(_text([model]))


def is_population(text: str) -> bool:
    """Tell whether a text can stand as a population."""
    return _TEXT.fullmatch(text) is not None and len(text) <= TEXTS["population"]


def check_target(path: str | os.PathLike[str], replace: bool, data: Path | None = None) -> None:
    """Refuse, with FileError, a place where no model file may be written.

    data is the file that was read; neither it nor any file but a model file is replaced.
    """
    given, target = os.fspath(path), Path(path)
    name = target.name or "model file"
    message = hint = ""
    code = "F12"
    if given in ("", ".") or target.is_dir():
        code, message = "F02", "this is a folder; give the name of a file ending in .toml"
        message = "an empty name; give a file ending in .toml" if given in ("", ".") else message
    elif data is not None and _is_same_file(target, data):
        message, hint = "this is the data file itself", "give another file to --model"
    elif target.suffix != ".toml" or target.stem == "":
        message = "a model file's name ends in .toml"
    elif "#" in name or "\\" in name or not name.isprintable() or len(name) > 200:
        message = "no scenario could name this file: its name has # or \\, or is too long"
    elif not target.parent.is_dir():
        code, message = "F10", f"there is no folder {quoted(str(target.parent))}"
    elif target.exists() or target.is_symlink():
        code = "F11"
        if not replace:
            message = "this file is there already"
            hint = "choose another name, or replace it with --overwrite"
        elif not _is_model_file(target):
            message = "this file is there already and is not a model file"
            hint = "choose another name; only a model file is replaced"
    if message:
        raise FileError([Problem(name, None, None, code, "error", message, hint or None)])


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve() or one.samefile(other)
    except OSError:
        return False


def _is_model_file(path: Path) -> bool:
    try:
        return bool(read_models(path))
    except (DataError, FileError):
        return False


def read_models(path: str | os.PathLike[str]) -> list[ModelEntry]:
    """Read a model file; raises FileError, or DataError with everything wrong in it."""
    file = Path(path)
    name = file.name
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise FileError([Problem(name, None, None, "F01", "error", "file not found")]) from None
    except OSError:
        message = "this file cannot be read"
        raise FileError([Problem(name, None, None, "F03", "error", message)]) from None
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        table = tomllib.loads(text)
    except UnicodeDecodeError:
        raise DataError([Problem(name, None, None, "D21", "error", "not UTF-8 text")]) from None
    except tomllib.TOMLDecodeError as error:
        message = f"this is not TOML: {error}"
        raise DataError([Problem(name, None, None, "D21", "error", message)]) from None
    problems = list(_problems(table, locate(text), name))
    if problems:
        raise DataError(problems)
    return [_entry(model) for model in table["model"]]


def _faults(text: str) -> list[str]:
    return [problem.message for problem in _problems(tomllib.loads(text), locate(text), "model")]


def _text(models: Sequence[ModelEntry]) -> str:
    lines = [f"format = {FORMAT}"]
    for model in models:
        lines += ["", "[[model]]"]
        lines += [f"{key} = {_toml(getattr(model, key))}" for key in KEYS]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, str):
        # DEL is the one character that JSON leaves bare and TOML does not allow.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return repr(value)


def _entry(model: dict[str, Any]) -> ModelEntry:
    numbers = {key: float(model[key]) for key in ("intercept", "slope_per_auc_per_day")}
    a, b, c = (float(value) for value in model["covariance"])
    low, high = (float(value) for value in model["exposure_range"])
    return ModelEntry(
        **{**model, **numbers, "covariance": (a, b, c), "exposure_range": (low, high)}
    )


def _problems(table: dict[str, Any], places: Places, name: str) -> Iterator[Problem]:
    def at(path: tuple[str | int, ...], code: str, message: str, hint: str = "") -> Problem:
        line, column = places.values.get(path, (None, None))
        return Problem(name, line, column, code, "error", message, hint or None)

    if table.get("format") != FORMAT or isinstance(table.get("format"), bool):
        message = f"format is {table.get('format', 'missing')}; this program reads {FORMAT}"
        yield at(("format",), "D22", message)
    for key in sorted(table.keys() - {"format", "model"}):
        yield at((key,), "D24", f"unknown key {quoted(key)}", _did_you_mean(key, ("model",)))
    models = table.get("model")
    if not isinstance(models, list) or not models or not all(isinstance(m, dict) for m in models):
        yield at(("model",), "D23", "there is no [[model]]")
        return
    names = [model.get("name") for model in models]
    for number, model in enumerate(models):
        for key in sorted(model.keys() - set(KEYS)):
            where = ("model", number, key)
            yield at(where, "D24", f"unknown key {quoted(key)}", _did_you_mean(key, KEYS))
        for key in (key for key in KEYS if key not in (*model, *OPTIONAL)):
            yield at(("model", number), "D25", f'"{key}" is missing')
        for key, fault in _value_faults(model):
            yield at(("model", number, key), "D26", f"{key} {fault}")
        if _is_covariance_fault(model.get("covariance")):
            message = "covariance is not that of two coefficients: v11, v22 > 0, v12^2 < v11 v22"
            yield at(("model", number, "covariance"), "D27", message)
        if names[number] in names[:number]:
            message = f"two models are called {quoted(str(names[number]))}"
            yield at(("model", number, "name"), "D28", message)


def _did_you_mean(word: str, names: Sequence[str]) -> str:
    close = nearest(word, names)
    return f"did you mean {quoted(close)}?" if close else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _value_faults(model: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield key and fault of every value that is there and of the wrong kind."""
    for key in (key for key in KEYS if key in model):
        value = model[key]
        if key == "name":
            if not (isinstance(value, str) and _NAME.fullmatch(value)):
                yield key, f"{_told(value)} is not a letter followed by letters, digits, _ or -"
        elif key in ("method", "exposure_unit"):
            allowed = METHODS if key == "method" else (EXPOSURE_UNIT,)
            if value not in allowed:
                yield key, f"{_told(value)} is not {' or '.join(quoted(one) for one in allowed)}"
        elif key in TEXTS:
            most = TEXTS[key]
            if not (isinstance(value, str) and _TEXT.fullmatch(value) and len(value) <= most):
                yield key, f"is not a text of 1 to {most} characters that begins with none of =+-@"
        elif key in PAIRS:
            count = PAIRS[key]
            if (
                not isinstance(value, list)
                or len(value) != count
                or not all(map(_is_number, value))
            ):
                yield key, f"is not a list of {count} numbers"
            elif key == "exposure_range" and not 0.0 <= value[0] < value[1]:
                yield key, "does not rise from 0 or more"
        elif key in ("patients", "events"):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                yield key, f"{_told(value)} is not a whole number of 0 or more"
            elif key == "events" and value > _patients(model):
                yield key, f"{value} is more than the {model['patients']} patients"
        elif not _is_number(value):
            yield key, f"{_told(value)} is not a finite number"
        elif abs(value) > COEFFICIENT_AT_MOST:
            yield key, f"{value:g} is beyond {COEFFICIENT_AT_MOST:g}, which no scenario takes"


def _patients(model: dict[str, Any]) -> float:
    return model["patients"] if _is_number(model.get("patients")) else math.inf


def _told(value: object) -> str:
    return quoted(value) if isinstance(value, str) else quoted(str(value))


def _is_covariance_fault(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 3 or not all(map(_is_number, value)):
        return False
    v11, v12, v22 = value
    return not (v11 > 0.0 and v22 > 0.0 and v12 * v12 < v11 * v22)
