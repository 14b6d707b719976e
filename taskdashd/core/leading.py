"""Whether the daemon takes decisions by itself; whoever takes one asks here first."""


class Leading:
    """Says whether this daemon leads. A lone daemon does from its start until it stops.

    A decision that nobody has asked for (a death, a claim that runs out, what is forgotten) is
    taken only while `leads` is true: two daemons over the same tasks would take it twice.
    """

    def __init__(self) -> None:
        self._leads = False

    @property
    def leads(self) -> bool:
        """Whether decisions may be taken."""
        return self._leads

    def begin(self) -> None:
        """Lead from now on."""
        self._leads = True

    def end(self) -> None:
        """Lead no longer."""
        self._leads = False
