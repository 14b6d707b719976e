"""The golden vectors, read once."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "protocol" / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads((FOLDER / f"{name}.json").read_text())["vectors"])
    except ValueError as error:
        raise ValueError(f"protocol/vectors/{name}.json is no JSON: {error}") from None
