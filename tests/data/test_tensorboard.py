import struct

import pytest

from phix.data import JsonLines, TensorBoard


def events(directory):
    """(step, name, value) of every scalar in the event files, by their framing: length,
    checksum, protocol buffer, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found, purged = [], []
    for file in sorted(directory.iterdir(), key=lambda f: f.stat().st_mtime_ns):
        data, place = file.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            event = Event.FromString(data[place + 12 : place + 12 + length])
            place += length + 16
            if event.session_log.status == event.session_log.START:
                purged.append(event.step)
            found += [(event.step, v.tag, v.simple_value) for v in event.summary.value]
    return found, purged


def check_mirrored(log, directory):
    scalars = [
        (record["step"], name, value)
        for record in log.read()
        for name, value in record.items()
        if name != "step"
    ]
    assert events(directory)[0] == scalars


def test_every_scalar_is_written_twice(tmp_path):
    lines = JsonLines(tmp_path / "log.jsonl")
    log = TensorBoard(lines, tmp_path / "events")
    for step in range(1, 4):
        log.write({"step": step, "loss": 0.5**step, "eval/error": float(step)})
    log.close()
    check_mirrored(log, tmp_path / "events")

    with JsonLines(tmp_path / "log.jsonl") as again:
        again.write({"step": 4, "loss": 0.0})
    with pytest.raises(AssertionError):
        check_mirrored(log, tmp_path / "events")


def test_a_resumed_run_hides_what_lay_beyond(tmp_path):
    log = TensorBoard(JsonLines(tmp_path / "log.jsonl"), tmp_path / "events")
    for step in (1, 2, 3):
        log.write({"step": step, "loss": 1.0})
    log.rewind(2)
    log.close()
    with JsonLines(tmp_path / "log.jsonl") as lines:
        assert [r["step"] for r in lines.read()] == [1, 2]
    assert events(tmp_path / "events")[1] == [3]
