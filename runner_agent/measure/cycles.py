"""Cycles of a directed graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def loops(follow: Sequence[Iterable[int]]) -> list[frozenset[int]]:
    """The nodes that lie on a common cycle, in groups; `follow[n]` are the nodes after node n.

    Strongly connected components by Tarjan (1972, "Depth-first search and linear graph algorithms"), without recursion.
    """
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[frozenset[int]] = []
    for root in range(len(follow)):
        if root in index:
            continue
        work = [(root, iter(follow[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            at, following = work[-1]
            to = next(following, None)
            if to is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[at])
                if low[at] == index[at]:
                    cut = stack.index(at)
                    loop = frozenset(stack[cut:])
                    del stack[cut:]
                    on_stack -= loop
                    if len(loop) > 1 or at in follow[at]:
                        found.append(loop)
            elif to not in index:
                index[to] = low[to] = len(index)
                stack.append(to)
                on_stack.add(to)
                work.append((to, iter(follow[to])))
            elif to in on_stack:
                low[at] = min(low[at], index[to])
    return found
