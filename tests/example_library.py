"""Examples and submissions as directories, the way a worker lays them out for a job."""

from pathlib import Path

import yaml
from pydantic import BaseModel

from computor_core.assessment.build import JobInputs
from computor_core.assessment.formats.computor import ComputorFormat
from computor_core.plugin_api.providers.formats import FileRole, LoadedExample

EXAMPLES = Path(__file__).parents[1] / "examples"


class Submission(BaseModel, extra="forbid"):
    """An entry of ``examples/submissions.yaml``."""

    example: str
    label: str
    verdict: str
    limit: list[str] = []
    points: int | None = None

    @property
    def hostile(self) -> bool:
        return self.label.startswith("hostile")

    @property
    def folder(self) -> Path:
        return EXAMPLES / "_submissions" / self.example / self.label

    def __str__(self) -> str:
        return f"{self.example}-{self.label}"


def submissions() -> list[Submission]:
    entries = yaml.safe_load((EXAMPLES / "submissions.yaml").read_text())
    return [Submission.model_validate(entry) for entry in entries]


def example_names() -> list[str]:
    return sorted(path.name for path in EXAMPLES.iterdir() if (path / "meta.yaml").exists())


def load(name: str) -> LoadedExample:
    return ComputorFormat().load(EXAMPLES / name)


def lay_out(example: LoadedExample, role: FileRole, target: Path) -> Path:
    target.mkdir(parents=True)
    for file in example.of_role(role):
        path = target / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.source.read_bytes() if file.source else b"")
    return target


def inputs(example: LoadedExample, submission: Path, target: Path) -> JobInputs:
    return JobInputs(
        submission,
        lay_out(example, FileRole.TEST, target / "tests"),
        lay_out(example, FileRole.ADDITIONAL, target / "additional"),
    )


def sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
