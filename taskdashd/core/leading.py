"""Whether the daemon takes decisions by itself; whoever takes one asks here first."""


class Leading:
    """Says whether this daemon leads. A lone daemon does from its start until it stops.

    A decision that nobody has asked for (a death, a claim that runs out, what is forgotten) is
    taken only while `leads` is true: two daemons over the same tasks would take it twice.
    """

    def __init__(self) -> None:
        self._leads = self._is_paused = False

    @property
    def leads(self) -> bool:
        """Whether decisions may be taken."""
        return self._leads and not self._is_paused

    def begin(self) -> None:
        """Lead from now on."""
        self._leads = True

    def pause(self) -> None:
        """Take no decisions until `resume`: none could be stored."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on, unless leading has ended meanwhile."""
        self._is_paused = False

    def end(self) -> None:
        """Lead no longer."""
        self._leads = False
