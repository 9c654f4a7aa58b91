# Copyright: (c) 2026, the mesh.fleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write docs/docsite/rst from the pages for people: ``python tests/docsite_pages.py``.

antsibull-docs, which makes the pages of collections, takes reStructuredText alone, and GitHub shows Markdown best. A
unit test fails while they differ. The Markdown here is what our pages use: headings, paragraphs, lists, tables, code.
"""

from __future__ import annotations

import dataclasses
import os.path
import re
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "docsite" / "rst"
HOME = "https://github.com/mesh-fleet/mesh.fleet"
LABEL = "ansible_collections.mesh.fleet.docsite."


@dataclasses.dataclass(frozen=True)
class Guide:
    """A page, or one section of it if ``section`` is its heading."""

    name: str
    page: str
    section: str = ""


GUIDES = (
    Guide("start", "README.md", "Clusters that exist already"),
    Guide("existing_clusters", "docs/existing-clusters.md"),
    Guide("google_cloud", "README.md", "Google Cloud"),
    Guide("gke", "docs/gke.md"),
    Guide("local_fleet", "docs/local-fleet.md"),
    Guide("exported_services", "docs/exported-services.md"),
    Guide("traffic", "docs/traffic.md"),
    Guide("front_door", "docs/front-door.md"),
    Guide("federation", "docs/federation.md"),
    Guide("ingress", "docs/ingress.md"),
    Guide("gitops", "docs/gitops.md"),
    Guide("report", "docs/report.md"),
    Guide("demo", "docs/demo.md"),
    Guide("variables", "docs/variables.md"),
)


def anchor(heading: str) -> str:
    """What GitHub calls a heading in a link."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def label(guide: Guide, heading: str = "") -> str:
    return LABEL + guide.name + (f".{anchor(heading).replace('-', '_')}" if heading else "")


def text_of(guide: Guide) -> str:
    """The Markdown of a guide. A section becomes a page: its headings move up."""
    text = re.sub(r"<!--.*?-->\n+", "", (ROOT / guide.page).read_text(encoding="utf-8"), flags=re.DOTALL)
    # The guides are text alone: a collection brings no pictures for them.
    text = re.sub(r"^!\[.*\)\n\n", "", text, flags=re.MULTILINE)
    if not guide.section:
        return text
    found = re.search(rf"^## {re.escape(guide.section)}\n.*?(?=^## )", text, flags=re.DOTALL | re.MULTILINE)
    if not found:
        raise SystemExit(f"{guide.page} has no section {guide.section!r}")
    return re.sub(r"^#(#+ )", r"\1", found[0], flags=re.MULTILINE)


def target(guide: Guide, link: str) -> tuple[str, bool]:
    """``(where a link leads, whether that is a label)``."""
    if re.match(r"\w+:", link):
        return link, False
    path, _hash, wanted = link.partition("#")
    page = os.path.normpath(os.path.join(os.path.dirname(guide.page), path)) if path else guide.page
    for other in GUIDES:
        headings = {anchor(h): h for h in re.findall(r"^#+ (.+)$", text_of(other), flags=re.MULTILINE)}
        if other.page != page or (other.section and wanted not in headings):
            continue
        top = not wanted or wanted == anchor(other.section)
        return label(other, "" if top else headings[wanted]), True
    kind = "tree" if (ROOT / page).is_dir() else "blob"
    return f"{HOME}/{kind}/main/{page}" + (f"#{wanted}" if wanted else ""), False


_INLINE = re.compile(
    r"`([^`]+)`|\*\*([^*]+)\*\*|\[((?:`[^`]*`|[^\]`])+)\]\(([^)\s]+)\)|(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])"
)


def inline(guide: Guide, text: str) -> str:
    """Markup within a paragraph."""
    out: list[str] = []
    end = 0
    for found in _INLINE.finditer(text):
        out.append(_plain(text[end : found.start()]))
        end = found.end()
        code, bold, shown, link, emphasis = found.groups()
        if code:
            markup = f"``{code}``"
        elif bold:
            markup = f"**{bold.replace('`', '')}**"
        elif emphasis:
            markup = f"*{emphasis}*"
        else:
            where, is_label = target(guide, link)
            shown = shown.replace("`", "")
            markup = f":ref:`{shown} <{where}>`" if is_label else f"`{shown} <{where}>`__"
        # Markup begins and ends at a word's boundary, or at an escaped space, which is not shown.
        before = text[: found.start()][-1:]
        after = text[end : end + 1]
        out.append("\\ " if before and not re.match(r"[\s'\"(\[{<\-/:]", before) else "")
        out.append(markup)
        out.append("\\ " if after and not re.match(r"[\s'\")\]}>\-/\\:.,;!?]", after) else "")
    return "".join([*out, _plain(text[end:])])


def _plain(text: str) -> str:
    return re.sub(r"([\\*|`])|(?<=\w)(_)(?!\w)", r"\\\1\2", text)


def table(guide: Guide, rows: t.Sequence[str]) -> t.Iterator[str]:
    cells = [[c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", row.strip()[1:-1])] for row in rows]
    head, body = cells[0], cells[2:]
    shown = [head, *body] if any(head) else body
    yield from (".. list-table::", f"   :header-rows: {1 if any(head) else 0}", "")
    for row in shown:
        for index, cell in enumerate(row):
            yield f"   {'* -' if index == 0 else '  -'} {inline(guide, cell)}".rstrip()
    yield ""


def blocks(guide: Guide, lines: list[str]) -> t.Iterator[str]:
    """reStructuredText of what is below a guide's first heading."""
    at = 0

    def following(pattern: str) -> list[str]:
        nonlocal at
        first = at
        while at < len(lines) and re.match(pattern, lines[at]):
            at += 1
        return lines[first:at]

    while at < len(lines):
        line = lines[at]
        if heading := re.match(r"(#+) (.+)", line):
            at += 1
            yield from (f".. _{label(guide, heading[2])}:", "")
            yield from (inline(guide, heading[2]), {2: "-", 3: "^"}[len(heading[1])] * (len(heading[2]) + 4), "")
        elif line.startswith("```"):
            at += 1
            code = following(r"(?!```)")
            at += 1
            kind = {"": "text", "sh": "shell"}.get(line[3:], line[3:])
            yield from (f".. code-block:: {kind}", "", *(f"    {part}".rstrip() for part in code), "")
        elif line.startswith("|"):
            yield from table(guide, following(r"\|"))
        elif line.startswith("- "):
            items = following(r"- |  ")
            for item in re.split(r"\n(?=- )", "\n".join(items)):
                yield "- " + inline(guide, " ".join(part.strip() for part in item[2:].splitlines()))
            yield ""
        elif line.strip():
            paragraph = following(r"(?![#|]|```|- )\s*\S")
            yield from (inline(guide, " ".join(part.strip() for part in paragraph)), "")
        else:
            at += 1


def render(guide: Guide) -> str:
    """A guide's page."""
    first, *lines = text_of(guide).strip().splitlines()
    title = first.lstrip("#").strip()
    made = [f".. Made by tests/docsite_pages.py from {guide.page}; do not edit.", "", f".. _{label(guide)}:", ""]
    made += [title, "=" * len(title), "", *blocks(guide, lines)]
    return "\n".join(made).rstrip() + "\n"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for guide in GUIDES:
        (FOLDER / f"{guide.name}.rst").write_text(render(guide), encoding="utf-8")


if __name__ == "__main__":
    main()
