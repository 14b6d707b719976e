"""How bash and fish ask for completions, and put them into the line that is being typed.

Whatever a completion holds, the shell runs none of it.
"""

import os
import re
from typing import Final

from click import shell_completion

_PLAIN: Final = re.compile(r"[\w./:=@%+,-]", re.ASCII)
_IN_QUOTES: Final = {'"': '"$`\\!', "'": "'"}
"""What means something to bash within such quotes."""

_BASH: Final = """\
%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            plain) COMPREPLY+=("$value") ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_FISH: Final = """\
function %(complete_func)s
    env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp | string collect) \\
        COMP_CWORD=(commandline -ct | string collect) %(prog_name)s 2>/dev/null |
        while read -l completion
            set -l parts (string split -m 1 , -- $completion)
            switch $parts[1]
                case dir
                    __fish_complete_directories $parts[2]
                case file
                    __fish_complete_path $parts[2]
                case plain
                    printf '%%s\\n' $parts[2]
            end
        end
end

complete --no-files --keep-order --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


@shell_completion.add_completion_class
class _Bash(shell_completion.BashComplete):
    """Bash as it is: COMPREPLY is put into the line as it stands, and words end at colons."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Split the line up to the cursor as a shell does, and not at colons as readline does."""
        line = os.environ["COMP_WORDS"]
        # A sign at the end shows whether a word is begun there, also one in quotes.
        *words, last = shell_completion.split_arg_string(line + "\1")
        self._typed = re.split(r"(?<!\\)\s", line)[-1]
        return words[1:], last.removesuffix("\1")

    def format_completion(self, item: shell_completion.CompletionItem[str]) -> str:
        """Write what bash puts in the place of its word, which begins behind a break."""
        quote = self._typed[:1]
        if quote in _IN_QUOTES:
            harmless = not set(_IN_QUOTES[quote]) & set(item.value)
            return f"{item.type},{item.value}" if harmless else "none,"
        value = "".join(
            one if _PLAIN.match(one) or not one.isascii() else f"\\{one}" for one in item.value
        )
        breaks = set(os.environ.get("COMP_WORDBREAKS", "")) & set(":=@")
        begins = 1 + max((self._typed.rfind(one) for one in breaks), default=-1)
        return f"{item.type},{value[begins:]}"


@shell_completion.add_completion_class
class _Fish(shell_completion.FishComplete):
    """Fish with ids that hold commas."""

    source_template = _FISH
