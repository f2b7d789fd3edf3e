"""The demo empties its own folder and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from computor_fastapi_host.demo.folder import MARK, SETTINGS, taken

from computor_core.errors import UsageError


def test_a_new_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    with taken(folder):
        assert [item.name for item in folder.iterdir()] == [SETTINGS]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_earlier_demo_is_removed_and_nothing_that_it_links_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    folder = tmp_path / "demo"
    with taken(folder):
        (folder / "data" / "deep").mkdir(parents=True)
        (folder / "data" / "deep" / "file").write_text("x")
        (folder / "host.log").write_text("x")
        (folder / "link").symlink_to(outside)
    with taken(folder):
        assert [item.name for item in folder.iterdir()] == [SETTINGS]
        assert (folder / SETTINGS).read_text() == MARK
    assert (outside / "kept").exists()


@pytest.mark.parametrize("name", ["thesis.tex", SETTINGS])
def test_a_folder_with_anything_else_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine\n")
    (tmp_path / "data").mkdir()
    with pytest.raises(UsageError, match="wasn't made by the demo"), taken(tmp_path):
        pytest.fail("the folder was taken")
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted(["data", name])
    assert (tmp_path / name).read_text() == "mine\n"


def test_a_running_demo_keeps_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with taken(folder):
        (folder / "data").mkdir()
        with pytest.raises(UsageError, match="another demo"), taken(folder):
            pytest.fail("the folder was taken twice")
        assert (folder / "data").is_dir()


def test_a_link_to_an_empty_folder_is_that_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for _ in range(2):
        with taken(tmp_path / "link"):
            assert (tmp_path / "real" / SETTINGS).is_file()
