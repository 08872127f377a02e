"""How prices and budgets are told: as text, and as JSON."""

import math
from fractions import Fraction
from typing import Any

import typer

from cloison.cli.console import out, table
from cloison.pages.budget import pockets
from cloison.statistics.loss import shown
from cloison.v1 import statistics_service_pb2 as wire

_BAR = 24


def price_to_json(price: wire.PriceResponse) -> dict[str, Any]:
    """A price, what is left, and the error expected of each level."""
    return {
        "mechanism": price.mechanism,
        "epsilon": price.epsilon,
        "rho": price.rho,
        "kept": price.kept,
        "affordable": price.affordable,
        "spent_epsilon": price.budget.spent_epsilon,
        "spent_rho": price.budget.spent_rho,
        "granted_epsilon": price.budget.granted_epsilon,
        "granted_rho": price.budget.granted_rho,
        "levels": [
            {
                "level": one.level,
                "cells": one.cells,
                "share": one.share,
                "rmse": round(one.rmse, 3),
                "half_width": round(one.half_width, 3),
                **(
                    {
                        "sum_rmse": round(one.sum_rmse, 3),
                        "sum_half_width": round(one.sum_half_width, 3),
                    }
                    if one.sum_rmse
                    else {}
                ),
            }
            for one in price.levels
        ],
    }


def show_price(price: wire.PriceResponse) -> None:
    """As `price_to_json`, for people."""
    budget = price.budget
    left_epsilon = Fraction(budget.granted_epsilon) - Fraction(budget.spent_epsilon)
    left_rho = Fraction(budget.granted_rho) - Fraction(budget.spent_rho)
    cost = "nothing: it is published" if price.kept else f"ε {price.epsilon}, ρ {price.rho}"
    typer.echo(f"{price.mechanism} · costs {cost}")
    typer.echo(
        f"left of {budget.population} {budget.year}: ε {shown(left_epsilon, up=False)},"
        f" ρ {shown(left_rho, up=False)}" + ("" if price.affordable else " · TOO DEAR")
    )
    names = ["cells", "share", "typical error", "95 % interval"]
    if any(one.sum_rmse for one in price.levels):
        names += ["of the sum", "95 % interval of the sum"]
    levels = table("level", *names, right=tuple(names))
    levels.columns[0].no_wrap = True
    for one in price.levels:
        told = [str(one.cells), one.share, f"{one.rmse:.1f}", f"± {one.half_width:.1f}"]
        if one.sum_rmse:
            told += [f"{one.sum_rmse:,.0f} €", f"± {one.sum_half_width:,.0f} €"]
        levels.add_row(one.level, *told)
    out().print(levels)


def budget_to_json(told: wire.BudgetResponse) -> dict[str, Any]:
    """Every budget and ceiling."""
    budgets = [
        {field.name: getattr(one, field.name) for field in one.DESCRIPTOR.fields}
        for one in told.budgets
    ]
    ceilings = [
        {
            "id": one.id,
            "grants": list(one.grants),
            "granted_epsilon": one.granted_epsilon,
            "granted_rho": one.granted_rho,
            "epsilon": one.epsilon,
            "rho": one.rho,
            "delta": one.delta,
        }
        for one in told.ceilings
    ]
    return {"budgets": budgets, "ceilings": ceilings}


def show_budget(told: wire.BudgetResponse) -> None:
    """What is granted and spent, each pocket with a bar, and what a person is exposed to."""
    spent = table("population", "year", "pocket", "spent", "granted", "", right=("spent",))
    for one in told.budgets:
        for pocket, used, granted in pockets(one):
            spent.add_row(
                one.population, str(one.year), pocket, str(used), str(granted), _bar(used, granted)
            )
    out().print(spent)
    for ceiling in told.ceilings:
        typer.echo(
            f"a person in all of {', '.join(ceiling.grants)}: granted ε {ceiling.granted_epsilon},"
            f" ρ {ceiling.granted_rho}; at most ε {ceiling.epsilon}, ρ {ceiling.rho}"
        )


def _bar(used: Fraction, granted: Fraction) -> str:
    """What is spent, as filled blocks, rounded up."""
    filled = min(_BAR, math.ceil(_BAR * used / granted))
    return "█" * filled + "░" * (_BAR - filled)
