"""Campaigns of a rate-limited API into PostgreSQL: the dlt pipeline of somebody who gives up dlt's HTTP client for speed.

As dlt_pipeline.py, but the syncs are coroutines with aiohttp, which dlt runs beside its own work. Extraction takes a third of the
time then. dlt's client and its retries are lost for the syncs; so the retries are written out here.
"""

import asyncio
import random

import aiohttp

from dlt_platform import API, CONCURRENCY, limiter, login, run, stored

ATTEMPTS = 10
client = None


def new_client():
    """Within dlt's event loop."""
    global client
    client = aiohttp.ClientSession(
        headers={"x-client-id": "acme"},
        connector=aiohttp.TCPConnector(limit=CONCURRENCY),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    return client


async def sync(campaign):
    path = f"{API}/api/campaigns/{campaign['id']}/sync"
    for attempt in range(ATTEMPTS):
        if limiter:
            await limiter.try_acquire_async("platform")
        delay = random.uniform(0.5, 1) * min(0.1 * 2**attempt, 5)
        headers = {"Authorization": f"Bearer {login.access_token}"}
        try:
            async with (client or new_client()).post(path, json={"campaign_id": campaign["id"]}, headers=headers) as response:
                answer = await response.json(content_type=None)
            if response.status == 200:
                if answer["success"] is not True:
                    raise RuntimeError(f"{campaign['id']} was not synced")
                return campaign | {"synced_at": answer["synced_at"]}
            error = f"{path}: {response.status}"
            if response.status == 429:
                delay = answer["retry_after"]
            elif response.status < 500:
                break
        except (aiohttp.ClientError, TimeoutError, ValueError) as failure:
            error = f"{path}: {failure!r}"
        await asyncio.sleep(delay)
    raise RuntimeError(error)


@stored
def campaigns(page):
    for campaign in page:
        yield sync(campaign)


if __name__ == "__main__":
    run(campaigns)
