// SPDX-License-Identifier: Apache-2.0
#include "cli/config_keys.hpp"

#include <array>

namespace sluice::cli {
namespace {

using Type = ConfigType;

constexpr std::string_view kafka = "kafka";
constexpr std::string_view security = "kafka.security";
constexpr std::string_view clickhouse = "clickhouse";
constexpr std::string_view observe = "observe";
constexpr std::string_view pipeline = "pipelines.NAME";

constexpr auto keys_table = std::to_array<ConfigKey>({
    {"", "config_version", Type::integer, "1", "1", "version of this file's format"},
    {"", "allow_unsafe_kafka_properties", Type::boolean, "true | false", "false",
     "allow librdkafka properties that load or run code"},

    {kafka, "brokers", Type::texts, "[\"broker1:9092\", \"broker2:9092\"]", "",
     "where to ask for the cluster first"},
    {kafka, "client_id", Type::text, "\"sluice\"", "sluice",
     "what brokers call this client in their logs"},
    {kafka, "properties", Type::properties, "{ \"fetch.message.max.bytes\" = 4_194_304 }", "",
     "straight to librdkafka and checked by it; 'sluice -X list' names them all. Those that hold a "
     "secret take a reference to it"},

    {security, "protocol", Type::word, "plaintext | ssl | sasl_plaintext | sasl_ssl", "plaintext",
     "how to talk to the brokers"},
    {security, "mechanism", Type::text, "\"PLAIN\"", "",
     "SASL mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, GSSAPI, OAUTHBEARER"},
    {security, "username", Type::text, "\"sluice\"", "", "of PLAIN and SCRAM"},
    {security, "password", Type::secret, "{ credential = \"kafka-password\" }", "",
     "of PLAIN and SCRAM; a reference to a secret"},
    {security, "ca_file", Type::text, "\"/etc/ssl/certs/ca-certificates.crt\"", "the system's",
     "authorities that the brokers' certificates may come from"},
    {security, "certificate_file", Type::text, "\"client.pem\"", "",
     "certificate to show to the brokers"},
    {security, "key_file", Type::text, "\"client.key\"", "", "its private key"},
    {security, "key_password", Type::secret, "{ file = \"/run/secrets/key\" }", "",
     "of key_file; a reference to a secret"},
    {security, "allow_plaintext_auth", Type::boolean, "true | false", "false",
     "send a password without TLS to another machine"},
    {security, "tls.verify", Type::boolean, "true | false", "true",
     "whether the brokers' certificates must be right"},

    {clickhouse, "url", Type::text, "\"https://ch1.example:8443\"", "",
     "http[s]://host:port, with /database if you like; never with a user or password"},
    {clickhouse, "urls", Type::texts, "[\"http://ch1:8123\", \"http://ch2:8123\"]", "",
     "several servers, tried in order, instead of url"},
    {clickhouse, "database", Type::text, "\"shop\"", "default",
     "of tables that are named without one"},
    {clickhouse, "user", Type::text, "\"loader\"", "default", "who inserts"},
    {clickhouse, "password", Type::secret, "{ file = \"/run/secrets/clickhouse\" }", "",
     "a reference to a secret"},
    {clickhouse, "cluster", Type::text, "\"main\"", "",
     "snapshots create, swap and drop their tables ON CLUSTER of this name"},
    {clickhouse, "compression", Type::word, "auto | none | lz4 | zstd", "auto",
     "of what is sent; auto is none on this machine, else lz4"},
    {clickhouse, "timeout", Type::duration, "\"2m\"", "2m", "of one INSERT"},
    {clickhouse, "proxy", Type::text, "\"http://proxy:3128\"", "https_proxy of the environment",
     "HTTP proxy on the way to the server"},
    {clickhouse, "allow_plaintext_auth", Type::boolean, "true | false", "false",
     "send a password over http to another machine"},
    {clickhouse, "tls.ca_file", Type::text, "\"ca.pem\"", "the system's",
     "authorities that the server's certificate may come from"},
    {clickhouse, "tls.verify", Type::boolean, "true | false", "true",
     "whether the server's certificate must be right"},
    {clickhouse, "settings", Type::values, "{ max_partitions_per_insert_block = 1000 }", "",
     "ClickHouse settings that go with every INSERT"},

    {observe, "metrics_listen", Type::text, "\"127.0.0.1:9464\"", "",
     "serve /metrics, /healthz, /readyz and /status: HOST:PORT or unix:PATH"},
    {observe, "log_format", Type::word, "auto | text | json", "auto", "of the log"},

    {pipeline, "topic", Type::text, "\"orders\"", "", "topic to read"},
    {pipeline, "table", Type::text, "\"shop.orders\"", "",
     "table to write; {pipeline} and {topic} stand for their names"},
    {pipeline, "group", Type::text, "\"sluice-{pipeline}\"", "sluice-{pipeline}",
     "consumer group that keeps the progress; {pipeline} and {topic} stand for their names"},
    {pipeline, "start", Type::text, "\"earliest\"", "earliest",
     "where a group without offsets begins: earliest, end, table or a time"},
    {pipeline, "format", Type::word, "json | raw", "json",
     "what values are; raw: the whole value goes into the table's one String column"},
    {pipeline, "on_error", Type::word, "stop | reject", "stop",
     "what a record that does not fit does: stop ends the pipeline, reject keeps the record aside"},
    {pipeline, "reject.topic", Type::text, "\"orders.rejects\"", "",
     "topic that rejected records go to; {pipeline} and {topic} stand for their names"},
    {pipeline, "reject.file", Type::text, "\"orders.rejects.jsonl\"", "",
     "or a file of JSON lines; {pipeline} and {topic} stand for their names"},
    {pipeline, "reject.max", Type::count, "1000", "no limit",
     "more rejected records than that end the run (65)"},
    {pipeline, "on_gap", Type::word, "stop | continue", "stop",
     "what happens when offsets are gone before they were read: continue passes them over, counts "
     "them as lost, and a sync then exits with 1"},
    {pipeline, "batch.rows", Type::count, "250_000", "250k", "rows of a batch at most"},
    {pipeline, "batch.bytes", Type::size, "\"64MiB\"", "64MiB", "bytes of a batch at most"},
    {pipeline, "batch.age", Type::duration, "\"1s\"", "1s", "age of a batch at most"},
    {pipeline, "senders", Type::count, "2", "2", "parallel INSERTs"},
    {pipeline, "max_record_bytes", Type::size, "\"16MiB\"", "16MiB", "larger records are rejected"},
    {pipeline, "topics_regex", Type::text, "'^region\\.[a-z]{2}\\.events$'", "",
     "instead of topic: all topics that match, each with a group of its own (GROUP:TOPIC)"},
    {pipeline, "map", Type::texts_by_name, "{ user_id = \"/user/id\" }", "",
     "fields that fill columns of other names, as JSON pointers into the record's value"},
    {pipeline, "columns", Type::texts_by_name, "{ kafka_time = \"$timestamp\" }", "",
     "columns that take something else of a record: $topic, $partition, $offset, $timestamp, $key, "
     "$headers, $header.NAME, $value"},
    {pipeline, "unknown_fields", Type::unknown_fields, "ignore | error | { into = \"extra\" }",
     "ignore",
     "what a field does that the table has no column for; into: all of them go into one String or "
     "JSON column as an object"},
    {pipeline, "nulls", Type::word, "default | reject", "default",
     "what a null does in a column that is not Nullable: the column's default, or a reject"},
    {pipeline, "tags", Type::texts, "[\"web\", \"hourly\"]", "",
     "words to choose pipelines by: sluice sync tag:hourly"},
    {pipeline, "disabled", Type::boolean, "true | false", "false", "leave the pipeline out"},
    {pipeline, "mode", Type::word, "incremental | full", "incremental",
     "what a sync reads: from the group's offsets on; or the whole topic, which by default "
     "replaces the table, as sync --full"},
    {pipeline, "write", Type::word, "append | overwrite | overwrite-delete-stale", "append",
     "append: every record is a new row; overwrite: the last record of a key wins and a tombstone "
     "deletes it, in a ReplacingMergeTree(version, is_deleted). With mode full append stamps the "
     "rows of each load (_snapshot_id, _snapshot_time), and the view TABLE__latest shows the "
     "latest whole one; overwrite-delete-stale, its default, replaces the table as sync --full "
     "does and hands the group over"},
    {pipeline, "key", Type::texts, "[\"id\"]", "",
     "columns of the key, for overwrite; a table that is replaced keeps the last record of each"},
    {pipeline, "destination", Type::text, "\"archive\"", "[clickhouse]",
     "a table [destinations.NAME], with the keys of [clickhouse], that names another server"},
    {pipeline, "delivery", Type::word, "at-least-once | exactly-once", "at-least-once",
     "what is promised"},
});

}  // namespace

std::span<const ConfigKey> all_config_keys() { return keys_table; }

}  // namespace sluice::cli
