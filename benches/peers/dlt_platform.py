"""What both dlt pipelines have in common: login, listing, limit, and how the campaigns are stored."""

import base64
import math
import os

CONCURRENCY = int(os.environ.get("CONCURRENCY", "16"))
PAGE_SIZE = int(os.environ.get("PAGE_SIZE", "100"))
RATE_LIMIT = os.environ.get("RATE_LIMIT", "none")
API = os.environ["API_URL"].rstrip("/")

# dlt reads its settings from here.
os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false",
    RUNTIME__LOG_LEVEL="ERROR",
    EXTRACT__WORKERS=str(CONCURRENCY),
    EXTRACT__MAX_PARALLEL_ITEMS=str(CONCURRENCY),
    DATA_WRITER__DISABLE_COMPRESSION="true",
    RESTORE_FROM_DESTINATION="false",
)

import dlt
from dlt.common.configuration import configspec
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.rest_api import rest_api_source


@configspec
class Login(OAuth2ClientCredentials):
    """As dlt's documentation says it for services that want Basic authentication. It logs in again when the token has expired."""

    def build_access_token_request(self):
        credentials = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return {"headers": {"Authorization": f"Basic {credentials}"}}


def retry_after(response, *_args, **_kwargs):
    """Where dlt's retries look for it. They take whole seconds."""
    if response.status_code == 429:
        response.headers["Retry-After"] = str(math.ceil(response.json()["retry_after"]))


def new_session():
    session = Client(
        raise_for_status=False,
        max_connections=CONCURRENCY,
        request_max_attempts=10,
        request_backoff_factor=0.1,
        request_max_retry_delay=5,
    ).session
    session.trust_env = False
    session.headers["x-client-id"] = "acme"
    session.hooks["response"] = [retry_after]
    if limiter:
        from requests_ratelimiter import LimiterAdapter

        adapter = LimiterAdapter(limiter=limiter, per_host=False, pool_maxsize=CONCURRENCY)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
    return session


limiter = None
if RATE_LIMIT != "none":
    from pyrate_limiter import Limiter, Rate

    requests, seconds = RATE_LIMIT.removesuffix("s").split("/")
    limiter = Limiter(Rate(int(requests), int(float(seconds) * 1000)), buffer_ms=20)
session = new_session()
login = Login(
    access_token_url=f"{API}/auth/token",
    client_id=os.environ["API_EMAIL"],
    client_secret=os.environ["API_PASSWORD"],
    session=session,
)
listing = rest_api_source(
    {
        "client": {"base_url": API, "session": session, "auth": login},
        "resources": [
            {
                "name": "listing",
                "endpoint": {
                    "path": "api/campaigns",
                    "params": {"limit": PAGE_SIZE},
                    "data_selector": "data",
                    "paginator": {
                        "type": "page_number",
                        "base_page": 1,
                        "total_path": None,
                        "has_more_path": "pagination.has_more",
                    },
                    "response_actions": [retry_after],
                },
            }
        ],
    },
    name="platform",
).listing


# How the campaigns are stored, whoever syncs them.
stored = dlt.transformer(
    data_from=listing,
    primary_key="id",
    write_disposition={"disposition": "merge", "strategy": "upsert"},
    columns={
        "id": {"data_type": "text"},
        "name": {"data_type": "text"},
        "status": {"data_type": "text"},
        # From a JSON number by its shortest text, which is exact for two decimals.
        "budget": {"data_type": "decimal"},
        "impressions": {"data_type": "bigint"},
        "clicks": {"data_type": "bigint"},
        "conversions": {"data_type": "bigint"},
        "created_at": {"data_type": "timestamp"},
        "synced_at": {"data_type": "timestamp"},
    },
)


def run(campaigns):
    # dlt wants a host and a password; the socket's directory in the URL's query has precedence, and the password is not used.
    database = os.environ["DATABASE_URL"].replace("@/", ":unused@localhost/")
    pipeline = dlt.pipeline(
        "campaigns",
        destination=dlt.destinations.postgres(database),
        dataset_name="public",
        pipelines_dir=os.environ["PIPELINES_DIR"],
    )
    pipeline.run(campaigns, loader_file_format="csv")
