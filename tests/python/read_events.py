"""Reads the event files of a run directory with the real tensorboard package and prints what it sees as one JSON object.

Usage: python read_events.py RUN_DIR

    {"scalars": {tag: [[step, value, wall_time], ...]}, "texts": {tag: [[step, text], ...]}, "file_version": 2.0}

Values are what TensorBoard would show: after purges, files in its own order. Exits with 1 if a checksum or a message is wrong.
"""

import glob
import json
import os
import sys

from tensorboard.backend.event_processing import event_accumulator, event_file_loader
from tensorboard.util import tensor_util


def check_records(run_dir):
    """The loader stops quietly at a broken record, so the records it gives out must add up to the whole file."""
    for path in sorted(glob.glob(os.path.join(run_dir, "*tfevents*"))):
        framing = 16  # Two checksums of 4 bytes and a length of 8.
        read = sum(len(record) + framing for record in event_file_loader.RawEventFileLoader(path).Load())
        if read != os.path.getsize(path):
            sys.exit(f"{path}: {read} of {os.path.getsize(path)} bytes are good records")


def main(run_dir):
    check_records(run_dir)
    keep_all = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
    seen = event_accumulator.EventAccumulator(run_dir, size_guidance=keep_all)
    seen.Reload()
    tags = seen.Tags()
    scalars = {tag: [[e.step, e.value, e.wall_time] for e in seen.Scalars(tag)] for tag in tags["scalars"]}
    texts = {}
    for tag in tags["tensors"]:
        assert seen.SummaryMetadata(tag).plugin_data.plugin_name == "text", tag
        texts[tag] = [[e.step, tensor_util.make_ndarray(e.tensor_proto).item().decode()] for e in seen.Tensors(tag)]
    print(json.dumps({"scalars": scalars, "texts": texts, "file_version": seen.file_version}, sort_keys=True))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
