"""What anybody may fetch over HTTP: heads and hash tiles of the ledgers, and the witness.

Source: c2sp.org/tlog-tiles, c2sp.org/tlog-witness. Entries are not among it: they go, over gRPC, to
those who may read them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from cloison.errors import CloisonError, StorageError
from cloison.ledger.log import Log
from cloison.ledger.tiles import TILE_WIDTH, Tile
from cloison.ledger.witness import MOST_BYTES, TEXT, Witness

_TILE = re.compile(r"([0-5])/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BYTES = "application/octet-stream"
_FOR_EVER = "max-age=31536000, immutable"
_HARDLY = "max-age=1"


@dataclass(frozen=True, slots=True)
class Published:
    """One ledger, as it is published.

    Attributes:
        seen: The newest head that enough witnesses saw; empty while there is none.
    """

    log: Log
    seen: Callable[[], bytes]


def public_app(ledgers: Mapping[str, Published], witness: Witness | None) -> web.Application:
    """The pages of a node, or of a witness alone.

    Args:
        ledgers: By the first part of their URLs: `traces`, `register`.
        witness: None where this process is none.
    """
    app = web.Application(client_max_size=MOST_BYTES, middlewares=[_told])
    for name, published in ledgers.items():
        pages = _Pages(published)
        app.router.add_get(f"/{name}/checkpoint", pages.checkpoint)
        app.router.add_get(f"/{name}/tile/entries/{{path:.+}}", pages.entries)
        app.router.add_get(f"/{name}/tile/{{path:.+}}", pages.tile)
    if witness is not None:
        desk = _WitnessDesk(witness)
        app.router.add_post("/witness/add-checkpoint", desk.add_checkpoint)
        app.router.add_get("/witness/{name}/checkpoint", desk.checkpoint)
    return app


@web.middleware
async def _told(request: web.Request, handler: Callable[..., object]) -> web.StreamResponse:
    """What this house refuses, as HTTP says it; nothing of the inside with it."""
    try:
        return await handler(request)  # type: ignore[misc, no-any-return]
    except StorageError as error:
        raise web.HTTPServiceUnavailable(text="the ledger does not answer now\n") from error
    except CloisonError as error:
        raise web.HTTPNotFound(text=f"{error.message}\n") from error


class _Pages:
    def __init__(self, published: Published) -> None:
        self._log = published.log
        self._seen = published.seen

    async def checkpoint(self, _: web.Request) -> web.Response:
        """The newest head that enough witnesses saw; while there is none, the ledger's own."""
        note = self._seen() or self._log.checkpoint()
        return _response(note, TEXT, _HARDLY)

    async def tile(self, request: web.Request) -> web.Response:
        """A hash tile."""
        match = _TILE.fullmatch(request.match_info["path"])
        if match is None:
            raise web.HTTPNotFound(text="not the path of a tile\n")
        level, number, width = match.groups()
        index = int(number.replace("x", "").replace("/", ""))
        tile = Tile(int(level), index, int(width) if width else TILE_WIDTH)
        if tile.width > TILE_WIDTH or tile.path != f"tile/{request.match_info['path']}":
            raise web.HTTPNotFound(text="not the path of a tile\n")
        return _response(self._log.tile(tile.level, tile.index, tile.width), _BYTES, _FOR_EVER)

    async def entries(self, _: web.Request) -> web.Response:
        """Entries are about people, and are given to those who may read them alone."""
        raise web.HTTPForbidden(text="entries are not published: see GetEntries of LedgerService\n")


class _WitnessDesk:
    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        """INVARIANT: nothing is awaited between the check of a head and its keeping."""
        reply = self._witness.add_checkpoint(await request.read())
        headers = {"Content-Type": reply.content_type}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    async def checkpoint(self, request: web.Request) -> web.Response:
        """The newest head this witness cosigned of a ledger."""
        name = request.match_info["name"]
        note = self._witness.checkpoint(name) if _NAME.fullmatch(name) else None
        if note is None:
            raise web.HTTPNotFound(text="no head of such a ledger was cosigned here\n")
        return _response(note, TEXT, _HARDLY)


def _response(body: bytes, content_type: str, cache: str) -> web.Response:
    headers = {"Content-Type": content_type, "Cache-Control": cache}
    return web.Response(body=body, headers=headers)
