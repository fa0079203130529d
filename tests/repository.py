"""The code and the documentation pages of this repository, for tests that read them."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = sorted(path for name in ("chalicelib", "bootstrap", "devtools", "infra", "bench", "tests") for path in (ROOT / name).rglob("*.py"))
PRODUCT = [path for path in CODE if path.is_relative_to(ROOT / "chalicelib")]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(path: Path) -> str:
    """Return the path relative to the root of the repository."""
    return str(path.relative_to(ROOT))
