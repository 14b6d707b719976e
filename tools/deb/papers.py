"""Write the Debian changelog from CHANGELOG.md, or the copyright file from LICENSE.

Usage: papers.py changelog CHANGELOG.md, or papers.py copyright LICENSE, with the package's own
Python: what is installed there is what the copyright file names.
"""

import os
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib.metadata import Distribution, distributions, version
from pathlib import Path
from textwrap import fill

CONTROL = Path(__file__).with_name("debian") / "control"
NOW = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)


def changelog(text: str) -> Iterator[str]:
    """Turn each section of Keep a Changelog into an entry; the first one names the version."""
    current = version("taskdash")
    (maintainer,) = re.findall(r"^Maintainer: (.*)", CONTROL.read_text(), re.M)
    sections = re.findall(r"^## \[(.+?)\](?: - (\S+))?\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    for name, day, body in sections:
        if not body.strip():
            continue
        when = datetime.fromisoformat(f"{day}T00:00+00:00") if day else NOW
        if name != "Unreleased":
            number = name
        elif any(current == released for released, _, _ in sections):
            number = f"{current}+{NOW:%Y%m%d%H%M}"  # later than the release, earlier than the next
        else:
            number = current
        yield f"taskdash ({number}-1) stable; urgency=medium\n"
        for block in re.split(r"\n(?=- |### )|\n\n", body.strip()):
            words = " ".join(block.split())
            if words.startswith("### "):
                yield f"  [ {words[4:]} ]"
            else:
                item = words.removeprefix("- ")
                yield fill(item, 79, initial_indent="  * ", subsequent_indent="    ")
        yield f"\n -- {maintainer}  {format_datetime(when)}\n"


def copyright_(text: str) -> Iterator[str]:
    """Give our licence, and where that of each package we bring is."""
    yield f"TaskDash, and all of this package that is not named below:\n\n{text}"
    yield "It brings these Python packages, each under its own licence; the texts are below"
    yield f"/opt/taskdash/lib/python3.{sys.version_info.minor}/site-packages:\n"
    for found in sorted(distributions(), key=lambda found: found.name.lower()):
        if found.name != "taskdash":
            yield f"  {found.name} {found.version}: {licence(found)}"
            for path in found.files or ():
                if re.match(r"LICEN[CS]E|COPYING|NOTICE", path.name):
                    yield f"    {path}"
    yield "\nDebian holds the Apache License 2.0 in /usr/share/common-licenses/Apache-2.0."


def licence(found: Distribution) -> str:
    """Name a package's licence by what its metadata say."""
    given = found.metadata
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in given.get_all("Classifier", [])
        if line.startswith("License ::")
    ]
    name = given.get("License-Expression") or " or ".join(classifiers) or given.get("License")
    return name or "see its text"


if __name__ == "__main__":
    wanted, path = sys.argv[1:]
    lines = {"changelog": changelog, "copyright": copyright_}[wanted]
    print("\n".join(lines(Path(path).read_text())))
