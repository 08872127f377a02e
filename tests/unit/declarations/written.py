"""Declarations and tables written by hand, small and right; tests then break one thing."""

from dataclasses import dataclass, field
from pathlib import Path

# No commune is numbered 000: these numbers can be nobody's.
ANNE = "285067500000113"
BRUNO = "179127500000264"
TEMPORARY = "785067500000154"
SIREN = "000000109"
NIC = "90000"
SIRET = SIREN + NIC


@dataclass(frozen=True)
class Pay:
    """One payment; amounts as written."""

    nir: str = ANNE
    day: str = "28022026"
    gross: str = "1800.00"
    net_fiscal: str = "1450.00"
    social: str = "1400.00"
    net: str = "1380.00"
    withheld: str = "20.00"
    contract: str = "00001"
    name: str = "O'Brien-Été"

    def person(self) -> list[str]:
        return [
            f"S21.G00.30.001,'{self.nir[:13]}'",
            f"S21.G00.30.002,'{self.name}'",
            "S21.G00.30.004,'Anne'",
            "S21.G00.30.006,'01061985'",
            "S21.G00.40.001,'01092020'",
            "S21.G00.40.007,'01'",
            f"S21.G00.40.009,'{self.contract}'",
        ]

    def payment(self) -> list[str]:
        return [
            f"S21.G00.50.001,'{self.day}'",
            f"S21.G00.50.002,'{self.net_fiscal}'",
            "S21.G00.50.003,'1'",
            f"S21.G00.50.009,'{self.withheld}'",
            "S21.G00.51.001,'01022026'",
            "S21.G00.51.002,'28022026'",
            f"S21.G00.51.010,'{self.contract}'",
            "S21.G00.51.011,'001'",
            f"S21.G00.51.013,'{self.gross}'",
            "S21.G00.58.003,'01'",
            f"S21.G00.58.004,'{self.net}'",
            "S21.G00.58.003,'03'",
            f"S21.G00.58.004,'{self.social}'",
        ]

    def lines(self) -> list[str]:
        return self.person() + self.payment()


@dataclass(frozen=True)
class Declaration:
    """One declaration of an employer's month."""

    pays: tuple[Pay, ...] = (Pay(),)
    kind: str = "01"
    order: int = 1
    month: str = "01022026"
    nature: str = "01"
    nic: str = NIC

    def lines(self) -> list[str]:
        head = [
            f"S20.G00.05.001,'{self.nature}'",
            f"S20.G00.05.002,'{self.kind}'",
            "S20.G00.05.003,'11'",
            f"S20.G00.05.004,'{self.order}'",
            f"S20.G00.05.005,'{self.month}'",
            f"S21.G00.06.001,'{SIREN}'",
            f"S21.G00.06.002,'{self.nic}'",
            f"S21.G00.11.001,'{self.nic}'",
        ]
        return head + [line for pays in self._by_person() for line in _person_lines(pays)]

    def _by_person(self) -> list[list[Pay]]:
        persons: dict[str, list[Pay]] = {}
        for pay in self.pays:
            persons.setdefault(pay.nir, []).append(pay)
        return list(persons.values())


def _person_lines(pays: list[Pay]) -> list[str]:
    return pays[0].person() + [line for pay in pays for line in pay.payment()]


SEND = [
    "S10.G00.00.001,'Essai'",
    "S10.G00.00.006,'P24V01'",
    f"S10.G00.01.001,'{SIREN}'",
    "S10.G00.02.002,'Service paie'",
]


def dsn_lines(*declarations: Declaration) -> list[str]:
    """The lines of a whole message, its counts right."""
    lines = SEND + [line for each in declarations for line in each.lines()]
    return [
        *lines,
        f"S90.G00.90.001,'{len(lines) + 2}'",
        f"S90.G00.90.002,'{len(declarations)}'",
    ]


def recount(lines: list[str]) -> list[str]:
    """The same lines with the count of lines put right."""
    start = "S90.G00.90.001,"
    return [f"{start}'{len(lines)}'" if line.startswith(start) else line for line in lines]


@dataclass
class Folder:
    """Writes files, each under a new name."""

    path: Path
    written: int = field(default=0)

    def bytes(self, data: bytes, suffix: str = "dsn") -> Path:
        self.written += 1
        path = self.path / f"file-{self.written}.{suffix}"
        path.write_bytes(data)
        return path

    def dsn(self, *declarations: Declaration) -> Path:
        return self.lines(dsn_lines(*declarations))

    def lines(self, lines: list[str], encoding: str = "iso-8859-1", suffix: str = "dsn") -> Path:
        return self.bytes("".join(f"{line}\n" for line in lines).encode(encoding), suffix)

    def table(self, dataset: str, columns: str, *rows: str) -> Path:
        lines = [f"# cloison {dataset} 1", columns, *rows, f"# end {len(rows)}"]
        return self.lines(lines, "utf-8", "csv")
