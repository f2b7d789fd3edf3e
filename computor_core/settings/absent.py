"""What a deployment does without: an embedding application may want no git host, a course does."""

from __future__ import annotations

from collections.abc import Collection, Mapping

_CONSEQUENCES: Mapping[str, str] = {
    "auth": "nobody can sign in with a password",
    "storage": "nothing can be handed in, and no example can be imported",
    "git": "there are no repositories, and nothing can be pushed",
    "runner": "no submission is tested",
}
"""By seam; core itself brings a type for each of the others."""


def absences(seams: Collection[str]) -> list[str]:
    """What doesn't work, one sentence for each seam without an instance.

    Args:
        seams: The seams that have one.
    """
    return [
        f"no {seam} instance: {consequence}; enable a plugin that brings one, or name it under "
        f"[{seam}.instances]"
        for seam, consequence in _CONSEQUENCES.items()
        if seam not in seams
    ]
