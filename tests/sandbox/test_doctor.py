"""The doctor's report, in words and as JSON, and the cgroup layer's reasons."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sv_sandbox import Layer, Level, Pool, cgroup, doctor
from sv_sandbox.levels import PURPOSE


def test_report_says_what_pools_get(pool: Pool, nothing_left: None) -> None:
    report = doctor.report()
    assert report.error == ""
    assert report.level == pool.level.name.lower()
    assert report.python
    assert report.cores == len(os.sched_getaffinity(0))
    active = {layer.name for layer in report.layers if layer.active}
    assert active - {"cgroup-v2"} == {
        (layer.name or "").lower().replace("_", "-") for layer in Layer if layer in pool.layers
    }
    assert all(layer.active or layer.reason for layer in report.layers)
    assert all(layer.purpose for layer in report.layers)


def test_report_as_json_and_text() -> None:
    report = doctor.report(Level.CONFINED)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["level"] == "confined"
    off = [layer for layer in data["layers"] if not layer["active"]]
    assert {"pid-namespace", "mount-namespace"} <= {layer["name"] for layer in off}
    text = report.text()
    assert text.startswith("level: confined")
    for layer in data["layers"]:
        assert layer["name"] in text
        assert layer["purpose"] in text
        assert layer["reason"] in text
    assert "not asked for at this level" in text


def test_every_layer_has_a_purpose() -> None:
    assert set(PURPOSE) == set(Layer)


def test_a_sandbox_that_does_not_start_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    from sv_sandbox import SandboxError

    class Broken:
        def __init__(self, *_: object, **__: object):
            raise SandboxError("no template could be started: seccomp: on purpose")

    monkeypatch.setattr(doctor, "Pool", Broken)
    report = doctor.report()
    assert report.level == "none"
    assert "on purpose" in report.text()
    assert not any(layer.active for layer in report.layers)


@pytest.fixture
def delegated(tmp_path: Path) -> Path:
    """A folder that looks like a cgroup which delegates memory and pids."""
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids\n")
    return tmp_path


def test_cgroup_is_made_bounded_and_removed(
    delegated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = cgroup.create(1 << 30, 100, parent=delegated)
    assert group.reason == ""
    assert group.path is not None
    assert group.path.parent == delegated
    assert (group.path / "memory.max").read_text() == str(1 << 30)
    assert (group.path / "pids.max").read_text() == "100"
    assert group.file == str(group.path / "cgroup.procs")
    for file in group.path.iterdir():
        file.unlink()  # as in a real cgroup, where rmdir does not mind them
    group.remove()
    assert not group.path.exists()
    group.remove()


def test_two_cgroups_do_not_share_a_name(delegated: Path) -> None:
    one, two = cgroup.create(1, 1, parent=delegated), cgroup.create(1, 1, parent=delegated)
    assert one.path != two.path


@pytest.mark.parametrize(
    ("given", "missing"), [("", "memory and pids"), ("pids", "memory"), ("memory cpu", "pids")]
)
def test_cgroup_says_what_is_not_delegated(tmp_path: Path, given: str, missing: str) -> None:
    (tmp_path / "cgroup.subtree_control").write_text(given)
    group = cgroup.create(1, 1, parent=tmp_path)
    assert group.path is None
    assert f"does not delegate {missing};" in group.reason
    assert group.file == ""
    group.remove()
    assert [p.name for p in tmp_path.iterdir()] == ["cgroup.subtree_control"]


def test_cgroup_that_cannot_be_made_leaves_nothing(
    delegated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_text

    def refuse(self: Path, text: str) -> int:
        if self.name == "memory.max":
            raise PermissionError(13, "on purpose")
        return real(self, text)

    monkeypatch.setattr(Path, "write_text", refuse)
    group = cgroup.create(1, 1, parent=delegated)
    assert group.path is None
    assert "on purpose" in group.reason
    assert [p.name for p in delegated.iterdir()] == ["cgroup.subtree_control"]


def test_own_group(tmp_path: Path) -> None:
    proc, mounts = tmp_path / "cgroup", tmp_path / "mounts"
    proc.write_text("9:name=systemd:/\n0::/user.slice/me\n")
    mounts.write_text("proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    assert cgroup.own_group(proc, mounts) == Path("/sys/fs/cgroup/user.slice/me")
    mounts.write_text("cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n")
    with pytest.raises(LookupError, match="no cgroup v2"):
        cgroup.own_group(proc, mounts)
    with pytest.raises(LookupError, match="no cgroup v2"):
        cgroup.own_group(tmp_path / "absent", mounts)
