// SPDX-License-Identifier: Apache-2.0
#include "cli/metrics.hpp"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/metrics_page.hpp"
#include "cli/process_facts.hpp"
#include "cli/text.hpp"
#include "cli/version.hpp"

namespace sluice::cli {
namespace {

using prometheus::MetricFamily;
using Labels = MetricsPage::Labels;
using Stage = PipelineFacts::Stage;

/// One pipeline as a scrape sees it.
struct View {
  const MeteredPipeline& pipeline;
  PipelineFacts facts;
  PipelineState state;
};

double seconds_since_epoch(int64_t milliseconds) { return static_cast<double>(milliseconds) / 1e3; }

Labels labels_of(const View& view) { return {{"pipeline", view.pipeline.settings.name}}; }

Labels labels_of(const View& view, std::string name, std::string value) {
  return {{"pipeline", view.pipeline.settings.name}, {std::move(name), std::move(value)}};
}

Labels labels_of(const View& view, PartitionId partition) {
  return {{"pipeline", view.pipeline.settings.name},
          {"topic", view.pipeline.settings.topic.value},
          {"partition", std::to_string(partition.value)}};
}

void add_process(MetricsPage& page) {
  const ProcessFacts facts = process_facts();
  page.counter("process_cpu_seconds_total", "User and system CPU time spent, in seconds.");
  page.add_known({}, facts.cpu_seconds);
  page.gauge("process_resident_memory_bytes", "Resident memory size in bytes.");
  page.add_known({}, facts.resident_bytes);
  page.gauge("process_open_fds", "Number of open file descriptors.");
  page.add_known({}, facts.open_fds);
  page.gauge("process_max_fds", "Maximum number of open file descriptors.");
  page.add_known({}, facts.max_fds);
  page.gauge("process_start_time_seconds", "Start time of the process, unix time in seconds.");
  page.add_known({}, facts.start_time_seconds);
}

void add_program(MetricsPage& page, const Reloads& reloads) {
  page.gauge("sluice_build_info", "Version of sluice and of the libraries it runs with; always 1.");
  page.add({{"version", std::string(version_number())},
            {"revision", std::string(version_revision())},
            {"librdkafka", kafka_library_version()},
            {"curl", curl_library_version()}},
           1.0);
  page.gauge("sluice_config_last_reload_successful",
             "1 if the configuration was accepted the last time it was read, else 0.");
  page.add({}, reloads.successful ? 1.0 : 0.0);
  page.gauge("sluice_config_last_reload_success_timestamp_seconds",
             "When the configuration was last accepted, unix time in seconds.");
  page.add({}, seconds_since_epoch(reloads.success_ms));
}

std::string word_of(RecordFormat format) { return format == RecordFormat::raw ? "raw" : "json"; }

void add_pipelines(MetricsPage& page, const std::vector<View>& views) {
  page.gauge("sluice_pipeline_info", "What a pipeline reads and writes; always 1.");
  for (const View& view : views) {
    const PipelineSettings& settings = view.pipeline.settings;
    page.add({{"pipeline", settings.name},
              {"topic", settings.topic.value},
              {"table", settings.table.value},
              {"format", word_of(settings.format.value)},
              {"group", settings.group.value}},
             1.0);
  }
  page.gauge("sluice_pipeline_state", "1 for the state that the pipeline is in, 0 for the others.");
  for (const View& view : views) {
    for (const PipelineState state : pipeline_states()) {
      page.add(labels_of(view, "state", std::string(to_string(state))),
               state == view.state ? 1.0 : 0.0);
    }
  }
}

/// The gauges that every partition of ours has.
void add_partitions(MetricsPage& page, const std::vector<View>& views, WallTime now) {
  const auto each = [&](auto value) {
    for (const View& view : views) {
      for (const auto& [partition, facts] : view.facts.partitions) {
        page.add_known(labels_of(view, partition), value(facts));
      }
    }
  };
  page.gauge("sluice_kafka_consumer_lag_records",
             "Records between the group's committed offset and the end of the partition.");
  each([](const PartitionFacts& facts) { return facts.lag(); });
  page.gauge("sluice_kafka_consumer_lag_seconds",
             "Age of the oldest record that was read and is not committed; 0 at the end.");
  each([now](const PartitionFacts& facts) { return facts.lag_seconds(now); });
  page.gauge("sluice_kafka_committed_offset", "The group's committed offset.");
  each([](const PartitionFacts& facts) { return facts.committed; });
  page.gauge("sluice_kafka_position_offset", "Offset of the next record to be read.");
  each([](const PartitionFacts& facts) { return facts.position; });
  page.gauge("sluice_kafka_end_offset",
             "End of the partition; with read_committed the last stable offset.");
  each([](const PartitionFacts& facts) { return facts.end; });
  page.gauge("sluice_kafka_start_offset", "First offset that the broker still holds.");
  each([](const PartitionFacts& facts) { return facts.start; });
}

void add_kafka(MetricsPage& page, const std::vector<View>& views) {
  page.counter("sluice_kafka_records_consumed_total",
               "Records read, including those read again after a partition was given back.");
  for (const View& view : views) {
    page.add(labels_of(view, "topic", view.pipeline.settings.topic.value), view.facts.consumed);
  }
  page.counter("sluice_kafka_bytes_consumed_total", "Key and value bytes read, uncompressed.");
  for (const View& view : views) {
    page.add(labels_of(view, "topic", view.pipeline.settings.topic.value), view.facts.counts.bytes);
  }
  page.gauge("sluice_kafka_assigned_partitions", "Partitions of the group that are ours.");
  for (const View& view : views) {
    const bool running = view.facts.stage == Stage::running && view.facts.assigned;
    if (running) page.add(labels_of(view), uint64_t{view.facts.partitions.size()});
  }
  page.gauge("sluice_kafka_held_partitions",
             "Partitions of ours that are not read now, because the buffers are full.");
  for (const View& view : views) {
    if (!view.facts.holding_back) continue;
    page.add(labels_of(view),
             uint64_t{*view.facts.holding_back ? view.facts.partitions.size() : 0});
  }
  page.counter("sluice_kafka_rebalances_total",
               "Times that the group gave us partitions (assign), asked for some back (revoke) or "
               "gave ours away (lost).");
  for (const View& view : views) {
    page.add(labels_of(view, "kind", "assign"), view.facts.assignments);
    page.add(labels_of(view, "kind", "revoke"), view.facts.revocations);
    page.add(labels_of(view, "kind", "lost"), view.facts.losses);
  }
  page.counter("sluice_kafka_commits_total", "Offsets committed to the group, by result.");
  for (const View& view : views) {
    page.add(labels_of(view, "result", "ok"), view.facts.commits_ok);
    page.add(labels_of(view, "result", "error"), view.facts.commits_failed);
  }
}

/// What librdkafka says of itself. Brokers are the cluster's, whichever pipeline talks to them.
void add_client(MetricsPage& page, const std::vector<View>& views) {
  page.counter("sluice_kafka_errors_total",
               "Errors of the Kafka client, by librdkafka's name; most pass by themselves.");
  for (const View& view : views) {
    for (const auto& [name, count] : view.facts.client_errors) {
      page.add(labels_of(view, "error", name), count);
    }
  }
  page.counter("sluice_kafka_stall_restarts_total",
               "Times that partitions were read anew because one stood still.");
  for (const View& view : views) page.add(labels_of(view), view.facts.stall_restarts);
  page.gauge("sluice_kafka_fetch_queue_records", "Records fetched and not yet read.");
  for (const View& view : views) {
    if (view.facts.client) page.add(labels_of(view), view.facts.client->fetch_queue_records);
  }
  page.gauge("sluice_kafka_fetch_queue_bytes", "Their bytes, as librdkafka counts them.");
  for (const View& view : views) {
    if (view.facts.client) page.add(labels_of(view), view.facts.client->fetch_queue_bytes);
  }
  std::map<std::string, kafka::ClientStatistics::Broker> brokers;
  bool known = false;
  for (const View& view : views) {
    if (!view.facts.client) continue;
    known = true;
    for (const auto& [name, broker] : view.facts.client->brokers) {
      kafka::ClientStatistics::Broker& mine = brokers[name];
      mine.up = mine.up || broker.up;
      if (broker.rtt_seconds) {
        mine.rtt_seconds = std::max(mine.rtt_seconds.value_or(0), *broker.rtt_seconds);
      }
    }
  }
  page.gauge("sluice_kafka_broker_rtt_seconds",
             "Time from a request to its answer, p99 of the last seconds, the slowest pipeline's.");
  for (const auto& [name, broker] : brokers) page.add_known({{"broker", name}}, broker.rtt_seconds);
  page.gauge("sluice_kafka_brokers_up", "Brokers that we are connected to.");
  const auto up = std::count_if(brokers.begin(), brokers.end(),
                                [](const auto& entry) { return entry.second.up; });
  if (known) page.add({}, static_cast<double>(up));
}

void add_records(MetricsPage& page, const std::vector<View>& views) {
  page.counter("sluice_records_decoded_total", "Records that became rows of a block.");
  for (const View& view : views) {
    page.add(labels_of(view, "format", word_of(view.pipeline.settings.format.value)),
             view.facts.decoded);
  }
  page.counter("sluice_decode_seconds_total",
               "Time spent on making rows of records, extrapolated from one in 64.");
  for (const View& view : views) page.add(labels_of(view), view.facts.decode_seconds);
  page.counter("sluice_records_rejected_total", "Records kept aside as rejects, by reason.");
  for (const View& view : views) {
    for (const RejectReason reason :
         {RejectReason::decode, RejectReason::schema, RejectReason::type, RejectReason::insert,
          RejectReason::too_large}) {
      const auto found = view.facts.counts.rejected_by.find(reason);
      const uint64_t count = found == view.facts.counts.rejected_by.end() ? 0 : found->second;
      page.add(labels_of(view, "reason", std::string(to_string(reason))), count);
    }
  }
  page.counter("sluice_records_skipped_total",
               "Records passed over on purpose, by reason: tombstone (null value) or empty value.");
  for (const View& view : views) {
    const std::pair<SkipReason, const char*> reasons[] = {{SkipReason::tombstone, "tombstone"},
                                                          {SkipReason::empty, "empty"},
                                                          {SkipReason::filter, "filter"}};
    for (const auto& [reason, name] : reasons) {
      const auto found = view.facts.counts.skipped_by.find(reason);
      const uint64_t count = found == view.facts.counts.skipped_by.end() ? 0 : found->second;
      page.add(labels_of(view, "reason", name), count);
    }
  }
}

void add_fields(MetricsPage& page, const std::vector<View>& views) {
  page.counter("sluice_unknown_fields_total", "Fields of records for which there is no column.");
  for (const View& view : views) page.add(labels_of(view), view.facts.counts.unknown_fields);
}

void add_batches(MetricsPage& page, const std::vector<View>& views, uint64_t memory_max) {
  page.counter("sluice_batches_total",
               "Batches that ClickHouse acknowledged, by why they were cut.");
  for (const View& view : views) {
    for (const auto& [trigger, count] : view.facts.batches_by_trigger) {
      page.add(labels_of(view, "trigger", trigger), count);
    }
  }
  page.histogram("sluice_batch_rows", "Rows of an acknowledged batch.");
  for (const View& view : views) page.add(labels_of(view), view.pipeline.meter.batch_rows());
  page.histogram("sluice_batch_bytes", "Bytes of an acknowledged batch before compression.");
  for (const View& view : views) page.add(labels_of(view), view.pipeline.meter.batch_bytes());
  page.gauge("sluice_batches_in_flight", "Batches given to senders and not yet acknowledged.");
  for (const View& view : views) {
    page.add_known(labels_of(view), view.facts.batches_in_flight);
  }
  std::optional<uint64_t> buffers;
  for (const View& view : views) {
    if (view.facts.buffer_bytes) buffers = buffers.value_or(0) + *view.facts.buffer_bytes;
  }
  page.gauge("sluice_buffer_bytes", "Bytes of open blocks and of batches waiting or in flight.");
  page.add_known({}, buffers);
  page.gauge("sluice_buffer_limit_bytes",
             "All that the buffers of the process may take (--memory).");
  page.add({}, memory_max);
  page.counter("sluice_backpressure_seconds_total",
               "Time in which nothing was read because the buffers were full, looked at once a "
               "second.");
  for (const View& view : views) page.add(labels_of(view), view.facts.backpressure_seconds);
}

void add_clickhouse(MetricsPage& page, const std::vector<View>& views) {
  page.counter("sluice_clickhouse_rows_inserted_total", "Rows that ClickHouse acknowledged.");
  for (const View& view : views) {
    page.add(labels_of(view, "table", view.pipeline.settings.table.value),
             view.facts.counts.inserted);
  }
  page.counter("sluice_clickhouse_inserts_total",
               "INSERTs by how they ended: ok, retried (ok after several attempts), rejected "
               "(refused as they were, isolated or made anew), failed (given up).");
  for (const View& view : views) {
    for (const char* result : {"ok", "retried", "rejected", "failed"}) {
      const auto found = view.facts.inserts_by_result.find(result);
      const uint64_t count = found == view.facts.inserts_by_result.end() ? 0 : found->second;
      page.add(labels_of(view, "result", result), count);
    }
  }
  page.histogram("sluice_clickhouse_insert_duration_seconds",
                 "From handing an INSERT to a sender to its acknowledgement, all attempts.");
  for (const View& view : views) page.add(labels_of(view), view.pipeline.meter.insert_seconds());
  page.counter("sluice_clickhouse_bytes_sent_total",
               "Bodies of acknowledged INSERTs, before (raw) and after (wire) compression.");
  for (const View& view : views) {
    page.add(labels_of(view, "kind", "raw"), view.facts.raw_bytes);
    page.add(labels_of(view, "kind", "wire"), view.facts.wire_bytes);
  }
  page.counter("sluice_clickhouse_retries_total", "Attempts of INSERTs made again, by reason.");
  for (const View& view : views) {
    for (const RetryReason reason :
         {RetryReason::network, RetryReason::timeout, RetryReason::too_many_parts,
          RetryReason::memory, RetryReason::readonly, RetryReason::http_5xx, RetryReason::other}) {
      const auto found = view.facts.retries_by_reason.find(reason);
      const uint64_t count = found == view.facts.retries_by_reason.end() ? 0 : found->second;
      page.add(labels_of(view, "reason", std::string(to_string(reason))), count);
    }
  }
  page.counter("sluice_clickhouse_exceptions_total",
               "Exceptions of ClickHouse to INSERTs, by code.");
  for (const View& view : views) {
    for (const auto& [code, count] : view.facts.exceptions_by_code) {
      page.add(labels_of(view, "code", std::to_string(code)), count);
    }
  }
}

void add_servers(MetricsPage& page, const std::vector<View>& views) {
  std::map<std::string, bool> servers;
  for (const View& view : views) {
    for (const auto& [url, up] : view.facts.servers) {
      const auto [found, fresh] = servers.emplace(url, up);
      if (!fresh) found->second = found->second && up;
    }
  }
  page.gauge("sluice_clickhouse_up",
             "1 if the server answered every pipeline the last time, else 0.");
  for (const auto& [url, up] : servers) page.add({{"endpoint", url}}, up ? 1.0 : 0.0);
}

void add_outcome(MetricsPage& page, const std::vector<View>& views) {
  page.histogram("sluice_end_to_end_latency_seconds",
                 "From the record's timestamp to ClickHouse's acknowledgement; one observation for "
                 "each batch, of its oldest record.");
  for (const View& view : views) page.add(labels_of(view), view.pipeline.meter.latency_seconds());
  page.gauge("sluice_last_insert_timestamp_seconds",
             "When ClickHouse last acknowledged a batch, unix time in seconds.");
  for (const View& view : views) {
    if (!view.facts.last_insert_at) continue;
    page.add(labels_of(view),
             seconds_since_epoch(view.facts.last_insert_at->time_since_epoch().count()));
  }
  page.gauge("sluice_last_record_timestamp_seconds",
             "The latest timestamp of a record in ClickHouse, unix time in seconds.");
  for (const View& view : views) {
    if (!view.facts.last_record_timestamp_ms) continue;
    page.add(labels_of(view), seconds_since_epoch(*view.facts.last_record_timestamp_ms));
  }
}

}  // namespace

std::vector<MetricFamily> Metrics::Collect() const {
  const TimePoint now = health_.clock().now();
  std::vector<View> views;
  for (const MeteredPipeline* pipeline : health_.pipelines()) {
    PipelineFacts facts = pipeline->meter.facts();
    const PipelineState state =
        state_of(facts, pipeline->settings.batch_rows.value, now, health_.limits());
    views.push_back({*pipeline, std::move(facts), state});
  }
  MetricsPage page;
  add_process(page);
  add_program(page, reloads_);
  add_pipelines(page, views);
  add_partitions(page, views, health_.clock().wall());
  add_kafka(page, views);
  add_client(page, views);
  add_records(page, views);
  add_fields(page, views);
  add_batches(page, views, memory_max_);
  add_clickhouse(page, views);
  add_servers(page, views);
  add_outcome(page, views);
  return page.take();
}

std::string Metrics::text() const { return metrics_text(Collect()); }

}  // namespace sluice::cli
