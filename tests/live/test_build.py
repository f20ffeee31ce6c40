"""The compiled engine in the package is that of the present physics."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from bipedal.live import ENGINE
from bipedal.live.build import build, custom_section, versions

has_ziglang = importlib.util.find_spec("ziglang") is not None


@pytest.mark.skipif(not has_ziglang, reason="ziglang is not installed")
def test_the_engine_in_the_package_is_up_to_date(tmp_path: Path) -> None:
    if json.dumps({"versions": versions()})[1:-1].encode() not in ENGINE.read_bytes():
        pytest.skip(f"the engine in the package was not made with {versions()}")
    build(tmp_path / "engine.wasm")
    assert (tmp_path / "engine.wasm").read_bytes() == ENGINE.read_bytes(), "run make wasm"


def test_a_long_section_has_a_long_length() -> None:
    assert custom_section("n", b"x") == b"\0\x03\x01nx"
    section = custom_section("name", b"x" * 300)
    assert section[:8] == b"\0\xb1\x02\x04name"
