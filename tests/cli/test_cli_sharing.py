"""`prm-sync sharing explain` and `prm-sync forget`, by a person at a terminal."""

from __future__ import annotations

from commandline import Cli
from workbench import Bench, Project, Vendors

from prm_sync.cli.terminal import MASK

KEY = "a secret of the tests"


def test_sharing_explain_says_what_a_partner_would_see_and_why_not_the_rest(
    bench: Bench, project: Project, vendors: Vendors
) -> None:
    vendors.partner("nordwind")
    vendors.lead("Nguyễn", Email="an@zq9.example", Street="Lê Lợi 1", HasOptedOutOfEmail=True)
    bench.cycle()
    env = {
        "PRM_SYNC_PROJECT": str(project.folder), "PRM_SYNC_DATABASE_URL": project.database_url,
        "PRM_SYNC_HASH_KEY": KEY, **vendors.env,
    }  # fmt: skip
    cli = Cli(project.folder, env)
    said = cli("sharing", "explain", "an@zq9.example", "--partner", "nordwind", "--json").json
    [stream] = said["streams"]
    seen = {r["field"]: r for r in stream["seen"]}
    withheld = {r["field"]: r["why"] for r in stream["withheld"]}
    assert seen["company"]["entry"] == "streams.leads"
    assert seen["last_name"]["value"] == MASK
    assert withheld["email"] == "the record says no_email"
    assert withheld["street"] == "no entry in force names it"
    assert said["log"][0]["partner_key"] == "nordwind"
    assert "email" not in said["log"][0]["fields"]
    text = cli("sharing", "explain", said["id"], "--show-values").out
    assert "Nguyễn" in text
    wrong = cli("sharing", "explain", said["id"], "--partner", "niemand", code=2)
    assert "niemand" in wrong.err
    done = cli("forget", "--email", "an@zq9.example", "--yes", "--json").json
    assert done["deleted"] == {"prm.leads": 1}
    assert "zq9" not in str(done)
    assert vendors.prm_leads() == []
