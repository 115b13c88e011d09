from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from clapometer.errors import BadOption
from clapometer.search import nearest as module
from clapometer.search.nearest import build_graph, from_graph, nearest, open_graph

with_usearch = pytest.mark.skipif(importlib.util.find_spec("usearch") is None, reason="usearch is not installed")


def unit(rows: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [1, 10, 5000])
def test_it_finds_what_sorting_everything_finds(count, monkeypatch):
    monkeypatch.setattr(module, "ROWS_AT_A_TIME", 70)
    vectors, query = unit(1000), unit(1, seed=1)[0]
    cosines = (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    rows, found = nearest(vectors, query, count)
    assert rows.tolist() == np.argsort(-cosines, kind="stable")[:count].tolist()
    np.testing.assert_allclose(found, cosines[rows], rtol=0, atol=1e-12)


def test_equal_ones_come_in_the_order_of_their_rows_and_low_ones_not_at_all(monkeypatch):
    monkeypatch.setattr(module, "ROWS_AT_A_TIME", 7)
    query = unit(1, seed=1)[0]
    vectors = np.stack([query, -query] * 20)
    assert nearest(vectors, query, 5)[0].tolist() == [0, 2, 4, 6, 8]
    rows, found = nearest(vectors, query, 40, least=0.5)
    assert rows.tolist() == list(range(0, 40, 2))
    assert found.min() > 0.999
    assert nearest(vectors, query, 30)[0].tolist()[20:23] == [1, 3, 5]
    assert nearest(vectors[:0], query, 3)[0].tolist() == []


def test_the_cosine_is_that_of_score(clap):
    from clapometer.embedding.pipeline import Embedded
    from clapometer.scoring.pairs import _cosines

    vectors, query = unit(50), unit(1, seed=1)[0]
    rows, found = nearest(vectors, query, 50)
    one = Embedded(vectors, np.arange(50), [""] * 50, 50, 0)
    other = Embedded(query[None], np.zeros(50, np.intp), [""] * 50, 1, 0)
    assert found.tolist() == _cosines(one, other)[rows].tolist()


@with_usearch
def test_a_graph_finds_most_of_what_is_near(tmp_path):
    vectors = unit(2000)
    build_graph(vectors, np.arange(2000) + 7, tmp_path / "graph.1.usearch")
    hits, graph = 0, open_graph(tmp_path / "graph.1.usearch")
    for query in unit(20, seed=1):
        found = from_graph(graph, query, 40) - 7
        hits += len(set(found.tolist()) & set(nearest(vectors, query, 10)[0].tolist()))
    assert hits >= 180
    assert [path.name for path in tmp_path.iterdir()] == ["graph.1.usearch"]


@with_usearch
def test_a_damaged_graph_is_told(tmp_path):
    (tmp_path / "graph").write_bytes(b"no graph" * 20)
    with pytest.raises(BadOption, match="search with --exact"):
        open_graph(tmp_path / "graph")


def test_without_usearch_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "usearch.index", None)
    monkeypatch.setitem(__import__("sys").modules, "usearch", None)
    assert not module.has_usearch()
    with pytest.raises(BadOption, match=r"pip install 'clapometer\[search\]'"):
        build_graph(unit(3), np.arange(3), tmp_path / "graph")
