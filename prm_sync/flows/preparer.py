"""The process that prepares pages beside a large first load (see `beside`): `python -m prm_sync.flows.preparer`.

It knows nothing but the mappings: no warehouse, no connection, no secret. It reads pages as the remote sent them and
writes them back as `Prepared`, in their order, by pickles over the pipes of its parent. When that ends, however it may
be, it reads the end of its input and ends, too.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys

from prm_sync.flows.preparing import Recipe, prepare, rarely_collecting

NICENESS = 10  #: whoever asks the remote, and the warehouse, go first: these wait, we only work


def main() -> None:
    """A recipe, then pages, until the input ends."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, too, whose end is ours
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints, prints no answer
    recipe: Recipe = pickle.load(source)  # noqa: S301 our own parent
    makers = recipe.makers()
    with rarely_collecting():
        while True:
            try:
                content, decode = pickle.load(source)  # noqa: S301
            except EOFError:
                return
            try:
                made = prepare(recipe, makers, decode(content), seen_at=recipe.seen_at, run_id=recipe.run_id)
            except Exception:  # noqa: BLE001 - the parent makes the page itself, and has the same error where it belongs
                made = None
            pickle.dump(made, answers, protocol=5)
            answers.flush()


if __name__ == "__main__":
    main()
