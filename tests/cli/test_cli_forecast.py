"""`prm-sync forecast` and `prm-sync incentives`, over a folder of files."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from commandline import Cli

POLICY = "programmes:\n  - {name: Bonus, earned_by: orders, percent: 10}\n"


@pytest.fixture
def papers(cli: Cli) -> Cli:
    """A partner whose only certificate runs out in nine days, a lead that asks for it, and a claim for nothing."""
    folder = cli.folder / "data"
    folder.mkdir(exist_ok=True)
    last = datetime.now(UTC).date() + timedelta(days=9)
    sheets = {
        "partners": "Partner Key,Name,Country,Territories\nalnoor,شركة النور,AE,AE\n",
        "leads": "Id,Email,Last Name,Country,Required Certification\n1,lan@anhduong.example,Phạm,AE,شهادة الضخ\n",
        "certifications": f"Certificate Id,Partner Key,Certificate,Expires On\n1,alnoor,شهادة الضخ,{last}\n",
        "claims": "Partner Key,Claim,Programme,Amount,Currency\nalnoor,R-1,Bonus,12.50,USD\n",
    }
    for name, text in sheets.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    (cli.folder / "policies").mkdir()
    (cli.folder / "policies" / "incentives.yaml").write_text(POLICY, encoding="utf-8")
    keys = {"partners": "Partner Key", "leads": "Id", "certifications": "Certificate Id", "claims": "Claim"}
    streams = {name: {"file": f"{name}.csv", "key": key} for name, key in keys.items()}
    config = {"folder": str(folder), "streams": streams}
    cli.write(
        connections={"portal": {"connector": "files", "config": config, "streams": list(keys)}}, policies="policies"
    )
    cli("run", "pull", "refine", "route", "measure")
    return cli


def test_what_runs_out_is_listed_with_the_leads_it_strands_and_drawn(papers: Cli, tmp_path: Path) -> None:
    last = datetime.now(UTC).date() + timedelta(days=9)
    [row] = papers("forecast", "--json").json["expiries"]
    assert (row["kind"], row["partner"], row["name"]) == ("certificate", "شركة النور", "شهادة الضخ")
    assert (date.fromisoformat(row["last_day"]), row["impact"]["stranded_in"]) == (last, {"AE": 1})
    said = papers("forecast", "--days", "30").out
    assert f"1 open lead in AE has no other eligible partner after {last}" in " ".join(said.split())
    assert "█" in said
    papers("forecast", "--svg", str(tmp_path / "plot.svg"))
    assert "شركة النور" in (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert papers("forecast", "--days", "5", "--json").json["expiries"] == []
    assert papers("forecast", "--partner", "nobody", "--json").json["expiries"] == []


def test_claims_that_were_not_earned_are_listed(papers: Cli) -> None:
    [row] = papers("incentives", "--json").json["claims"]
    assert (row["state"], row["claimed"], row["earned"], row["claim_numbers"]) == ("not_earned", 1250, 0, ["R-1"])
    assert "not_earned" in papers("incentives").out
    assert papers("incentives", "--state", "as_earned", "--json").json["claims"] == []
    assert "too_much" in papers("incentives", "--state", "much", code=2).err
