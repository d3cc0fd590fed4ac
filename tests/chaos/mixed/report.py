"""What happened in one run, for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass
class Report:
    """Sizes in bytes, times in seconds. `verdict`: what each check found; the run is good where nothing was."""

    seed: int
    load_seconds: float
    requests: dict[str, dict[str, int]] = field(default_factory=dict)
    operations: dict[str, dict[str, int]] = field(default_factory=dict)
    isos: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    disturbances: dict[str, int] = field(default_factory=dict)
    left_out: str = ""
    bytes_moved: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    seconds_to_quiet: float | None = None
    tidied: list[str] = field(default_factory=list)
    total_seconds: float = 0
    folder: str = ""
    verdict: dict[str, list[str]] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        return [f"{check}: {problem}" for check, found in self.verdict.items() for problem in found]

    @property
    def is_good(self) -> bool:
        return bool(self.verdict) and not self.problems

    def as_json(self) -> str:
        return json.dumps(asdict(self) | {"good": self.is_good}, indent=2)

    def as_text(self) -> str:
        quiet = "never" if self.seconds_to_quiet is None else f"{self.seconds_to_quiet:.1f} s"
        lines = [f"Seed {self.seed}: {self.load_seconds:.0f} s of load, {self.total_seconds:.0f} s in all."]
        lines += [f"At rest after {quiet} with everything up.", ""]
        lines += ["Requests and their answers:", *_nested(self.requests), ""]
        lines += ["Operations and how they ended:", *_nested(self.operations), ""]
        lines += ["Replicas at the end:", *_counted(self.isos), *_counted(self.failures), ""]
        lines += ["Disturbances:", *_counted(self.disturbances), *([f"  {self.left_out}"] if self.left_out else []), ""]
        lines += ["MB moved:", *_counted({name: round(count / 1e6) for name, count in self.bytes_moved.items()}), ""]
        lines += ["Lines of the portal's log:", *_counted(self.lines), ""]
        lines += [*(f"Left by a killed process and tidied by reconcile: {what}" for what in self.tidied), ""]
        lines += [f"{'ok    ' if not found else 'BROKEN'}  {check}" for check, found in self.verdict.items()]
        lines += [f"  {problem}" for problem in self.problems]
        return "\n".join([*lines, "", "Good." if self.is_good else f"Not good. Logs are in {self.folder}."])


def _counted(counts: dict[str, int]) -> list[str]:
    return [f"  {count:7}  {name}" for name, count in sorted(counts.items())]


def _nested(counts: dict[str, dict[str, int]]) -> list[str]:
    return [
        f"  {kind:8} {', '.join(f'{answer}: {count}' for answer, count in sorted(answers.items()))}"
        for kind, answers in sorted(counts.items())
    ]
