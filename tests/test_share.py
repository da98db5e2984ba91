"""An experiment travels as one file: whole and equal, without secrets and personal data, or not at all."""

from __future__ import annotations

import io
import json
import random
import types
import typing
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.exchange import sharing
from experiments.plan import Plan
from experiments.running.conduct import conduct, prepare
from headcount import main
from tests.trials import puzzle
from traces import home, journal
from traces.errors import InputError
from traces.home import ExperimentFolder, experiment_folder, list_experiments
from traces.journal import Journal
from traces.kernel import Event, Record, RunStarted
from traces.share import reading, writing
from traces.share.manifest import EVENTS, MANIFEST, Damaged, Manifest
from traces.store import Store
from traces.withheld import Withheld

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The home of an experiment with three teams, one of them from a file, and the file that it was exported to."""
    base = tmp_path_factory.mktemp("there")
    team = base / "pair ทีม.yaml"
    team.write_text("about: Two.\nshape: pipeline\nagent: {max_steps: 9}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(base / "runs"))
        plan = Plan("billing_support", ("solo", "market", str(team)), cases=1, trials=2, workers=1, on="here")
        folder = prepare(plan)
        conduct(folder)
        target, _ = sharing.export(folder.id, base / "shared.zip")
    return base / "runs", target


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def _only() -> ExperimentFolder:
    (folder,) = list_experiments()
    return folder


def _records(folder: ExperimentFolder) -> list[Record]:
    found = [record for path in folder.journals() for record, _ in journal.read(path)]
    return sorted(found, key=lambda record: (record.run, record.seq))


# --- the whole way -------------------------------------------------------------------------------------------------


def test_another_installation_shows_the_same(shared: tuple[Path, Path], run: Run) -> None:
    there, file = shared
    code, out, _ = run("import", file)
    assert code == 0
    assert "6 runs of billing_support" in out
    folder = _only()
    original = experiment_folder(folder.id, there)
    assert _records(folder) == _records(original)
    assert Store().runs(folder.id) == Store(there).runs(folder.id)
    assert Store().experiment(folder.id).state == "finished"
    query = "SELECT team, count(*) AS n, sum(input_tokens) AS tokens FROM runs GROUP BY team ORDER BY team"
    assert json.loads(run("sql", query, "--json")[1]) == Store(there).sql(query)
    for verb in (
        ("list", folder.id),
        ("replay", folder.id, 3),
        ("verdict", folder.id, "--json"),
        ("diff", folder.id, 0, 1, "--json"),
        ("search", folder.id, "--kind", "chat"),
    ):
        here = run(*verb)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HEADCOUNT_HOME", str(there))
            assert run(*verb)[:2] == here[:2], verb
        assert here[0] == 0


def test_runs_of_a_shipped_scenario_can_be_done_again_here(shared: tuple[Path, Path], run: Run) -> None:
    run("import", shared[1])
    code, out, err = run("verify", "latest")
    assert (code, err) == (0, "")
    assert out.startswith("6 of 6 runs give the same events again")
    code, out, _ = run("fork", "latest", 0, "--at", 3, "--json")
    assert code == 0
    code, out, _ = run("report", _oldest(), "--into", home.home() / "report.html")
    assert code == 0


def _oldest() -> str:
    return list_experiments()[-1].id


def test_what_was_stopped_there_can_be_gone_on_with_here(shared: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    there = experiment_folder(_id(shared), shared[0])
    cut = ExperimentFolder(tmp_path / "cut" / "experiments" / there.id).create()
    lines = there.journals()[0].read_bytes().splitlines(keepends=True)
    cut.journal_file().write_bytes(b"".join(lines[: len(lines) // 2]))
    cut.write_plan(there.read_plan())
    status = there.read_status()
    assert status is not None
    cut.write_status(msgspec.structs.replace(status, state="stopped", done=3))
    teams = cut.path / "teams"
    teams.mkdir()
    (teams / "pair ทีม.yaml").write_bytes((there.path / "teams" / "pair ทีม.yaml").read_bytes())
    file = tmp_path / "stopped.zip"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(tmp_path / "cut"))
        sharing.export(there.id, file)
    run("import", file)
    assert Store().experiment(there.id).state == "stopped"
    code, _, _ = run("resume", there.id, "--json")
    assert code == 0
    assert _without_wall(_records(_only())) == _without_wall(_records(there))


def _id(shared: tuple[Path, Path]) -> str:
    return list_experiments(shared[0])[0].id


def _without_wall(records: list[Record]) -> list[Record]:
    return [msgspec.structs.replace(record, wall=0.0) for record in records]


def test_without_its_scenario_it_can_be_looked_at_and_with_it_done_again(tmp_path: Path, run: Run) -> None:
    scenario = puzzle(tmp_path / "puzzle")
    there = tmp_path / "there"
    file = tmp_path / "puzzle.zip"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(there))
        conduct(prepare(Plan(str(scenario), ("solo", "pipeline"), trials=2, workers=1, on="here")))
        sharing.export("latest", file)
    assert str(tmp_path) not in _everything(file)
    (tmp_path / "moved").mkdir()
    moved = scenario.rename(tmp_path / "moved" / "puzzle")
    code, out, _ = run("import", file)
    assert code == 0
    assert "cannot be done again" in out
    assert run("verdict", "latest")[0] == 0
    code, _, err = run("verify", "latest")
    assert code == 2
    assert "its scenario 'puzzle' is not here" in err
    code, out, _ = run("import", file, "--scenario", moved)
    assert code == 0
    assert "its scenario is" in out
    assert run("verify", "latest")[0] == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(tmp_path / "again"))
        assert run("import", file, "--scenario", moved)[0] == 0
        assert run("verify", "latest")[0] == 0
        (moved / "scenario.yaml").write_text((moved / "scenario.yaml").read_text() + "# changed\n")
        patch.setenv("HEADCOUNT_HOME", str(tmp_path / "third"))
        code, _, err = run("import", file, "--scenario", moved)
    assert code == 2
    assert "is not the scenario that was run" in err


def test_twice_is_told_and_a_name_that_is_taken_is_solved(shared: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    there, file = shared
    run("import", file)
    code, out, _ = run("import", file)
    assert (code, len(list_experiments())) == (0, 1)
    assert "here already" in out
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(there))
        assert "here already" in run("import", file)[1]
    other = ExperimentFolder(tmp_path / "else" / "experiments" / _id(shared)).create()
    with Journal(other.journal_file()) as log:
        for record in _records(_only())[:5]:
            log.append(record)
    other.write_plan({**_only().read_plan(), "created": 1.0, "imported": None})
    other.status_file.write_bytes(_only().status_file.read_bytes())
    second = tmp_path / "other.zip"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(tmp_path / "else"))
        sharing.export("latest", second)
    code, out, _ = run("import", second)
    assert code == 0
    assert {folder.id for folder in list_experiments()} == {_id(shared), f"{_id(shared)}.2"}
    assert "another experiment has that name" in out


def test_what_lost_its_worker_there_is_so_here_too(shared: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    run("import", shared[1])
    status = _only().read_status()
    assert status is not None
    _only().write_status(msgspec.structs.replace(status, state="running", pid=2**22 + 1, done=2))
    sharing.export("latest", tmp_path / "lost.zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(tmp_path / "elsewhere"))
        run("import", tmp_path / "lost.zip")
        (row,) = Store().experiments()
        assert (row.state, row.done) == ("interrupted", row.total)  # what is recorded counts, not the last heartbeat


def test_what_was_taken_out_is_said_where_runs_differ(shared: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADCOUNT_HOME", str(shared[0]))
        sharing.export("latest", tmp_path / "hidden.zip", hide=["invoice", "credit"])
    run("import", tmp_path / "hidden.zip")
    code, out, err = run("verify", "latest", 0)
    assert code == 1
    assert "differs at step" in out
    assert "something was taken out before it came here" in err


def test_one_that_runs_is_not_exported(shared: tuple[Path, Path], run: Run) -> None:
    run("import", shared[1])
    _only().status_file.unlink()
    code, _, err = run("export", "latest")
    assert code == 2
    assert "is running" in err


# --- what stays here -----------------------------------------------------------------------------------------------


def test_marked_personal_data_and_secrets_are_not_in_the_file(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = puzzle(tmp_path / "puzzle")
    (scenario / "world.sql").write_text(
        "CREATE TABLE people (name TEXT, age INTEGER);\nINSERT INTO people VALUES ('Mara Quill', 41);"
    )
    text = (scenario / "scenario.yaml").read_text()
    (scenario / "scenario.yaml").write_text(
        text + "database: world.sql\npersonal: {columns: [people.name], patterns: [email, 'K-\\d+']}\n"
    )
    case = scenario / "cases" / "case_0.yaml"
    request = "I am Mara Quill of Tern Lane (mq@mail.example, K-123, topsecret-0123). What is it?"
    case.write_text(case.read_text().replace("What is it?", f'"{request}"') + "personal: [Tern Lane]\n")
    monkeypatch.setenv("OUR_SERVICE_KEY", "topsecret-0123")
    conduct(prepare(Plan(str(scenario), ("solo",), trials=1, workers=1, on="here")))
    file = tmp_path / "out.zip"
    code, out, _ = run("export", "latest", file, "--hide", "What is it")
    assert code == 0
    assert ": 0 secrets" not in out
    assert ", 0 places" not in out
    whole = _everything(file)
    for text in ("Mara", "Quill", "Tern", "mq@", "K-123", "topsecret", "What is it", str(tmp_path)):
        assert text not in whole, text
    assert "[people.name #1]" in whole
    assert "personal.json" not in whole
    (scenario / "world.sql").unlink()  # what was marked when it began is known, whatever became of the scenario
    assert run("export", "latest", tmp_path / "again.zip")[0] == 0
    assert "Quill" not in _everything(tmp_path / "again.zip")
    monkeypatch.setenv("HEADCOUNT_HOME", str(tmp_path / "elsewhere"))
    assert run("import", file)[0] == 0
    assert run("replay", "latest", 0)[0] == 0


def test_a_column_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    scenario = puzzle(tmp_path / "puzzle")
    (scenario / "world.sql").write_text("CREATE TABLE people (name TEXT);")
    text = (scenario / "scenario.yaml").read_text()
    (scenario / "scenario.yaml").write_text(text + "database: world.sql\npersonal: {columns: [people.nmae]}\n")
    with pytest.raises(InputError, match=r"personal\.columns: there is no column people\.nmae"):
        prepare(Plan(str(scenario), ("solo",), trials=1, workers=1, on="here"))


def _everything(file: Path) -> str:
    """All text in a shared file, tables unpacked."""
    import pyarrow.parquet as pq

    found = [file.name]
    with zipfile.ZipFile(file) as opened:
        for name in opened.namelist():
            content = opened.read(name)
            found.append(name)
            table = name.endswith(".parquet")
            found.append(str(pq.read_table(io.BytesIO(content)).to_pylist()) if table else content.decode())
    return "\n".join(found)


# --- files that are not as they were written ------------------------------------------------------------------------


def _rewritten(file: Path, target: Path, change: Callable[[dict[str, bytes]], None], **options: Any) -> Path:
    with zipfile.ZipFile(file) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w", **options) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return target


def _manifest(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[MANIFEST] = json.dumps({**json.loads(members[MANIFEST]), **changes}).encode()

    return change


def _swap(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[name] = members[name].replace(old, new)

    return change


def _add(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[name] = b"shape: solo"
        data = json.loads(members[MANIFEST])
        data["members"][name] = {"bytes": 11, "sha256": "0" * 64}
        members[MANIFEST] = json.dumps(data).encode()

    return change


def _resealed(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Callable[[dict[str, bytes]], None]:
    """Other rows in the table, with a manifest that fits them: what only a look at the events finds."""

    def apply(members: dict[str, bytes]) -> None:
        import hashlib

        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(members[EVENTS]))
        rows = change(table.to_pylist())
        buffer = io.BytesIO()
        pq.write_table(
            pa.Table.from_pylist(rows, schema=table.schema), buffer, use_dictionary=["type"], compression="zstd"
        )
        members[EVENTS] = buffer.getvalue()
        data = json.loads(members[MANIFEST])
        text = sum(len(row["event"].encode()) for row in rows)
        sha = hashlib.sha256(members[EVENTS]).hexdigest()
        data["members"][EVENTS] = {"bytes": len(members[EVENTS]), "sha256": sha, "rows": len(rows), "text": text}
        members[MANIFEST] = json.dumps(data).encode()

    return apply


def _with(rows: list[dict[str, Any]], number: int, **changes: Any) -> list[dict[str, Any]]:
    rows[number] = {**rows[number], **changes}
    return rows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_manifest(version=99), "newer Headcount"),
        (_manifest(format="tarball"), "another format"),
        (_manifest(experiment="../../etc"), "cannot be one"),
        (_manifest(members={}), "its members are not those"),
        (_swap("plan.json", b"billing", b"killing"), "SHA-256"),
        (_swap(MANIFEST, b'"runs"', b'"rums"'), "runs"),
        (lambda members: members.pop(EVENTS), "its members are not those"),
        (lambda members: members.pop(MANIFEST), "no manifest.json"),
        (_add("../../evil.yaml"), "does not belong there"),
        (_add("teams/../../evil.yaml"), "does not belong there"),
        (_add("/etc/evil.yaml"), "does not belong there"),
        (_add("teams/evil.py"), "does not belong there"),
        (_resealed(lambda rows: rows[:3] + rows[4:]), "event 3 of run 0 is missing"),
        (_resealed(lambda rows: rows[1:]), "does not begin with its start"),
        (_resealed(lambda rows: _with(rows, 4, event='{"type":"telepathy"}')), "cannot be read by this version"),
        (_resealed(lambda rows: _with(rows, 4, event="{}\n{}")), "cannot be read by this version"),
        (_resealed(lambda rows: _with(rows, 4, t=float("nan"))), "without a place or a time"),
        (_resealed(lambda rows: [*rows, *rows]), "out of order"),
    ],
)
def test_a_file_that_was_changed_is_refused_whole(
    shared: tuple[Path, Path], tmp_path: Path, change: Callable[[dict[str, bytes]], None], said: str, run: Run
) -> None:
    bad = _rewritten(shared[1], tmp_path / "bad.zip", change)
    code, out, err = run("import", bad)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err
    _nothing_left(tmp_path)


def _nothing_left(tmp_path: Path) -> None:
    assert list_experiments() == []
    assert not list((tmp_path / "runs").glob(".import-*"))
    assert not list(tmp_path.rglob("evil*"))


def test_a_file_that_is_cut_off_or_garbled_anywhere_is_refused(shared: tuple[Path, Path], tmp_path: Path) -> None:
    whole = shared[1].read_bytes()
    dice = random.Random(5)
    bad = tmp_path / "bad.zip"
    for number in range(60):
        place = dice.randrange(len(whole))
        other = bytes([whole[place] ^ dice.randrange(1, 256)])
        bad.write_bytes(whole[:place] if number % 2 else whole[:place] + other + whole[place + 1 :])
        try:
            found = sharing.bring_in(bad)
        except Damaged:
            _nothing_left(tmp_path)
        else:  # in a byte of the zip that nothing depends on, such as a date
            (folder,) = list_experiments()
            assert found.id == folder.id
            assert _records(folder) == _records(experiment_folder(folder.id, shared[0]))
            import shutil

            shutil.rmtree(folder.path)


def test_a_bomb_is_refused_before_it_unpacks(shared: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    packed = _rewritten(shared[1], tmp_path / "a.zip", lambda members: None, compression=zipfile.ZIP_DEFLATED)
    assert "compressed or encrypted" in run("import", packed)[2]

    def bomb(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        note = {"type": "note", "agent": "a", "kind": "k", "text": "0" * 1_000_000}
        return [rows[0], *({**rows[1], "seq": n + 1, "event": json.dumps(note)} for n in range(30))]

    bomb_file = _rewritten(shared[1], tmp_path / "b.zip", _resealed(bomb))
    assert bomb_file.stat().st_size < 100_000
    assert "no room, or it is no trace" in run("import", bomb_file)[2]

    def liar(members: dict[str, bytes]) -> None:
        _resealed(bomb)(members)
        data = json.loads(members[MANIFEST])
        data["members"][EVENTS]["text"] = 10_000
        members[MANIFEST] = json.dumps(data).encode()

    assert "holds more than" in run("import", _rewritten(shared[1], tmp_path / "c.zip", liar))[2]
    _nothing_left(tmp_path)


def test_names_in_a_file_load_no_code_and_lead_to_no_server(shared: tuple[Path, Path], tmp_path: Path) -> None:
    code = b"shape: os:abort\n"

    def evil(members: dict[str, bytes]) -> None:
        import hashlib

        plan = json.loads(members["plan.json"])
        plan["plan"] |= {"teams": ["os:abort", "teams/pair ทีม.yaml", "/etc/passwd.yaml"], "engines": ["os:abort"]}
        plan["plan"] |= {"scenario": "../../tmp", "api_base": "http://evil.example", "on": "ray://evil.example:1"}
        members["plan.json"], members["teams/pair ทีม.yaml"] = json.dumps(plan).encode(), code
        data = json.loads(members[MANIFEST])
        for name in ("plan.json", "teams/pair ทีม.yaml"):
            sha = hashlib.sha256(members[name]).hexdigest()
            data["members"][name] = {"bytes": len(members[name]), "sha256": sha}
        data["scenario"] = "../../tmp"
        members[MANIFEST] = json.dumps(data).encode()

    found = sharing.bring_in(_rewritten(shared[1], tmp_path / "evil.zip", evil))
    folder = _only()
    plan = folder.read_plan()["plan"]
    assert not (folder.path / "teams" / "pair ทีม.yaml").exists()
    assert not found.scenario_here
    text = json.dumps(plan)
    assert "os:abort" not in text
    assert "evil" not in text
    assert "/" not in text
    assert Store().count_runs(folder.id) == 6


def test_a_file_that_is_none_is_told(tmp_path: Path, run: Run) -> None:
    (tmp_path / "notes.zip").write_text("hello")
    assert "is no shared experiment" in run("import", tmp_path / "notes.zip")[2]
    assert "No such file" in run("import", tmp_path / "nothing.zip")[2]
    code, _, err = run("export", "latest", tmp_path / "no" / "folder.zip")
    assert code == 2
    assert err.startswith("headcount: ")


def test_home_takes_a_file(shared: tuple[Path, Path]) -> None:
    from streamlit.testing.v1 import AppTest

    def script() -> None:
        from ui import home

        home.page()

    page = AppTest.from_function(script, default_timeout=60).run()
    page.file_uploader(key="shared_file").set_value(("shared.zip", shared[1].read_bytes(), "application/zip")).run()
    assert not page.exception
    assert "6 runs of" in page.success[0].value
    page.file_uploader(key="shared_file").set_value(("shared.zip", b"hello", "application/zip")).run()
    assert "is no shared experiment" in page.error[0].value.replace("\\", "")
    assert len(list_experiments()) == 1


# --- any events at all ----------------------------------------------------------------------------------------------


def _any(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type as the kernel writes them."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        hints = typing.get_type_hints(hint, include_extras=True)
        fields = {name: _any(hints[name]) for name in hint.__struct_fields__}
        return st.fixed_dictionaries(fields).map(lambda values: hint(**values))
    if origin is typing.Annotated:
        return st.integers(args[1].ge, args[1].le)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(_any, args))
    if origin is typing.Literal:
        return st.sampled_from(args)
    if origin is tuple:
        return st.lists(_any(args[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(_TEXT, _TEXT if args[1] is str else _JSON, max_size=3)
    return _PLAIN[hint]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_INT = st.integers(-(2**53), 2**53)
_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXT, int: _INT, float: _FLOAT, bool: st.booleans(), type(None): st.none(),
}  # fmt: skip
_JSON = st.recursive(st.none() | st.booleans() | _INT | _FLOAT | _TEXT, lambda inner: st.lists(inner, max_size=2))
_EVENTS = st.lists(_any(Event), max_size=4)
_RUNS = st.lists(st.tuples(_any(RunStarted), _EVENTS), min_size=1, max_size=3)


@settings(max_examples=60)
@given(_RUNS, _FLOAT, st.floats(0, 4e9).map(lambda wall: round(wall, 6)))
def test_whatever_was_recorded_comes_out_equal(runs: list[Any], t: float, wall: float) -> None:
    import tempfile

    records = [
        Record(run, seq, t, wall, event)
        for run, (start, events) in enumerate(runs)
        for seq, event in enumerate([start, *events])
    ]
    with tempfile.TemporaryDirectory() as scratch:
        folder = ExperimentFolder(Path(scratch) / "x").create()
        with Journal(folder.journal_file()) as log:
            for record in records:
                log.append(record)
        out = Withheld()
        writing.write(Path(scratch, "x.zip"), folder, {"scenario": "s"}, out)
        if out.secrets:  # what looks like a key by chance
            return
        with reading.opened(Path(scratch, "x.zip")) as opened:
            opened.write_journal(EVENTS, Path(scratch, "journal-0.jsonl"))
        assert [record for record, _ in journal.read(Path(scratch, "journal-0.jsonl"))] == records


def test_the_manifest_can_be_read_without_us(shared: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(shared[1]) as opened:
        manifest = msgspec.json.decode(opened.read(MANIFEST), type=Manifest)
        assert manifest.runs == 6
        assert set(opened.namelist()) == {MANIFEST, *manifest.members}
