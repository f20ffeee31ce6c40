"""Completion of commands and options in a shell."""

from __future__ import annotations

import re
from collections.abc import Mapping

SCRIPT = """\
# bipedal: completes commands, options and files. For bash:  eval "$(bipedal completion)"
# For zsh, before that:  autoload -U bashcompinit && bashcompinit
_bipedal() {{
    local words
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _bipedal bipedal
"""


def completion_script(helps: Mapping[str, str]) -> str:
    """A script for bash, from the text of each command's help."""
    cases = (f'        {name}) words="{" ".join(_flags(text))}" ;;' for name, text in helps.items())
    return SCRIPT.format(commands=" ".join(helps), cases="\n".join(cases))


def _flags(text: str) -> list[str]:
    """Options in a command's help: `--[no-]x` stands for two."""
    flags = ["--help"]
    for negated, name in re.findall(r"^  --(\[no-\])?([a-z-]+)", text, re.MULTILINE):
        flags += [f"--{name}", f"--no-{name}"] if negated else [f"--{name}"]
    return flags
