"""Only regular files of a bounded size are opened."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ctdiffusion.core.regularfile import check_regular, open_regular, read_regular


def test_a_regular_file_is_read_whole_also_through_a_link(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "file").write_bytes(content)
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "file", len(content)) == content
    assert read_regular(tmp_path / "link", len(content)) == content
    with open_regular(str(tmp_path / "file")) as file:
        assert file.read(3) == content[:3]


def test_larger_files_are_refused_by_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(11))
    with pytest.raises(ValueError, match=r"file: 11 bytes, more than the 10 allowed"):
        read_regular(tmp_path / "file", 10)
    check_regular(tmp_path / "file", 11)


def test_a_file_whose_size_is_not_told_is_bounded() -> None:
    """Files of /proc have size 0, whatever they hold."""
    if not Path("/proc/self/maps").exists():
        pytest.skip("no /proc")
    with pytest.raises(ValueError, match="more than the 10 bytes allowed"):
        read_regular("/proc/self/maps", 10)


@pytest.mark.skipif(os.name != "posix", reason="special files of POSIX")
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as there:
        there.bind("socket")
        for path, kind in [
            (tmp_path, "a folder"),
            (tmp_path / "pipe", "a pipe"),
            (tmp_path / "socket", "a socket"),
            (Path("/dev/zero"), "a device file"),
            (Path("/dev/null"), "a device file"),
        ]:
            with pytest.raises(ValueError, match=f"{path.name}: {kind}, not a regular file"):
                read_regular(path, 1000)


def test_missing_files_and_impossible_names(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing")
    (tmp_path / "dangling").symlink_to("nothing")
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "dangling")
    for name in ("a\0b", "a\ud8ffb"):
        with pytest.raises(ValueError, match="no file can have this name"):
            open_regular(name)
    with pytest.raises(ValueError, match="too long"):
        open_regular(tmp_path / ("x" * 5000))
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(ValueError, match="circles"):
        open_regular(tmp_path / "round")
