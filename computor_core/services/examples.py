"""The example library: versions are immutable, and importing the same one twice is harmless."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
from sqlalchemy import func, select

from computor_core.db.types import new_id
from computor_core.db.violations import RowConflictError
from computor_core.errors import ConflictError, InvalidError
from computor_core.interfaces.importing import ExampleImported, ImportNote
from computor_core.model import Example, ExampleVersion
from computor_core.plugin_api.principal import ScopeKind
from computor_core.plugin_api.providers.formats import ExampleFile, ExampleFormat, LoadedExample
from computor_core.services.archives import ArchiveLimits, extract
from computor_core.services.trees import EXECUTABLE, REGULAR, FileEntry, SpooledFile, tree_hash
from computor_core.targets import load_target

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import UnitOfWork
    from computor_core.plugin_api.principal import Principal

WRITE = "example.write"
EXAMPLE_LIMITS = ArchiveLimits(files=5000, file_bytes=32 * 1024 * 1024, total_bytes=128 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """An example ready to be stored."""

    format: str
    loaded: LoadedExample
    files: list[tuple[str, SpooledFile]]

    @property
    def tree_hash(self) -> str:
        """Identity of all files and the roles they have."""
        return tree_hash(
            FileEntry(f"{role}/{item.entry.path}", item.entry.mode, item.entry.size, item.entry.sha256)
            for role, item in self.files
        )

    def rows(self) -> list[dict[str, Any]]:
        """As kept in ``example_version.files``."""
        return [{"role": role, **item.entry.to_json()} for role, item in self.files]


class ExampleService:
    """Imports examples."""

    def __init__(self, app: Computor) -> None:
        self._app = app

    async def import_archive(
        self, principal: Principal, organization_id: UUID, archive: Path, *, request_id: str = ""
    ) -> ExampleImported:
        """Import an example from an uploaded archive of its directory.

        Args:
            principal: Who imports.
            organization_id: Whose library.
            archive: The uploaded file, in a folder made by ``SubmissionService.spool``.
            request_id: For logs and the audit trail.

        Raises:
            NotFoundError, ForbiddenError: The organization, or the right to write examples there.
            UnsafeArchiveError, PayloadTooLargeError: The archive.
            InvalidError: No format takes it, or it has errors; ``fields`` says where.
            ConflictError: The version exists with other content.
        """
        async with self._app.read(principal, request_id=request_id) as unit:
            await self._app.access.require_at(unit, WRITE, ScopeKind.ORGANIZATION, organization_id)
        spooled, tree = archive.parent / "spooled", archive.parent / "tree"

        def unpack() -> None:
            spooled.mkdir()
            for item in extract(archive, spooled, EXAMPLE_LIMITS):
                target = tree / item.entry.path
                target.parent.mkdir(parents=True, exist_ok=True)
                item.location.rename(target)
                target.chmod(item.entry.mode & 0o777)

        await anyio.to_thread.run_sync(unpack)
        return await self.import_folder(
            principal, organization_id, tree, archive.parent, request_id=request_id
        )

    async def import_folder(
        self,
        principal: Principal,
        organization_id: UUID,
        folder: Path,
        spool: Path,
        *,
        request_id: str = "",
    ) -> ExampleImported:
        """Import an example from its directory.

        Args:
            principal: Who imports.
            organization_id: Whose library.
            folder: The directory; only read.
            spool: A private folder for files that are born empty.
            request_id: For logs and the audit trail.

        Raises:
            See :meth:`import_archive`.
        """
        parcel = await anyio.to_thread.run_sync(self._read, folder, spool)
        async with self._app.read(principal, request_id=request_id) as unit:
            await self._app.access.require_at(unit, WRITE, ScopeKind.ORGANIZATION, organization_id)
            instance = await self._app.providers.binding(unit, "storage", organization_id=organization_id)
        await self._app.services.blobs.stage(instance, [item for _role, item in parcel.files])
        try:
            return await self._store_once(principal, organization_id, instance, parcel, request_id)
        except RowConflictError:
            # Two imports of a new example at once: the other one was first, compare with it.
            return await self._store_once(principal, organization_id, instance, parcel, request_id)

    async def _store_once(
        self,
        principal: Principal,
        organization_id: UUID,
        instance: str,
        parcel: _Parcel,
        request_id: str,
    ) -> ExampleImported:
        async with self._app.uow(principal, request_id=request_id) as work:
            await self._app.access.require_at(work, WRITE, ScopeKind.ORGANIZATION, organization_id)
            return await self._store(work, organization_id, instance, parcel)

    def _read(self, folder: Path, spool: Path) -> _Parcel:
        for name, registered in self._app.registries.example_formats.items():
            kind = load_target(registered.registration.target)
            if not isinstance(kind, type) or not issubclass(kind, ExampleFormat):
                raise TypeError(f"{registered.registration.target} is no example format")
            reader = kind()
            if reader.detect(folder):
                loaded = reader.load(folder)
                empty = spool / "empty"
                empty.touch()
                return _Parcel(name, loaded, [_file(item, empty) for item in loaded.files])
        raise InvalidError(
            "no installed format takes this directory",
            hint=f"installed formats: {', '.join(self._app.registries.example_formats) or 'none'}",
        )

    async def _store(
        self, work: UnitOfWork, organization_id: UUID, instance: str, parcel: _Parcel
    ) -> ExampleImported:
        loaded = parcel.loaded
        found = select(Example).where(
            Example.organization_id == organization_id, Example.identifier == loaded.identifier
        )
        if not work.is_sqlite:
            found = found.with_for_update()  # its versions are counted
        example = (await work.session.execute(found)).scalar_one_or_none()
        actor = work.principal.user_id
        if example is None:
            example = Example(
                id=new_id(),
                organization_id=organization_id,
                identifier=loaded.identifier,
                title=loaded.title,
                format=parcel.format,
                created_by=actor,
            )
            work.session.add(example)
            await work.session.flush()
        known = (
            await work.session.execute(
                select(ExampleVersion).where(
                    ExampleVersion.example_id == example.id, ExampleVersion.version_tag == loaded.version
                )
            )
        ).scalar_one_or_none()
        if known is not None:
            if known.tree_hash != parcel.tree_hash:
                raise ConflictError(
                    f"version {loaded.version} of {loaded.identifier} exists with other content",
                    hint="versions are immutable; give the new content a new version",
                )
            return _answer(example, known, loaded, created=False)
        ordinal = await work.connection.scalar(
            select(func.coalesce(func.max(ExampleVersion.ordinal), 0) + 1).where(
                ExampleVersion.example_id == example.id
            )
        )
        version = ExampleVersion(
            id=new_id(),
            example_id=example.id,
            organization_id=organization_id,
            version_tag=loaded.version,
            ordinal=ordinal,
            title=loaded.title,
            language=loaded.language,
            license=loaded.license,
            integrity=loaded.spec.integrity.value,
            tree_hash=parcel.tree_hash,
            storage_instance=instance,
            files=parcel.rows(),
            spec=loaded.spec.model_dump(mode="json"),
            created_by=actor,
        )
        work.session.add(version)
        await self._app.services.blobs.reference(work, instance, [item.entry for _role, item in parcel.files])
        work.audit(
            WRITE,
            "example-versions",
            version.id,
            after={
                "identifier": loaded.identifier,
                "version": loaded.version,
                "tree_hash": version.tree_hash,
            },
        )
        return _answer(example, version, loaded, created=True)


def _file(item: ExampleFile, empty: Path) -> tuple[str, SpooledFile]:
    source = item.source or empty
    content = source.read_bytes()
    mode = EXECUTABLE if source.stat().st_mode & 0o100 else REGULAR
    digest = hashlib.sha256(content).hexdigest()
    return item.role.value, SpooledFile(FileEntry(item.path, mode, len(content), digest), source)


def _answer(
    example: Example, version: ExampleVersion, loaded: LoadedExample, *, created: bool
) -> ExampleImported:
    return ExampleImported(
        example_id=example.id,
        example_version_id=version.id,
        identifier=example.identifier,
        version_tag=version.version_tag,
        title=version.title,
        integrity=version.integrity,
        created=created,
        notes=[
            ImportNote(
                severity=note.severity.value,
                code=note.code,
                message=note.message,
                file=note.file,
                line=note.line,
            )
            for note in loaded.diagnostics
        ],
    )
