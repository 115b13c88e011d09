"""Tables in and out: CSV, TSV, JSONL and Parquet, by the ending of the file's name.

A table that cannot be used at all raises `BadTable`. What is wrong with one row is that row's problem: it stays in the
table, and the others go on. Nothing here imports torch.
"""

from clapometer.tables.memory import DataFrame, Records, table_in_memory
from clapometer.tables.reading import read_table
from clapometer.tables.records import check_output, finite, record_path, write_json, write_with_record
from clapometer.tables.table import Format, Row, Table, format_of
from clapometer.tables.writing import atomic_write, clear_names, write_rows

__all__ = [
    "DataFrame",
    "Format",
    "Records",
    "Row",
    "Table",
    "atomic_write",
    "check_output",
    "clear_names",
    "finite",
    "format_of",
    "read_table",
    "record_path",
    "table_in_memory",
    "write_json",
    "write_rows",
    "write_with_record",
]
