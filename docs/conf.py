"""Sphinx configuration: executed pages, mathematics as MathML, nothing fetched from a network."""

import os
import re
import sys
import sysconfig
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.addnodes import pending_xref

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
# Pages that run `nnrg` find the one this Sphinx was installed beside.
os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join(  # of the kernels that run the pages, for _shell.py
    [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
)

from _checks import known_answers  # noqa: E402
from _cli_reference import commands  # noqa: E402

import nnrg  # noqa: E402

project = "nnrg"
author = "The nnrg developers"
copyright = author
release = nnrg.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb"]
exclude_patterns = ["_build", "jupyter_execute"]
default_role = "py:obj"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types stand in the Parameters section, with shapes and units
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_show_tb = True
nb_merge_streams = True

html_theme = "furo"
html_title = f"nnrg {release}"
html_static_path = ["_static"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False

# What a browser would fetch by itself, as against a link that a reader follows.
_FETCHED = re.compile(
    r"<(?:script|img|iframe|source|audio|video)\b[^>]*\bsrc=[\"'](?:https?:)?//"
    r"|<link\b[^>]*\brel=[\"'](?:stylesheet|preload|preconnect|icon|dns-prefetch)[\"'][^>]*"
    r"\bhref=[\"'](?:https?:)?//"
    r"|@import\s+(?:url\()?[\"']?(?:https?:)?//|url\([\"']?(?:https?:)?//",
    re.IGNORECASE,
)


# TeX that docutils does not read, and what it reads in its place.
_TEX = (
    (re.compile(r"\\dots(?![A-Za-z])"), r"\\ldots"),
    (re.compile(r"\\(?:[bB]igg?[lr]?|textstyle)(?![A-Za-z])"), ""),
    (re.compile(r"(\\[td]?frac)\s*(\w)"), r"\1{\2}"),
    (re.compile(r"(\\[td]?frac\{[^{}]*\})\s*(\w)"), r"\1{\2}"),
    (re.compile(r"'_(\w|\{[^{}]*\})"), r"_\1^{\\prime}"),
)


def mathml(tex, as_block=False):
    """Return a formula as MathML, which browsers render without a script."""
    for pattern, plain in _TEX:
        tex = pattern.sub(plain, tex)
    return tex2mathml(tex, as_block=as_block)


def visit_math(translator, node):
    """Write an inline formula."""
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def visit_displaymath(translator, node):
    """Write a displayed formula."""
    translator.body.append(f'<div class="math">{mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


# Docstrings are for people first: unpacking, absolute values and slopes a_-, a_+ are no markup.
_PLAIN = re.compile(
    r"(?<![\w*\\])\*(?=\w[\w.]*[,)])"
    r"|(?<![\w|\\])\|(?=\w[^|`]*\|)"
    r"|(?<=[A-Za-z0-9])_(?=[-+,)])"
)


def escape_plain(app, what, name, obj, options, lines):
    """Escape ``*shape``, ``|z|`` and ``a_-`` in docstrings, outside literals and formulas."""
    formula = -1  # how far the formula that a line may be in is indented
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent <= formula:
            formula = -1
        if line.lstrip().startswith(".. math::"):
            formula = indent
        if formula < 0:
            lines[i] = _escaped(line)


def _escaped(line):
    """Escape between the literals of a line; one that a literal runs on from stays as it is."""
    if line.count("`") % 2:
        return line
    parts = re.split(r"(`+[^`]*`+)", line)
    parts[::2] = [_PLAIN.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def unlink_words(app, doctree):
    """Link the classes in the type of a parameter, not words that are attributes elsewhere."""
    for node in list(doctree.findall(pending_xref)):
        target = node.get("reftarget", "")
        if node.get("reftype") == "class" and target[:1].islower() and "." not in target:
            node.replace_self(node.children)


def insert_generated(app, docname, source):
    """Put commands of the parser and known answers into the pages that describe them."""
    if docname == "reference/cli":
        source[0] = source[0].replace("%COMMANDS%", commands())
    if docname == "explanation/checked":
        source[0] = source[0].replace("%KNOWN_ANSWERS%", known_answers())


def read_all(app, env, added, changed, removed):
    """Read every page anew: what it shows depends on the package, not on its own text alone."""
    return env.found_docs


def refuse_network(app, exception):
    """Fail if a page would fetch anything from a network."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for page in sorted([*out.rglob("*.html"), *out.rglob("*.css")]):
        found = _FETCHED.search(page.read_text(encoding="utf-8"))
        if found:
            raise RuntimeError(f"{page}: would be fetched from a network: {found[0]}")


def setup(app):
    """Register the MathML writer, the command reference and the check for network assets."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.connect("source-read", insert_generated)
    app.connect("doctree-read", unlink_words)
    app.connect("env-get-outdated", read_all)
    app.connect("autodoc-process-docstring", escape_plain, priority=100)
    app.connect("build-finished", refuse_network)
    return {"parallel_read_safe": True}
