"""`prm-sync targets`, over a folder of files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from commandline import Cli

from prm_sync.cli.targets import bar

PARTNERS = """\
Partner Key,Name,Status,Manager
alnoor,شركة النور,Active,Linh
dongfang,东方科技,Active,
left,Weg GmbH,Terminated,Linh
"""
HEADER = "Partner Key,Metric,Amount,Currency,Quantity,Period Start,Period End,Status\n"


@pytest.fixture
def listed(cli: Cli) -> Cli:
    """Targets of whose periods two thirds are over, of partners with certificates; one that nobody can follow."""
    today = datetime.now(UTC).date()
    of = f"{today - timedelta(days=60)},{today + timedelta(days=29)}"
    cli.text("data/partners.csv", PARTNERS)
    cli.text(
        "data/targets.csv",
        f"{HEADER}alnoor,Certifications,,,4,{of},\ndongfang,Certifications,,,2,{of},\nalnoor,Revenue,25000000,VND,,{of},\n"
        f"left,Certifications,,,2,{of},\nalnoor,Leads,,,2,{of},Draft\nnobody,Leads,,,2,{of},\n",
    )
    granted = today - timedelta(days=5)
    cli.text(
        "data/certifications.csv",
        "Certificate Id,Partner Key,Certificate,Issued On\n"
        + "".join(f"{n},{who},پمپ,{granted}\n" for n, who in enumerate(("alnoor", "dongfang", "dongfang", "left"))),
    )
    keys: dict[str, Any] = {"partners": "Partner Key", "targets": ["Partner Key", "Metric", "Period Start"],
                            "certifications": "Certificate Id"}  # fmt: skip
    streams = {name: {"file": f"{name}.csv", "key": key} for name, key in keys.items()}
    config = {"folder": str(cli.folder / "data"), "streams": streams}
    cli.write(connections={"portal": {"connector": "files", "config": config, "streams": list(keys)}})
    cli("run", "pull", "refine", "measure")
    return cli


def test_targets_are_listed_with_what_is_reached_beside_what_should_be(listed: Cli) -> None:
    found = listed("targets", "--json").json
    assert (found["counts"], found["left_out"]) == ({"behind": 2, "missed": 1, "reached": 1}, 1)
    assert [(r["partner_key"], r["metric"], r["reached"], r["target"], r["state"]) for r in found["targets"]] == [
        ("alnoor", "revenue", 0, 25_000_000, "behind"), ("alnoor", "certifications", 1, 4, "behind"),
        ("dongfang", "certifications", 2, 2, "reached"), ("left", "certifications", 1, 2, "missed"),
    ]  # fmt: skip
    assert found["targets"][1]["pace"] == pytest.approx(1 / (4 * 60 / 90))
    said = " ".join(listed("targets").out.split())
    assert "شركة النور certifications" in said
    assert "1 4 █████░░░░░░░░│░░░░░░░ behind plan: 25 % of the target after 66 % of the time" in said
    assert "0 VND 25,000,000 VND" in said
    assert "no partner, amount or period is known of them: 1" in said


def test_targets_behind_plan_or_of_one_partner_are_listed_alone(listed: Cli) -> None:
    def shown(*options: str) -> set[tuple[str, str]]:
        return {(r["partner_key"], r["state"]) for r in listed("targets", "--json", *options).json["targets"]}

    assert shown("--behind") == {("alnoor", "behind")}
    assert shown("--partner", "dongfang") == {("dongfang", "reached")}
    assert shown("--partner", "dongfang", "--behind") == set()
    [partner] = {r["partner_id"] for r in listed("targets", "--json", "-p", "left").json["targets"]}
    assert shown("--partner", partner) == {("left", "missed")}
    assert "Targets: none" in listed("targets", "--partner", "nobody").out


@pytest.mark.parametrize(
    ("attainment", "elapsed", "drawn"),
    [
        (0, 0, "│░░░░░░░░░░░░░░░░░░░░"), (0.5, 0.25, "█████│█████░░░░░░░░░░"), (1, 1, "████████████████████│"),
        (0.999, 0.5, "██████████│█████████░"), (7, 1, "████████████████████│"),
    ],
)  # fmt: skip
def test_a_bar_is_as_long_as_what_is_reached_and_marks_where_it_should_be(
    attainment: float, elapsed: float, drawn: str
) -> None:
    assert bar(attainment, elapsed) == drawn
