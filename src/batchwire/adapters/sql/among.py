"""Many values in one statement."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Column,
    Dialect,
    String,
    bindparam,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class IsAmong(FunctionElement[bool]):
    """
    That a column has one of the values of a parameter, however many they are.

    So the statement is the same for all, and made once: an array on PostgreSQL, a JSON
    array of texts or numbers on SQLite.
    """

    inherit_cache = True

    def __init__(self, column: Column[Any], name: str) -> None:
        self.values: BindParameter[Any] = bindparam(name, type_=_Many(column.type))
        super().__init__(column, self.values)


class _Many(TypeDecorator[Sequence[Any]]):
    impl = String
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(self.item))
        return dialect.type_descriptor(String())

    def process_bind_param(
        self, value: Sequence[Any] | None, dialect: Dialect
    ) -> Sequence[Any] | str | None:
        if dialect.name == "postgresql":
            return value
        return msgspec.json.encode(value).decode()


@compiles(IsAmong, "postgresql")
def _in_array(element: IsAmong, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column, values = (compiler.process(one, **kw) for one in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(IsAmong, "sqlite")
def _in_json(element: IsAmong, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401
    column, values = (compiler.process(one, **kw) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - ours
