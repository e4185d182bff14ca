"""The command line as Markdown, made from the parser itself, so that it cannot fall behind."""

from __future__ import annotations

import argparse

from nnrg.cli import parser

__all__ = ["commands", "subcommands"]


def subcommands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of every command, by name."""
    return _under(parser())


def _under(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def commands() -> str:
    """Return a section for each command: its words, options and their defaults."""
    return "\n\n".join(_sections(name, sub) for name, sub in subcommands().items())


def _sections(name: str, sub: argparse.ArgumentParser) -> str:
    """Return the section of a command, and after it those of the commands in it."""
    inner = [_sections(f"{name} {word}", command) for word, command in _under(sub).items()]
    return "\n\n".join([_section(name, sub), *inner])


def _section(name: str, sub: argparse.ArgumentParser) -> str:
    actions = [a for a in sub._actions if not isinstance(a, argparse._HelpAction)]
    if any(isinstance(a, argparse._SubParsersAction) for a in actions):
        names = ", ".join(f"`{word}`" for word in _under(sub))
        usage = f"nnrg {name} NAME [options]"
        said = [f"## nnrg {name}", "", f"```text\n{usage}\n```", "", sub.description or "", ""]
        return "\n".join([*said, f"NAME is one of {names}."])
    words = [a for a in actions if not a.option_strings]
    usage = " ".join(["nnrg", name, "[options]", *(_word(a) for a in words)])
    lines = [f"## nnrg {name}", "", f"```text\n{usage}\n```", ""]
    if sub.description:
        lines += [sub.description, ""]
    lines += ["| | meaning |", "|---|---|"]
    lines += [f"| {_spelling(a)} | {_meaning(a)} |" for a in actions]
    return "\n".join(lines)


def _word(action: argparse.Action) -> str:
    shown = str(action.metavar or _choices(action) or action.dest)
    return {"*": f"[{shown} ...]", "?": f"[{shown}]", "+": f"{shown} [{shown} ...]"}.get(
        str(action.nargs), shown
    )


def _choices(action: argparse.Action) -> str:
    return "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""


def _spelling(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{_word(action)}`"
    value = "" if action.nargs == 0 else f" {action.metavar or _choices(action) or 'VALUE'}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _meaning(action: argparse.Action) -> str:
    # A bar ends a cell of the table.
    return (action.help or "").replace("|", "\\|")
