"""The settings of a deployment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, PrivateAttr, field_validator

from computor_core.settings.sections import (
    DatabaseSettings,
    PluginsSettings,
    RunnerSettings,
    SeamSettings,
    Section,
    SecuritySettings,
    ServerSettings,
    SessionSettings,
)
from computor_core.settings.sources import Sources


class Settings(Section):
    """The settings of a deployment.

    Build it directly in Python, or with :func:`computor_core.settings.load_settings` from file
    and environment. What the plugins' own models say of their sections is checked when the
    application starts, since the models are known then.
    """

    data_dir: Path = Field(
        Path("var"),
        validate_default=True,
        description="Folder for everything that the deployment keeps; made private (0700).",
    )
    database: DatabaseSettings = Field(default_factory=DatabaseSettings, description="The database.")
    server: ServerSettings = Field(default_factory=ServerSettings, description="How the host is reached.")
    sessions: SessionSettings = Field(
        default_factory=SessionSettings, description="Sessions, API tokens and sign-in."
    )
    security: SecuritySettings = Field(default_factory=SecuritySettings, description="Keys.")
    plugins: PluginsSettings = Field(
        default_factory=PluginsSettings, description="Which plugins are loaded, and their own settings."
    )
    auth: SeamSettings = Field(default_factory=SeamSettings, description="Sign-in.")
    storage: SeamSettings = Field(default_factory=SeamSettings, description="Object storage.")
    git: SeamSettings = Field(default_factory=SeamSettings, description="Git hosts.")
    runner: RunnerSettings = Field(default_factory=RunnerSettings, description="Test runners.")
    engine: SeamSettings = Field(default_factory=SeamSettings, description="Workflow engines.")
    cache: SeamSettings = Field(default_factory=SeamSettings, description="Caches.")
    bus: SeamSettings = Field(default_factory=SeamSettings, description="Event buses.")

    _sources: Sources = PrivateAttr(default_factory=Sources)

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def database_url(self) -> str:
        """The database's address; contains its password."""
        if self.database.url is not None:
            return self.database.url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir / 'computor.db'}"

    @property
    def public_url(self) -> str:
        """Address under which users reach the host, without trailing slash."""
        return self.server.public_url or f"http://{self.server.host}:{self.server.port}"

    def seam(self, name: str) -> SeamSettings:
        """The section of a seam (``"storage"``)."""
        section = getattr(self, name)
        if not isinstance(section, SeamSettings):
            raise TypeError(f"{name} is no seam")
        return section

    @property
    def sources(self) -> Sources:
        """Where the values come from; empty when the settings were built in Python."""
        return self._sources

    def with_sources(self, sources: Sources) -> Settings:
        """The same settings, knowing where they come from."""
        known = self.model_copy()
        known._sources = sources
        return known
