"""Writes the fixtures of tests/it/python.rs: the same rows by Python's json and by pyarrow. Run by hand: python write.py (pyarrow 26)."""

import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
EVERY_ESCAPE = "".join(map(chr, range(1, 0x20))) + "\x7f\"\\/\u0080\u00e9\u2028\u2029\ufeff\ufffd\U0001f600\U0010ffff"

rows = []
for i in range(400):
    rows.append(
        {
            "prompt": [{"role": "user", "content": f"question {i} {EVERY_ESCAPE if i % 100 == 0 else ''}"}],
            "answer": str(i),
            "flag": i % 3 == 0,
            "whole": [0, -1, 2**53 + 1, -(2**63), 2**63 - 1][i % 5],
            "real": [0.1, -1.5e300, 5e-324, 1 / 3, 123456.75][i % 5],
            "single": [0.1, -2.5, 1e-3, 3.25, 16777216.0][i % 5],
            "maybe": None if i % 2 else f"x{i}",
            "list": [j * 1.0 for j in range(i % 4)],
            "nested": {"a": {"b": [f"n{i}", None]}, "c": i},
        }
    )

message = pa.struct([("role", pa.string()), ("content", pa.string())])
schema = pa.schema(
    [
        ("prompt", pa.list_(message)),
        ("answer", pa.large_string()),
        ("flag", pa.bool_()),
        ("whole", pa.int64()),
        ("real", pa.float64()),
        ("single", pa.float32()),
        ("maybe", pa.dictionary(pa.int32(), pa.string())),
        ("list", pa.list_(pa.float64())),
        ("nested", pa.struct([("a", pa.struct([("b", pa.list_(pa.string()))])), ("c", pa.int32())])),
    ]
)
table = pa.Table.from_pylist(rows, schema=schema)
for compression in ["none", "snappy", "gzip", "zstd", "lz4"]:
    pq.write_table(table, HERE / f"rows.{compression}.parquet", compression=compression, row_group_size=150, data_page_size=4096)
pq.write_table(table, HERE / "rows.v2.parquet", compression="zstd", row_group_size=250, data_page_version="2.0", use_dictionary=False)
with open(HERE / "rows.ascii.jsonl", "w", encoding="ascii") as f:
    f.writelines(json.dumps(row) + "\n" for row in rows)
with open(HERE / "rows.utf8.jsonl", "w", encoding="utf-8", newline="\n") as f:
    f.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
