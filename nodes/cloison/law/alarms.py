"""`audit.toml`: above which numbers an audit speaks, each with its reason."""

from typing import Annotated

from pydantic import Field

from cloison.law.records import FileShape, Words


class Threshold(FileShape):
    """A number and why it is that one.

    Attributes:
        value: In the unit its name ends with.
        reason: In words, for who is told of a finding and asks why.
    """

    value: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
    reason: Words


class Alarms(FileShape):
    """Every threshold of the audit, by the family of findings it belongs to."""

    # Attempts.
    same_refusals_a_day: Threshold
    bases_tried_a_day: Threshold
    ordinary_refusals_percent: Threshold
    ordinary_refusals_least: Threshold
    failures_a_day: Threshold
    lost_answers_percent: Threshold
    lost_answers_least: Threshold
    # Sweeps.
    named_file_persons_a_day: Threshold
    control_persons_a_day: Threshold
    without_case_percent: Threshold
    without_case_least: Threshold
    months_of_one_case: Threshold
    monthly_cases_percent: Threshold
    monthly_cases_least: Threshold
    # Windows.
    windows_added_persons: Threshold
    # Cases.
    named_cases_a_day: Threshold
    bulk_factor: Threshold
    bulk_least: Threshold
    pretext_seconds: Threshold
    pretext_hours: Threshold
    pretext_percent: Threshold
    pretext_least: Threshold
    undecided_percent: Threshold
    undecided_least: Threshold
    unpaid_percent: Threshold
    unpaid_least: Threshold
    # Persons and agents.
    same_lookups_a_day: Threshold
    same_case_days: Threshold
    agent_factor: Threshold
    agent_least_a_day: Threshold
    office_first_hour: Threshold
    office_last_hour: Threshold
    unusual_hour_least: Threshold
    volume_factor: Threshold
    volume_least: Threshold
    # Drift.
    drift_hundredths: Threshold
    drift_least_questions: Threshold
    drift_least_months: Threshold
    # Obligations.
    notice_days: Threshold
    retention_grace_hours: Threshold
    contestation_days: Threshold
    # Ledgers.
    clock_back_seconds: Threshold
    clock_apart_seconds: Threshold
    witness_gap_hours: Threshold
    policy_apart_hours: Threshold
    # Budgets.
    unpublished_hours: Threshold
    losses_of_one_table: Threshold
