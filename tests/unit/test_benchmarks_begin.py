"""Every benchmark can be begun: what it takes from the product and from tests is there by that name."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = sorted(path.stem for path in (Path(__file__).parents[2] / "bench").glob("*.py"))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_finds_what_it_imports(name):
    importlib.import_module(f"bench.{name}")


def test_there_are_some():
    assert {"intake", "live", "recovery", "spent"} <= set(BENCHMARKS)
