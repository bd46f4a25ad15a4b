"""Campaigns of a rate-limited API into PostgreSQL: the pipeline that somebody would build with dlt.

The listing is dlt's REST API source; the syncs are a transformer of it that has dlt's own HTTP client, with its retries. What
makes it fair:
- The sync could be a dependent resource of the REST API source, too. That took 5.3 s of processor for 5,000 campaigns, because it
  compiles its JSON path for each request; 3.3 s with a path that was compiled before; this transformer took 2.8 s.
- As many workers as the concurrency says, and each campaign is an item of work of its own. Greater items, more of them in advance
  and a second process for normalizing did not pay.
- `upsert` is one MERGE; `csv` is a COPY into the staging table. `delete-insert` and `insert_values` took as long. Files on the way
  are not compressed. Telemetry is off.
- The session does not ask the environment for a proxy at each request.
- requests-ratelimiter is an adapter of the session, so that each attempt counts and not just each request.
- Coroutines with aiohttp instead of dlt's HTTP client would be quicker, without dlt's retries.
"""

import dlt

from dlt_platform import API, login, run, session, stored


@stored
def campaigns(page):
    @dlt.defer
    def sync(campaign):
        url = f"{API}/api/campaigns/{campaign['id']}/sync"
        response = session.post(url, json={"campaign_id": campaign["id"]}, auth=login)
        response.raise_for_status()
        answer = response.json()
        if answer["success"] is not True:
            raise RuntimeError(f"{campaign['id']} was not synced")
        return campaign | {"synced_at": answer["synced_at"]}

    for campaign in page:
        yield sync(campaign)


if __name__ == "__main__":
    run(campaigns)
