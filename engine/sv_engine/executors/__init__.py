"""Where rows are judged: on this machine, on servers, on a Ray cluster; one small protocol."""

from sv_engine.executors.protocol import Io, Row, RowExecutor, Terms, Test, collect

__all__ = ["Io", "Row", "RowExecutor", "Terms", "Test", "collect"]
