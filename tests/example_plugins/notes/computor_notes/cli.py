"""``computor x notes``."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import UUID

import click
from sqlalchemy import select

from computor_core.plugin_api import Principal
from computor_notes.tables import Note

if TYPE_CHECKING:
    from computor_core.plugin_api.services import OpenApplication

__all__ = ["export"]


@click.command()
@click.argument("course_id", metavar="COURSE", type=click.UUID)
@click.pass_obj
def export(open_application: OpenApplication, course_id: UUID) -> None:
    """Write the notes on members of COURSE (its id) as JSON lines, oldest first."""
    asyncio.run(_export(open_application, course_id))


async def _export(open_application: OpenApplication, course_id: UUID) -> None:
    chosen = (
        select(Note.id, Note.course_member_id, Note.author_id, Note.state, Note.text, Note.created_at)
        .where(Note.course_id == course_id)
        .order_by(Note.created_at, Note.id)
    )
    async with open_application() as app, app.read(Principal.system("notes:export")) as work:
        for row in (await work.connection.execute(chosen)).mappings():
            click.echo(json.dumps({**row}, default=str))
