"""Steps one after another: files, hashes, failures, listeners."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from qreg.catalogue import Catalogue, Entry
from qreg.errors import QregError
from qreg.run import (
    Context,
    Events,
    Folder,
    Model,
    Outcome,
    plain,
    run_folder,
    run_pipeline,
    to_json,
)
from qreg.specs import StepSpec
from qreg.structure import Use


@frozen(kw_only=True)
class Note:
    text: str = ""
    fail: str = ""


def note(context: Context, params: Note) -> Outcome:
    context.folder.write("note.txt", params.text)
    context.progress(1, 1, "note")
    earlier = context.result("note")
    return Outcome(record={"text": params.text, "earlier": earlier}, failed=params.fail)


def step(**facts: Any) -> Use[StepSpec]:
    spec = StepSpec(name="note", params=f"{__name__}:Note", run=f"{__name__}:note")
    return Use(Entry("t", "qreg-t", "1.0", "t", spec), Note(**facts))


def context(folder: Path, *listeners: Any) -> Context:
    events = Events(list(listeners))
    return Context(
        catalogue=Catalogue(), loaded=Model(None), name="m", source="m.onnx",  # type: ignore[arg-type]
        folder=Folder(folder, events), events=events,
    )  # fmt: skip


def test_every_step_has_a_folder_and_sees_what_came_before(tmp_path: Path) -> None:
    done = run_pipeline((step(text="a"), step(text="b")), context(tmp_path), {"pipeline": "p.toml"})

    assert (tmp_path / "1-note" / "note.txt").read_text() == "a"
    assert done[1][1].record == {"text": "b", "earlier": {"text": "a", "earlier": None}}
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["status"] == "complete"
    assert [s["use"] for s in record["steps"]] == ["t/note", "t/note"]
    assert set(record["files"]) == {
        "1-note/note.txt", "1-note/note.json", "2-note/note.txt", "2-note/note.json",
    }  # fmt: skip


def test_a_second_run_of_the_same_is_byte_identical(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run_pipeline((step(text="a"),), context(tmp_path / name), {})

    def files(name: str) -> dict[str, bytes]:
        root = tmp_path / name
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    assert files("one") == files("two")


def test_a_failed_check_stops_the_run_and_is_recorded(tmp_path: Path) -> None:
    done = run_pipeline((step(fail="does not hold"), step()), context(tmp_path), {})

    assert [o.failed for _, o in done] == ["does not hold"]
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"


def test_an_interrupted_write_leaves_no_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path, Events([]))

    with pytest.raises(ZeroDivisionError), folder.writing("half.txt") as partial:
        partial.write_text("half")
        raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(QregError, match=r"x.txt: cannot be written: No space left on device"):
        Folder(tmp_path, Events([])).write("x.txt", "text")
    assert list(tmp_path.iterdir()) == []


def finished_run(path: Path, text: str = "a") -> None:
    with run_folder(path, Events([])) as folder:
        run_pipeline((step(text=text),), context(folder.path), {})


def test_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    finished_run(tmp_path / "run", "old")
    finished_run(tmp_path / "run", "new")

    assert (tmp_path / "run" / "1-note" / "note.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_run_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    finished_run(tmp_path / "run", "old")

    with pytest.raises(ZeroDivisionError), run_folder(tmp_path / "run", Events([])) as folder:
        folder.write("half.txt", "half")
        raise ZeroDivisionError

    assert (tmp_path / "run" / "1-note" / "note.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("record", [None, '{"experiment": 7}', '{"files": {}}', "[1"])
def test_files_that_no_run_made_are_never_deleted(tmp_path: Path, record: str | None) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("precious")
    if record is not None:
        (tmp_path / "work" / "run.json").write_text(record)

    with pytest.raises(QregError, match="which no run of qreg made; name another folder"):
        finished_run(tmp_path / "work")

    assert (tmp_path / "work" / "thesis.txt").read_text() == "precious"


def test_a_file_added_to_a_run_is_not_deleted_either(tmp_path: Path) -> None:
    finished_run(tmp_path / "run")
    (tmp_path / "run" / "1-note" / "mine.txt").write_text("precious")

    with pytest.raises(QregError, match=r"holds '1-note/mine.txt', which no run of qreg made"):
        finished_run(tmp_path / "run")


def test_a_file_that_was_edited_is_not_overwritten(tmp_path: Path) -> None:
    finished_run(tmp_path / "run")
    (tmp_path / "run" / "1-note" / "note.txt").write_text("edited by hand")

    with pytest.raises(QregError, match=r"'1-note/note.txt' was changed since the run; move it"):
        finished_run(tmp_path / "run")
    assert (tmp_path / "run" / "1-note" / "note.txt").read_text() == "edited by hand"


def test_the_current_folder_is_no_place_for_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(QregError, match="is the folder you are in"):
        finished_run(Path())


def test_listeners_hear_every_event_and_one_that_fails_is_reported_not_raised(
    tmp_path: Path,
) -> None:
    class Heard:
        events: list[str] = []  # noqa: RUF012  one test, one list

        def qreg_step_started(self, step: str, index: int, total: int) -> None:
            self.events.append(f"{index}/{total} {step}")

        def qreg_progress(self, what: str, done: int) -> None:
            self.events.append(f"{what} {done}")

        def qreg_artifact_written(self, path: str) -> None:
            self.events.append(Path(path).name)

    class Rude:
        def qreg_step_started(self) -> None:
            raise SystemExit("enough")

    class Odd:
        qreg_step_started = 3

    inner = context(tmp_path, Rude(), Odd(), Heard())
    run_pipeline((step(text="a"),), inner, {})

    assert Heard.events == ["1/1 t/note", "note.txt", "note 1", "note.json", "run.json"]
    assert inner.events.failures == [
        "listener Rude failed at qreg_step_started: SystemExit: enough",
        "listener Odd failed at qreg_step_started: TypeError: 3 is not a callable object",
    ]


@frozen
class Record:
    count: int
    ratio: float
    files: tuple[Path, ...]
    hidden: object = field(default=None, metadata={"json": False})


def test_records_become_json_with_integers_kept_and_paths_as_names() -> None:
    record = Record(12_501_632, 0.5, (Path("/somewhere/model.c"),), hidden=object())

    assert plain(record) == {"count": 12_501_632, "ratio": 0.5, "files": ["model.c"]}
    assert json.loads(to_json(record))["count"] == 12_501_632
