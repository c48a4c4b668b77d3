"""Writes tests/golden/events.tfevents: what TensorBoard's own record writer and protobufs give for
three records with fixed times. `python events.py check FILE` prints what TensorBoard reads in FILE.

Needs tensorboard 2.x: python tests/golden/events.py
"""

import io
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def scalars(step, wall_time, values):
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values])
    return Event(wall_time=wall_time, step=step, summary=summary)


def write():
    records = [
        Event(wall_time=1700000000.25, file_version="brain.Event:2"),
        scalars(1, 1700000001.5, [("loss", 2.5), ("learning_rate", 3e-5)]),
        scalars(300, 1700000002.0, [("loss", float("nan")), ("tokens_per_second", 12345.678)]),
        scalars(0, 1700000003.0, [("zero", 0.0)]),
    ]
    out = io.BytesIO()
    writer = RecordWriter(out)
    for record in records:
        writer.write(record.SerializeToString())
    (Path(__file__).parent / "events.tfevents").write_bytes(out.getvalue())


def check(path):
    for event in LegacyEventFileLoader(path).Load():
        values = {value.tag: value.simple_value for value in event.summary.value}
        print(event.wall_time, event.step, event.file_version, values)


if __name__ == "__main__":
    check(sys.argv[2]) if sys.argv[1:2] == ["check"] else write()
