from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from triverse import ConfigurationError
from triverse.files import exclusive_rename
from triverse.files.exclusive_rename import rename_exclusively
from triverse.files.targets import Target


def download(to: Path | str, data: bytes = b"new", *, overwrite: bool = False, name: str = "server.glb") -> Path:
    target = Target(to, overwrite=overwrite)
    try:
        target.check()
        target.begin(name)
        target.write((data[:1], data[1:]))
        return target.publish()
    finally:
        target.discard()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_written_under_its_name(tmp_path: Path) -> None:
    assert download(tmp_path / "x.glb") == tmp_path / "x.glb"
    assert (tmp_path / "x.glb").read_bytes() == b"new"
    assert names(tmp_path) == ["x.glb"]


def test_in_a_directory_the_server_names_the_file(tmp_path: Path) -> None:
    assert download(f"{tmp_path}/") == tmp_path / "server.glb"
    assert names(tmp_path) == ["server.glb"]


@pytest.fixture
def umask() -> Generator[Callable[[int], None]]:
    before = os.umask(0o022)
    yield lambda mask: (os.umask(mask), None)[1]
    os.umask(before)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0o000])
def test_the_file_has_default_permissions_and_the_temporary_one_is_private(
    tmp_path: Path, umask: Callable[[int], None], mask: int
) -> None:
    umask(mask)
    target = Target(tmp_path / "x", overwrite=False)
    target.check()
    target.begin("")
    (part,) = tmp_path.iterdir()
    assert stat.S_IMODE(part.stat().st_mode) == 0o600
    target.write((b"x",))
    assert stat.S_IMODE(target.publish().stat().st_mode) == 0o666 & ~mask
    target.discard()


def test_a_file_that_begins_once_more_has_only_the_new_bytes(tmp_path: Path) -> None:
    target = Target(tmp_path, overwrite=False)
    target.check()
    target.begin("one.glb")
    target.write((b"a long first part",))
    target.begin("two.glb")
    target.write((b"second",))
    assert target.publish().read_bytes() == b"second"
    target.discard()
    assert names(tmp_path) == ["two.glb"]


def regular(path: Path) -> None:
    path.write_bytes(b"old")


def dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def link(path: Path) -> None:
    path.with_name("elsewhere").write_bytes(b"old")
    path.symlink_to(path.with_name("elsewhere"))


def directory_link(path: Path) -> None:
    path.with_name("directory").mkdir()
    path.symlink_to(path.with_name("directory"))


@pytest.mark.parametrize("plant", [regular, dangling, link, os.mkfifo])
@pytest.mark.parametrize("in_directory", [False, True])
def test_without_overwrite_an_existing_target_is_kept(
    tmp_path: Path,
    plant: Callable[[Path], object],
    in_directory: bool,  # noqa: FBT001 - a parameter
) -> None:
    plant(tmp_path / "server.glb")
    before = names(tmp_path)
    with pytest.raises(FileExistsError) as refused:
        download(tmp_path if in_directory else tmp_path / "server.glb")
    assert refused.value.filename == str(tmp_path / "server.glb")
    assert names(tmp_path) == before


@pytest.mark.parametrize("plant", [regular, dangling, link])
@pytest.mark.parametrize("in_directory", [False, True])
def test_with_overwrite_a_file_or_the_link_itself_is_replaced(
    tmp_path: Path,
    plant: Callable[[Path], object],
    in_directory: bool,  # noqa: FBT001 - a parameter
) -> None:
    path = tmp_path / "server.glb"
    plant(path)
    download(tmp_path if in_directory else path, overwrite=True)
    assert path.read_bytes() == b"new"
    assert not path.is_symlink()
    elsewhere = tmp_path / "elsewhere"
    assert not elsewhere.exists() or elsewhere.read_bytes() == b"old"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("in_directory", [False, True])
def test_with_overwrite_any_other_target_is_kept(tmp_path: Path, in_directory: bool) -> None:  # noqa: FBT001 - a parameter
    os.mkfifo(tmp_path / "server.glb")
    with pytest.raises(FileExistsError):
        download(tmp_path if in_directory else tmp_path / "server.glb", overwrite=True)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "server.glb").mkdir()
    with pytest.raises(FileExistsError):
        download(tmp_path / "sub", overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("plant", [regular, dangling, link, os.mkfifo, Path.mkdir])
def test_a_file_that_appears_meanwhile_is_found_at_the_end(
    tmp_path: Path,
    plant: Callable[[Path], object],
    overwrite: bool,  # noqa: FBT001 - a parameter
) -> None:
    path = tmp_path / "x.glb"
    target = Target(path, overwrite=overwrite)
    target.check()
    target.begin("")
    plant(path)
    if overwrite and plant in {regular, dangling, link}:
        target.publish()
        assert path.read_bytes() == b""
        assert not path.is_symlink()
    else:
        with pytest.raises(FileExistsError):
            target.publish()
    target.discard()
    assert not [name for name in names(tmp_path) if name.endswith(".part")]


@pytest.mark.parametrize("code", [None, errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_that_appears_in_the_last_moment_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    path, link_to = tmp_path / "x.glb", os.link

    def late(source: object, target: Path) -> None:
        path.write_bytes(b"old")
        if code is not None:
            raise OSError(code, "no hard links")
        link_to(str(source), target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(FileExistsError) as refused:
        download(path)
    assert refused.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x.glb"]


def test_without_hard_links_the_file_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(os, "link", refuse)
    download(tmp_path / "x.glb")
    assert names(tmp_path) == ["x.glb"]


def test_any_other_error_of_the_link_propagates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="broken"):
        download(tmp_path / "x.glb")
    assert names(tmp_path) == []


def not_available(*_: object) -> bool:
    return False


@pytest.mark.parametrize("available", [True, False])
def test_a_rename_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available: bool) -> None:  # noqa: FBT001 - a parameter
    if not available:
        monkeypatch.setattr(exclusive_rename, "renameat2", not_available)
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"a")
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        rename_exclusively(source, target)
    target.unlink()
    rename_exclusively(source, target)
    assert names(tmp_path) == ["b"]


def test_without_the_system_call_the_rename_returns_false(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        code = -1

        def renameat2(self, *_: object) -> int:
            return self.code

    def library(*_args: object, **_options: object) -> object:
        return libraries.pop()

    libraries = [Library(), object()]
    monkeypatch.setattr("ctypes.CDLL", library)
    assert not exclusive_rename.renameat2(b"a", b"b")
    monkeypatch.setattr("ctypes.get_errno", lambda: errno.EINVAL)
    assert not exclusive_rename.renameat2(b"a", b"b")


@pytest.mark.parametrize("plant", ["link", "fifo", "file"])
def test_an_existing_entry_at_the_temporary_name_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    planted = tmp_path / ".000000000000.part"
    if plant == "link":
        planted.symlink_to(victim)
    elif plant == "fifo":
        os.mkfifo(planted)
    else:
        planted.write_bytes(b"theirs")
    tokens = iter(["000000000000", "000000000001", "000000000000", "000000000002"])

    def token(_: int) -> str:
        return next(tokens, "000000000000")

    monkeypatch.setattr(secrets, "token_hex", token)
    download(tmp_path / "x.glb")
    assert victim.read_bytes() == b"precious"
    assert names(tmp_path) == [".000000000000.part", "victim", "x.glb"]
    with pytest.raises(FileExistsError, match="no free name"):
        download(tmp_path / "y.glb")
    assert names(tmp_path) == [".000000000000.part", "victim", "x.glb"]


def test_directories_are_not_created(tmp_path: Path) -> None:
    for to in (tmp_path / "missing" / "x.glb", f"{tmp_path}/missing/"):
        with pytest.raises(FileNotFoundError):
            download(to)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        download(tmp_path / "file" / "x.glb")
    assert names(tmp_path) == ["file"]


def test_a_name_that_is_too_long_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File name too long"):
        download(tmp_path / ("x" * 300))


@pytest.mark.parametrize("to", [None, 5, b"x", "", "a\x00b", ["x"]])
def test_a_target_that_is_no_path_is_refused(to: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^to "):
        Target(to, overwrite=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose


def test_a_relative_target_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    target = Target("x.glb", overwrite=False)
    target.check()
    monkeypatch.chdir(tmp_path / "sub")
    target.begin("")
    assert target.publish() == Path("x.glb")
    target.discard()
    assert names(tmp_path) == ["sub", "x.glb"]


@pytest.mark.parametrize(("to", "promise"), [("x.glb", True), ("x.GLB", True), ("x.png", False), ("glb", False)])
def test_the_suffix_glb_requires_a_glb(to: str, promise: bool) -> None:  # noqa: FBT001 - a parameter
    assert Target(to, overwrite=False).must_be_glb is promise


def test_a_directory_requires_no_type(tmp_path: Path) -> None:
    directory_link(tmp_path / "x.glb")
    target = Target(tmp_path / "x.glb", overwrite=False)
    target.check()
    assert not target.must_be_glb


def test_a_full_disk_propagates_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        download(tmp_path / "x.glb")
    assert names(tmp_path) == []


def test_bytes_that_the_system_does_not_take_at_once_are_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def some(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[:10])

    monkeypatch.setattr(os, "write", some)
    assert download(tmp_path / "x", b"0123456789" * 5).read_bytes() == b"0123456789" * 5
