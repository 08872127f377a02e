"""How data come in: messages, tables, Parquet; read strictly, loaded whole or not at all.

* One accepted spelling: a file that is not exactly as its format says is refused whole, with the
  list of everything wrong in it, each with line, place, reason and remedy; never with a value.
* One file is one transaction; the same file twice changes nothing.
* A correction makes new versions; a cancelled declaration leaves its months under correction.
* Lines of blocks that are not known are kept as sent, sealed: the norm grows each year.
* The formats are known here; which rubric or column is which field, only by the catalogue.
"""

from cloison.declarations.faults import Fault, FileRejectedError
from cloison.declarations.load import FileReport, LoadReport, load_files

__all__ = ["Fault", "FileRejectedError", "FileReport", "LoadReport", "load_files"]
