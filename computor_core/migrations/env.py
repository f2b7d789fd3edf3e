"""Alembic's environment, the same for every lineage.

The runner hands over an open connection, in a transaction of its own making, and the lineage.
"""

from typing import TYPE_CHECKING

from alembic import context

from computor_core.migrations.comparison import comparison_options
from computor_core.migrations.rendering import rendering_for
from computor_core.model import Base

if TYPE_CHECKING:
    from computor_core.migrations.lineage import Lineage


def run() -> None:
    """Configure alembic for the lineage and run what was asked for."""
    attributes = context.config.attributes
    lineage: Lineage = attributes["lineage"]
    context.configure(
        connection=attributes["connection"],
        target_metadata=Base.metadata,
        version_table=lineage.version_table,
        render_item=rendering_for(lineage.owner),
        render_as_batch=True,
        on_version_apply=attributes["on_version_apply"],
        **comparison_options(lineage),
    )
    with context.begin_transaction():
        context.run_migrations()


run()
