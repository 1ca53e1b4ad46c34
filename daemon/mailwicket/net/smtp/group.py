"""Commands whose answers are read one by one, said in one go where the server takes that (PIPELINING, RFC 2920)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from mailwicket.net.smtp.client import SmtpClient
from mailwicket.net.smtp.reply import Reply


class Group:
    """Each command is answered, in order, whatever became of those before it: so none is skipped once it is said."""

    def __init__(self, client: SmtpClient, commands: Sequence[tuple[str, float]]) -> None:
        """Say *commands*, each with the seconds that its answer may take; as far as it goes. DATA may be the last.

        Raises:
            TransientError: the connection has ended, or the server spoke without being asked.
        """
        self._client = client
        self._commands = deque(commands)
        self._is_said = client.has("pipelining")
        if self._is_said:
            client.say([command for command, _ in commands], verb_of(commands[0][0]))

    async def answer(self) -> Reply:
        """Return the next answer, whatever it is.

        Raises:
            TransientError: the connection ended, the deadline passed, or the answer is no SMTP.
        """
        command, within_s = self._commands.popleft()
        if self._is_said:
            return await self._client.answer(verb_of(command), within_s)
        return await self._client.run(command, within_s)

    async def rest(self) -> Reply | None:
        """Hear the answers to what else was said, and return the last; None where nothing was: nothing more is said.

        Raises:
            TransientError: as `answer`.
        """
        found = None
        while self._is_said and self._commands:
            found = await self.answer()
        return found


def verb_of(command: str) -> str:
    """Return what a *command* is called."""
    return command.partition(" ")[0]
