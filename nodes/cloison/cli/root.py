"""Where the policy and the body folders are: a checkout, or what travels with the package."""

from importlib.resources import files
from pathlib import Path

from cloison.errors import InputError, StorageError

_MARK = Path("policy", "purposes.toml")
_SUFFIXES = frozenset({".toml", ".cedar", ".cedarschema", ".yaml"})


def find_root(start: Path | None = None) -> Path:
    """The nearest folder from `start` up that holds `policy/purposes.toml`; else the package's.

    Args:
        start: None: the working folder.

    Raises:
        InputError: `NO_ROOT`: there is neither.
    """
    packaged = Path(str(files("cloison"))) / "_data"
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, packaged):
        if (folder / _MARK).is_file():
            return folder
    raise InputError("NO_ROOT", f"folder `{here}`: no policy here or above", "give --root")


def read_policy(root: Path) -> dict[str, bytes]:
    """Every policy file under `root/policy`, by its path there; hidden files are left out.

    Raises:
        StorageError: `POLICY_UNREADABLE`: a file cannot be read.
    """
    return read_policy_folder(root / "policy")


def read_policy_folder(folder: Path) -> dict[str, bytes]:
    """Every policy file under a folder, by its path there; hidden files are left out.

    Raises:
        StorageError: `POLICY_UNREADABLE`: a file cannot be read.
    """
    try:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in _SUFFIXES and not path.name.startswith(".") and path.is_file()
        }
    except OSError as error:
        raise StorageError("POLICY_UNREADABLE", f"policy `{folder}`: {error.strerror}") from error
