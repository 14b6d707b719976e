"""The zone of the machine, by its name."""

from pathlib import Path

import pytest

from taskdashd.process import zone

DATABASE = "/usr/share/zoneinfo"


@pytest.mark.parametrize(
    ("given", "localtime", "timezone", "name"),
    [
        ("", f"{DATABASE}/Europe/Berlin", "", "Europe/Berlin"),
        ("", "../usr/share/zoneinfo/Etc/UTC", "Asia/Shanghai", "Etc/UTC"),
        ("", "", "Asia/Shanghai\n", "Asia/Shanghai"),
        ("Asia/Kolkata", f"{DATABASE}/Europe/Berlin", "", "Asia/Kolkata"),
        (":Asia/Kolkata", "", "", "Asia/Kolkata"),
        (f":{DATABASE}/Asia/Kolkata", "", "", "Asia/Kolkata"),
        ("CET-1CEST", f"{DATABASE}/Europe/Berlin", "", "Europe/Berlin"),
        ("../../etc/passwd", "", "", "UTC"),
        ("", f"{DATABASE}/Mars/Olympus", "Asia/Shanghai", "Asia/Shanghai"),
        ("", "", "", "UTC"),
    ],
)
def test_the_machines_zone(
    tmp_path: Path, given: str, localtime: str, timezone: str, name: str
) -> None:
    if localtime:
        (tmp_path / "localtime").symlink_to(localtime)
    if timezone:
        (tmp_path / "timezone").write_text(timezone)
    assert zone.of_machine({"TZ": given} if given else {}, tmp_path) == name


def test_a_zone_that_is_a_copy_has_no_name(tmp_path: Path) -> None:
    """Where /etc/localtime is no link, nothing says which zone it is."""
    (tmp_path / "localtime").write_bytes(b"TZif2")
    (tmp_path / "timezone").write_bytes(b"\xff\xfe")
    assert zone.of_machine({}, tmp_path) == "UTC"
