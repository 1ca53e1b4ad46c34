"""The double as a process: it says its base on one line and runs until it is ended."""

from __future__ import annotations

import argparse
import contextlib

import anyio

from tests.lab.graph.server import serving


async def main(port: int, prefix: str) -> None:
    async with serving(port=port, prefix=prefix, judged=False) as lab:
        print(lab.base, flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.lab.graph")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--prefix", default="", help="a path before everything, as /gov")
    told = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(main, told.port, told.prefix)
