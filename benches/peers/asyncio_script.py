"""Campaigns of a rate-limited API into PostgreSQL: the script that a Python engineer would write.

asyncio, aiohttp and asyncpg. What makes it fair:
- uvloop and orjson, because an expert who is asked for speed takes both; each is one line.
- A pool of workers over bounded queues: pages, syncs and writes overlap, and memory does not grow with the campaigns.
- Rows go to PostgreSQL as one JSON text for each batch, which PostgreSQL takes apart. That took a twentieth less of this process's
  time than arrays for unnest, COPY or executemany. Budgets stay exact: both sides write a number as its shortest text.
- No cookie jar, and timeouts of the socket instead of one of the whole request: a few per cent less for each request.
- aiolimiter spaces the requests evenly. Its bucket would let a burst through that a sliding window refuses; that took longer.
- One process. Python has one core then, as any asyncio script has.
"""

import asyncio
import os
import random
import sys

import aiohttp
import asyncpg
import orjson
import uvloop
from aiolimiter import AsyncLimiter

API = os.environ["API_URL"].rstrip("/")
CONCURRENCY = int(os.environ.get("CONCURRENCY", "16"))
PAGE_SIZE = int(os.environ.get("PAGE_SIZE", "100"))
RATE_LIMIT = os.environ.get("RATE_LIMIT", "none")
ATTEMPTS = 10
BATCH = 1000

TABLE = """CREATE TABLE IF NOT EXISTS campaigns (id text PRIMARY KEY, name text, status text, budget numeric, impressions bigint,
    clicks bigint, conversions bigint, created_at timestamptz, synced_at timestamptz)"""
UPSERT = """INSERT INTO campaigns
    SELECT * FROM json_to_recordset($1::json) AS row(id text, name text, status text, budget numeric, impressions bigint,
        clicks bigint, conversions bigint, created_at timestamptz, synced_at timestamptz)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, status = excluded.status, budget = excluded.budget,
        impressions = excluded.impressions, clicks = excluded.clicks, conversions = excluded.conversions,
        created_at = excluded.created_at, synced_at = excluded.synced_at"""


class Api:
    def __init__(self, session):
        self.session = session
        self.headers = {}
        self.limiter = None
        if RATE_LIMIT != "none":
            requests, seconds = RATE_LIMIT.removesuffix("s").split("/")
            self.limiter = AsyncLimiter(1, float(seconds) / int(requests))

    async def login(self):
        credentials = aiohttp.encode_basic_auth(os.environ["API_EMAIL"], os.environ["API_PASSWORD"])
        token = await self.request("POST", "/auth/token", headers={"Authorization": credentials})
        self.headers = {
            "Authorization": f"Bearer {token['access_token']}",
            "Content-Type": "application/json",
            "x-client-id": "acme",
        }

    async def request(self, method, path, body=None, headers=None):
        for attempt in range(ATTEMPTS):
            if self.limiter:
                await self.limiter.acquire()
            delay = random.uniform(0.5, 1) * min(0.1 * 2**attempt, 5)
            try:
                async with self.session.request(method, API + path, data=body, headers=headers or self.headers) as answer:
                    content = await answer.read()
                if answer.status == 200:
                    return orjson.loads(content)
                error = f"{method} {path}: {answer.status}"
                if answer.status == 429:
                    delay = orjson.loads(content)["retry_after"]
                elif answer.status < 500:
                    break
            except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as failure:
                error = f"{method} {path}: {failure!r}"
            await asyncio.sleep(delay)
        raise RuntimeError(error)


async def list_campaigns(api, listed):
    page, more = 1, True
    while more:
        answer = await api.request("GET", f"/api/campaigns?page={page}&limit={PAGE_SIZE}")
        for campaign in answer["data"]:
            await listed.put(campaign)
        page, more = page + 1, answer["pagination"]["has_more"]
    for _ in range(CONCURRENCY):
        await listed.put(None)


async def sync_campaigns(api, listed, synced):
    while campaign := await listed.get():
        body = orjson.dumps({"campaign_id": campaign["id"]})
        answer = await api.request("POST", f"/api/campaigns/{campaign['id']}/sync", body)
        if answer["success"] is not True:
            raise RuntimeError(f"{campaign['id']} was not synced")
        campaign["synced_at"] = answer["synced_at"]
        await synced.put(campaign)


async def store_campaigns(database, synced):
    rows, campaign = {}, {}
    while campaign is not None:
        if campaign := await synced.get():
            rows[campaign["id"]] = campaign
        if len(rows) >= BATCH or campaign is None:
            await database.execute(UPSERT, orjson.dumps(list(rows.values())).decode())
            rows = {}


async def main():
    listed, synced = asyncio.Queue(2 * PAGE_SIZE), asyncio.Queue(BATCH)
    connector = aiohttp.TCPConnector(limit=CONCURRENCY + 1)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
    cookies = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=cookies) as session:
        database = await asyncpg.connect(os.environ["DATABASE_URL"])
        await database.execute(TABLE)
        api = Api(session)
        await api.login()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(list_campaigns(api, listed))
            storing = tasks.create_task(store_campaigns(database, synced))
            workers = [tasks.create_task(sync_campaigns(api, listed, synced)) for _ in range(CONCURRENCY)]
            await asyncio.wait(workers)
            await synced.put(None)
            await storing
        await database.close()


if __name__ == "__main__":
    try:
        uvloop.run(main())
    except* Exception as failures:
        sys.exit(f"failed: {failures.exceptions[0]}")
