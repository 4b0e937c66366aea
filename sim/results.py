"""The results folder: scenario, tables, figures, histories and the manifest of them all.

Data files hold nothing of the time or the machine; `run.json` does, and is not hashed.
"""

import csv
import io
import json
import math
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from sim.folder import whole_folder, write_bytes
from sim.histories import Histories
from sim.manifest import MANIFEST, RUN_RECORD, as_json, check_target, manifest
from sim.register import register_table
from sim.scenario.resolved import resolved_table
from sim.study import Prepared, Study

DIGITS = 10
HISTORY_FOLDER = "histories"


@dataclass
class ResultsFolder:
    """A results folder being written."""

    folder: Path
    prepared: Prepared
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _writers: dict[tuple[int, str], "TableWriter"] = field(default_factory=dict)

    def add_histories(self, arm: int, part: Histories) -> None:
        """Append the histories of the next patients of an arm to its Parquet files."""
        for name, frame in part.frames().items():
            writer = self._writers.get((arm, name))
            if writer is None:
                writer = TableWriter(self._history_path(arm, name))
                self._writers[arm, name] = writer
            writer.append(frame)

    def _history_path(self, arm: int, table: str) -> Path:
        folder = self.folder / HISTORY_FOLDER
        if len(self.prepared.names) > 1:
            folder = folder / self.prepared.names[arm]
        return folder / f"{table}.parquet"

    def finish(self, study: Study, figures: bool, threads: int | None) -> None:
        """Write everything else; the manifest comes last."""
        for writer in self._writers.values():
            writer.close()
        self._write_scenarios()
        write_bytes(self.folder / "summary.csv", csv_bytes(study.summary))
        if study.comparison is not None:
            write_bytes(self.folder / "comparison.csv", csv_bytes(study.comparison))
        if study.prediction is not None:
            write_bytes(self.folder / "prediction.csv", csv_bytes(study.prediction))
        write_bytes(self.folder / "parameters.csv", csv_bytes(self._parameters()))
        write_bytes(self.folder / "limits.txt", _lines(study.limits))
        write_bytes(self.folder / "warnings.txt", _lines(study.warnings))
        if figures:
            from sim.figures import draw_all

            for name, data in draw_all(study):
                write_bytes(self.folder / "figures" / name, data)
        write_bytes(self.folder / RUN_RECORD, as_json(self._run_record(threads)))
        write_bytes(self.folder / MANIFEST, as_json(manifest(self.prepared, self.folder)))

    def close(self) -> None:
        """Let go of open files after a failure."""
        for writer in self._writers.values():
            writer.abandon()

    def _write_scenarios(self) -> None:
        loaded = self.prepared.loaded
        if loaded[0].text:  # a scenario built in Python has no file
            write_bytes(self.folder / "scenario.toml", loaded[0].text)
        resolved = [resolved_table(one.scenario) for one in loaded]
        content: Any = resolved[0]
        if len(loaded) > 1:
            content = resolved
            for one in (one for one in loaded if one.text):
                write_bytes(self.folder / "scenarios" / f"{one.scenario.name}.toml", one.text)
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        write_bytes(self.folder / "scenario.resolved.json", text.encode())

    def _parameters(self) -> pd.DataFrame:
        """The parameter register of every arm."""
        tables = []
        for one in self.prepared.loaded:
            table = register_table(one.scenario)
            table.insert(0, "scenario", one.scenario.name)
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def _run_record(self, threads: int | None) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "started": self.started.isoformat(timespec="seconds"),
            "finished": now.isoformat(timespec="seconds"),
            "seconds": round((now - self.started).total_seconds(), 3),
            "peak_memory_mib": round(peak_memory_mib()),
            "threads": threads,
            "system": platform.system(),
            "machine": platform.machine(),
            "processors": os.cpu_count(),
        }


class TableWriter:
    """One Parquet file, written block by block to a path or an open file."""

    def __init__(self, where: Path | BinaryIO) -> None:
        if isinstance(where, Path):
            where.parent.mkdir(parents=True, exist_ok=True)
            where = where.open("wb")
        self._file = where
        self._writer: Any = None
        self._schema: Any = None

    def append(self, frame: pd.DataFrame) -> None:
        """Add rows; the first rows decide the columns and their types."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for column in frame.columns:
            if pd.api.types.is_object_dtype(frame[column].dtype):
                frame[column] = frame[column].astype("str")
        if self._writer is None:
            # Without pandas' own notes the file depends on the data alone.
            self._schema = pa.Schema.from_pandas(frame, preserve_index=False).remove_metadata()
            self._writer = pq.ParquetWriter(
                self._file, self._schema, compression="zstd", write_page_checksum=True
            )
        table = pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False)
        self._writer.write_table(table.replace_schema_metadata(None))

    def close(self) -> None:
        """Finish the file and see it on the disk."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close without caring whether the rest can be written."""
        for close in (getattr(self._writer, "close", None), self._file.close):
            _quietly(close)
        self._writer = None


def _quietly(close: Callable[[], Any] | None) -> None:
    try:
        if close is not None:
            close()
    except (OSError, ValueError):
        pass  # the reason has been raised already; the file is about to be deleted


@contextmanager
def results_folder(
    prepared: Prepared, target: Path, overwrite: bool = False
) -> Iterator[ResultsFolder]:
    """Open a results folder for writing; it stands under its name only when all is written."""
    replace = check_target(target, prepared, overwrite)
    with whole_folder(target, replace) as folder:
        results = ResultsFolder(folder, prepared)
        try:
            yield results
        finally:
            results.close()


def write_study(study: Study, target: Path, *, overwrite: bool, figures: bool) -> Path:
    """Write a finished study, with the histories it holds."""
    with results_folder(study.prepared, target, overwrite) as results:
        if study.histories is not None:
            for arm, name in enumerate(study.prepared.names):
                for table, frame in study.histories[name].items():
                    writer = TableWriter(results._history_path(arm, table))
                    results._writers[arm, table] = writer
                    writer.append(frame.copy())
        results.finish(study, figures, None)
    return target


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV: numbers with 10 significant digits, missing values empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    for row in frame.itertuples(index=False, name=None):
        writer.writerow([cell_text(value) for value in row])
    return text.getvalue().encode()


def cell_text(value: Any) -> str:
    """Return one cell of a CSV file."""
    if value is None or value is pd.NA:
        return ""
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return f"{value + 0.0:.{DIGITS}g}"  # + 0.0: no minus zero
    return str(value)


def _lines(texts: tuple[str, ...]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def peak_memory_mib() -> float:
    """Return the most memory this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024
