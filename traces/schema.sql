-- The index of all traces. It is made from the journals and can be deleted at any time.
-- Times t and latency_s are seconds on the run's clock, wall is Unix time; cost_nano_usd is in 1e-9 USD and NULL
-- where a price is unknown; trials count from 0.

CREATE TABLE meta (version INTEGER NOT NULL);

-- What each experiment's rows were made from: compared with the files to see what has changed.
-- part numbers its events, so that a run is found without a look at those of other experiments.
CREATE TABLE indexed (experiment VARCHAR NOT NULL, signature VARCHAR NOT NULL, part INTEGER NOT NULL);

CREATE TABLE experiments (
    id VARCHAR NOT NULL, created DOUBLE, scenario VARCHAR, command VARCHAR, plan JSON, state VARCHAR
);

-- parent_* and changes (a JSON object): where a fork comes from; NULL for other runs.
-- tokens_origin: who counted the tokens: measured (who served the model), estimated (we did), unknown.
-- One row for each run. A run without its last event has the status 'interrupted'.
CREATE TABLE runs (
    experiment VARCHAR NOT NULL, run INTEGER NOT NULL, scenario VARCHAR, case_id VARCHAR, team VARCHAR,
    engine VARCHAR, model VARCHAR, trial INTEGER, seed HUGEINT, simulated BOOLEAN, clock VARCHAR,
    difficulty VARCHAR, features VARCHAR[], status VARCHAR, ended_by VARCHAR, success BOOLEAN, score DOUBLE,
    input_tokens BIGINT, output_tokens BIGINT, calls BIGINT, cost_nano_usd BIGINT, latency_s DOUBLE,
    messages BIGINT, events BIGINT, answer VARCHAR, error VARCHAR,
    parent_experiment VARCHAR, parent_run INTEGER, parent_step INTEGER, changes VARCHAR, tokens_origin VARCHAR,
    waited_s DOUBLE
);

-- One row for each event, those of a run close together. tokens and cost_nano_usd are those of a model call.
CREATE TABLE events (
    experiment VARCHAR NOT NULL, run INTEGER NOT NULL, seq INTEGER NOT NULL, t DOUBLE, wall DOUBLE,
    type VARCHAR, agent VARCHAR, tokens BIGINT, cost_nano_usd BIGINT, body JSON USING COMPRESSION zstd,
    part INTEGER NOT NULL
);

-- What agents said to each other; recipient is NULL for a message to a topic.
CREATE VIEW messages AS
SELECT experiment, run, seq, t, (body->>'$.message.id')::BIGINT AS id, agent AS sender,
    body->>'$.message.to' AS recipient, body->>'$.message.topic' AS topic, body->>'$.message.kind' AS kind,
    body->>'$.message.content' AS content, (body->>'$.message.reply_to')::BIGINT AS reply_to,
    coalesce((body->>'$.message.trusted')::BOOLEAN, true) AS trusted
FROM events WHERE type = 'message';

-- Model calls; fault is the true label of a simulated model's error.
CREATE VIEW calls AS
SELECT experiment, run, seq, t, agent, body->>'$.purpose' AS purpose, body->>'$.model' AS model,
    coalesce((body->>'$.usage.input_tokens')::BIGINT, 0) AS input_tokens,
    coalesce((body->>'$.usage.output_tokens')::BIGINT, 0) AS output_tokens, tokens, cost_nano_usd,
    coalesce(body->>'$.usage.origin', 'measured') AS tokens_origin,
    coalesce((body->>'$.usage.latency_s')::DOUBLE, 0) AS latency_s,
    coalesce(body->>'$.finish_reason', 'stop') AS finish_reason, body->>'$.text' AS text,
    coalesce(body->>'$.error', '') AS error, body->>'$.fault.mode' AS fault
FROM events WHERE type = 'chat';

-- Tool calls.
CREATE VIEW tools AS
SELECT experiment, run, seq, t, agent, body->>'$.tool' AS tool, body->>'$.call_id' AS call_id,
    body->>'$.effect' AS effect, (body->>'$.ok')::BOOLEAN AS ok,
    coalesce((body->>'$.latency_s')::DOUBLE, 0) AS latency_s, body->'$.arguments' AS arguments,
    body->>'$.result' AS result, coalesce(json_array_length(body, '$.chunks'), 0) AS chunks
FROM events WHERE type = 'execute_tool';

-- Retrieved pieces of documents, one row each; rank counts from 1 in the order that the agent saw.
CREATE VIEW retrievals AS
SELECT experiment, run, seq, t, agent, rank, chunk->>'$.id' AS chunk, chunk->>'$.source' AS source,
    chunk->>'$.title' AS title, (chunk->>'$.score')::DOUBLE AS score,
    (chunk->>'$.vector_rank')::INTEGER AS vector_rank, (chunk->>'$.text_rank')::INTEGER AS text_rank,
    chunk->>'$.text' AS text
FROM (
    SELECT experiment, run, seq, t, agent, unnest(body->'$.chunks[*]') AS chunk,
        unnest(range(1, coalesce(json_array_length(body, '$.chunks'), 0)::BIGINT + 1)) AS rank
    FROM events WHERE type = 'execute_tool'
);

-- The task marketplace: postings, bids, awards, deliveries, acceptances, money and reputation. Of money, `price` is the
-- amount that goes from `agent` (who pays) to `payee`.
CREATE VIEW market AS
SELECT experiment, run, seq, t, type AS event, body->>'$.posting' AS posting,
    coalesce(agent, body->>'$.payer') AS agent, body->>'$.payee' AS payee,
    coalesce(body->>'$.price', body->>'$.amount')::DOUBLE AS price, (body->>'$.confidence')::DOUBLE AS confidence,
    (body->>'$.accepted')::BOOLEAN AS accepted, body->>'$.state' AS state,
    body->>'$.kind' AS kind, body->>'$.skill' AS skill, (body->>'$.mean')::DOUBLE AS reputation,
    (body->>'$.deviation')::DOUBLE AS deviation,
    coalesce(body->>'$.goal', body->>'$.content', body->>'$.reason', body->>'$.note', '') AS text
FROM events
WHERE type IN ('task_posted', 'task_opened', 'bid', 'award', 'task_started', 'task_reposted', 'delivery', 'acceptance',
    'task_closed', 'ledger', 'reputation');
