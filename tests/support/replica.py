# SPDX-License-Identifier: Apache-2.0
"""A replica of a table, as far as a client can tell.

The stand's engine keeps real replicated tables read-only. What sluice sees of a shard is several servers, one
table, one memory of tokens: the replicas of a test are several of these before one plain table with a window.
They answer as a ReplicatedMergeTree does where sluice asks what the table is; everything else is the real server.
What this cannot show: replicas that lag behind, and Keeper going away."""

import fake_http

CLICKHOUSE = {"X_ClickHouse_Summary": "{}"}


def quorum_failure(code):
    """Errors of insert_quorum: 285 comes before a row lands; 286 and 319 leave it open, and here it has landed."""
    names = {285: "Number of alive replicas (1) is less than requested quorum (2). (TOO_FEW_LIVE_REPLICAS)",
             286: "Quorum for previous write has not been satisfied yet. (UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE)",
             319: "Unknown status, client must retry. Reason: timeout while waiting for quorum. "
                  "(UNKNOWN_STATUS_OF_INSERT)"}
    refusal = fake_http.exception(code, names[code])
    return refusal if code == 285 else fake_http.forward_then(refusal)


def replica(url):
    def describe(exchange):
        status, headers, body = exchange.forward()
        exchange.send((status, headers, body.replace(b"\tMergeTree\tMergeTree", b"\tReplicatedMergeTree\t"
                                                     b"ReplicatedMergeTree('/shop', '{replica}')")))

    server = fake_http.FakeHttp(forward_to=url)
    server.on(fake_http.sql_contains("toString(uuid), engine, engine_full"), describe)
    server.on(fake_http.sql_contains("FROM system.replicas"), fake_http.reply(200, "/shop\t2\n", **CLICKHOUSE))
    server.on(lambda request: request.sql.startswith("SYSTEM SYNC REPLICA"), fake_http.reply(200, "", **CLICKHOUSE))
    return server
