"""A file is kept under the hash of the very bytes that were read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.declarations.conftest import ROW_KEY, Body
from tests.unit.declarations.written import ANNE, Declaration, Folder

from cloison.errors import StorageError
from cloison.identity import Nir, row_key
from cloison.store import Store


def changing(path: Path, old: bytes, new: bytes, store: Store) -> Callable[[bytes], bool]:
    """Stands between a file's hash and its reading: another process writes the file there."""
    ask = store.has_loaded

    def has_loaded(digest: bytes) -> bool:
        path.write_bytes(path.read_bytes().replace(old, new))
        return ask(digest)

    return has_loaded


@pytest.mark.parametrize("kind", ["message", "table"])
def test_load_file_changed_after_its_hash_is_refused_whole(
    kind: str, cnav: Body, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = f"{ANNE};Lemy;Anne;1985-06-01;permanent;;0"
    head = "nir;birth_name;first_names;birth_date;nir_status;death_date;objection"
    if kind == "message":
        path, old, new = folder.dsn(Declaration()), b"1800.00", b"1900.00"
    else:
        path, old, new = folder.table("identities", head, identity), b";;0", b";;1"
    before = path.read_bytes()
    monkeypatch.setattr(cnav.store, "has_loaded", changing(path, old, new, cnav.store))

    with pytest.raises(StorageError, match="changed while it was read") as caught:
        cnav.load(path)

    assert caught.value.reason == "FILE_CHANGED"
    assert before != path.read_bytes()
    assert cnav.store.identity(row_key(ROW_KEY, Nir(ANNE))) is None
    monkeypatch.undo()
    assert cnav.load(path).records == 1
