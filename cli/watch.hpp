// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cli/console.hpp"
#include "cli/meter.hpp"
#include "cli/progress.hpp"
#include "cli/settings.hpp"
#include "core/pipeline/ports.hpp"

namespace sluice::cli {

/// "resuming from committed offsets on 6 partitions (lag 4,602)",
/// "starting at earliest on 6 partitions (4,602 records): the group has no offsets", or both.
[[nodiscard]] std::string start_line(std::span<const Observer::Assignment> partitions,
                                     const StartAt& start);

/// Watches one pipeline for the console, and hands on what a meter wants to know.
class PipelineWatch final : public Observer {
 public:
  PipelineWatch(Console& console, const PipelineSettings& pipeline, PipelineMeter& meter)
      : console_(console), pipeline_(pipeline), meter_(meter) {}

  [[nodiscard]] LiveCounts& counts() { return counts_; }
  [[nodiscard]] PipelineMeter& meter() { return meter_; }
  void finished(const PipelineReport& report, int exit_code);

  void assigned(std::span<const Assignment> partitions) override;
  void revoked(std::span<const PartitionId> partitions, bool lost) override;
  void inserted(const Inserted& insert) override;
  void retrying(const Retrying& attempt) override;
  void rejected(const RejectedRecord& record) override;
  void ignored_fields(std::string_view names) override;
  void committed(std::span<const CommitOutcome> offsets) override;
  void warning(std::string_view slug, std::string_view message) override;
  void reading_anew() override { meter_.reading_anew(); }
  void state(const State& state) override { meter_.state(state); }
  void progress(const Progress& progress) override {
    counts_.take(progress);
    meter_.progress(progress);
  }

 private:
  Console& console_;
  const PipelineSettings& pipeline_;
  PipelineMeter& meter_;
  LiveCounts counts_;
  std::atomic<bool> assigned_before_{false};
  std::atomic<uint64_t> rejects_told_{0};
};

/// Whether a table held rows before any of several pipelines put some there. Thread-safe.
class RowsBefore {
 public:
  [[nodiscard]] Result<bool> ask(Sink& sink) {
    const std::lock_guard lock(mutex_);
    if (!answer_) answer_ = TRY(sink.has_rows());
    return *answer_;
  }

 private:
  std::mutex mutex_;
  std::optional<bool> answer_;
};

/// Passes a Sink's calls on, counts the batches that are under way and tells what became of them.
class CountingSink final : public Sink {
 public:
  /// `rows_before` is null for a pipeline with a table of its own.
  CountingSink(Sink& sink, PipelineWatch& watch, RowsBefore* rows_before)
      : sink_(sink),
        rows_before_(rows_before),
        under_way_(watch.counts().batches_in_flight),
        meter_(watch.meter()) {}

  [[nodiscard]] bool has_room() const override { return sink_.has_room(); }
  void submit(const Insert& insert) override {
    ++under_way_;
    sink_.submit(insert);
  }
  std::vector<InsertOutcome> collect(Milliseconds wait) override {
    auto outcomes = sink_.collect(wait);
    under_way_ -= static_cast<int64_t>(outcomes.size());
    for (const InsertOutcome& outcome : outcomes) meter_.outcome(outcome);
    return outcomes;
  }
  Result<Table> describe() override { return sink_.describe(); }
  std::optional<Table> look() override { return sink_.look(); }
  Result<std::optional<uint64_t>> rows_of(const std::string& topic, PartitionId partition,
                                          OffsetRange offsets) override {
    return sink_.rows_of(topic, partition, offsets);
  }
  Result<bool> has_rows() override {
    return rows_before_ == nullptr ? sink_.has_rows() : rows_before_->ask(sink_);
  }
  void cancel() override { sink_.cancel(); }

 private:
  Sink& sink_;
  RowsBefore* const rows_before_;
  std::atomic<int64_t>& under_way_;
  PipelineMeter& meter_;
};

}  // namespace sluice::cli
