// SPDX-License-Identifier: Apache-2.0
// The part of Runner that knows which pipelines there are, and runs each on a thread.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/runner_job.hpp"
#include "cli/text.hpp"
#include "cli/topic_pattern.hpp"

namespace sluice::cli {
namespace {

constexpr size_t threads_max = 8;
constexpr uint64_t queue_share = 4;  ///< one part in so many of the memory is for read queues

/// How often new topics are looked for: as often as librdkafka is told to refresh what it knows.
Milliseconds look_interval(const kafka::ClusterOptions& cluster) {
  constexpr Milliseconds shortest{100};
  Milliseconds::rep interval = 30'000;
  for (const auto& [key, value] : cluster.properties) {
    if (key != "topic.metadata.refresh.interval.ms") continue;
    Milliseconds::rep given = 0;
    std::from_chars(value.data(), value.data() + value.size(), given);
    if (given > 0) interval = given;  // -1: librdkafka itself does not look
  }
  return std::max(Milliseconds{interval}, shortest);
}

}  // namespace

Runner::Runner(const Settings& settings, const Connections& connections, Console& console,
               Monitor& monitor, const Clock& clock, std::string run_id, const RunReport* before)
    : settings_(settings),
      connections_(connections),
      console_(console),
      monitor_(monitor),
      clock_(clock),
      run_id_(std::move(run_id)),
      before_(before) {
  for (MeteredPipeline* pipeline : monitor.health().pipelines()) add_job(*pipeline, nullptr);
  for (const PipelineSettings& pipeline : settings.pipelines) {
    if (pipeline.topics_regex.value.empty()) continue;
    families_.emplace_back(pipeline).result = result_of(pipeline);
  }
}

Runner::~Runner() = default;

PipelineResult Runner::result_of(const PipelineSettings& pipeline) const {
  PipelineResult result;
  result.topic = pipeline.topic.value;
  result.group = pipeline.group.value;
  result.table = pipeline.table.value;
  result.reject_sink = pipeline.reject.describe();
  if (pipeline.origin.kind == Origin::Kind::file) result.place = pipeline.origin.place();
  result.report.name = pipeline.name;
  static const std::vector<PipelineResult> none;
  for (const PipelineResult& earlier : before_ == nullptr ? none : before_->pipelines) {
    if (earlier.report.name != pipeline.name) continue;
    result.report = earlier.report;
    // Offsets of another topic or group are none of this one.
    const bool same = earlier.topic == result.topic && earlier.group == result.group;
    if (!same) result.report.partitions.clear();
  }
  return result;
}

Runner::Job& Runner::add_job(MeteredPipeline& pipeline, Family* family) {
  const std::lock_guard lock(mutex_);
  Job& job = jobs_.emplace_back(console_, pipeline, family);
  job.watch.counts().endless = settings_.run.continuous;
  // What a person decided is for what lay open when the process began: later turns find other
  // things.
  static const std::vector<Decision> none;
  for (const Decision& decision : before_ == nullptr ? settings_.run.decisions : none) {
    const bool other = decision.partition && decision.partition->first != job.settings.topic.value;
    if (family == nullptr || !other) job.decisions.push_back(decision);
  }
  job.result = result_of(job.settings);
  return job;
}

/// Blocks give way when pipelines are added; the read queues of those that run stay as they are.
void Runner::share_memory() {
  const std::lock_guard lock(mutex_);
  const size_t at_once =
      settings_.run.continuous ? jobs_.size() : std::min(threads_max, jobs_.size());
  const uint64_t each = settings_.run.memory.value / std::max<size_t>(at_once, 1);
  queue_bytes_each_ = each / queue_share;
  block_bytes_each_ = each - each / queue_share;
}

RunReport Runner::run(std::stop_source stop, const std::function<int()>& signal) {
  RunReport run;
  run.run_id = run_id_;
  run.until = settings_.run.until;
  run.started_at = clock_.wall();
  started_ = clock_.now();
  if (!settings_.run.continuous) {
    for (Family& family : families_) add_topics(family);
  }
  share_memory();
  std::vector<std::pair<std::string, LiveCounts*>> shown;
  for (Job& job : jobs_) shown.emplace_back(job.settings.name, &job.watch.counts());
  console_.start_progress(std::move(shown));
  if (settings_.run.continuous) {
    run_endless(stop, signal);
  } else {
    std::vector<std::jthread> threads;
    // Pipelines may share a reject file, which one replays at a time.
    const bool replays = std::any_of(jobs_.begin(), jobs_.end(), [](const Job& job) {
      return !job.settings.replayed_group.empty() && !job.settings.reject.file.value.empty();
    });
    const size_t at_once = replays ? 1 : std::min(threads_max, jobs_.size());
    for (size_t count = 0; count < at_once; ++count) {
      threads.emplace_back([&] { run_some(stop, signal); });
    }
  }
  console_.stop_progress();
  run.finished_at = clock_.wall();
  run.duration = elapsed();
  for (Job& job : jobs_) run.pipelines.push_back(std::move(job.result));
  for (Family& family : families_) {
    if (family.result.report.error) run.pipelines.push_back(std::move(family.result));
  }
  return run;
}

void Runner::run_some(std::stop_source& stop, const std::function<int()>& signal) {
  for (size_t index = next_++; index < jobs_.size(); index = next_++) {
    run_job(jobs_[index], stop, signal);
  }
}

void Runner::run_endless(std::stop_source& stop, const std::function<int()>& signal) {
  for (Job& job : jobs_) start_job(job, stop, signal);
  {
    std::vector<std::jthread> followers;
    for (Family& family : families_) {
      followers.emplace_back([&] { follow_topics(family, stop, signal); });
    }
  }
  threads_.clear();  // only followers add to them
}

void Runner::start_job(Job& job, std::stop_source& stop, const std::function<int()>& signal) {
  const std::lock_guard lock(mutex_);
  job.ended = false;
  ++running_;
  threads_.emplace_back([this, &job, &stop, &signal] {
    run_job(job, stop, signal);
    const std::lock_guard ended(mutex_);
    job.ended = true;
    --running_;
    ended_.notify_all();
  });
}

void Runner::fail_family(Family& family, Error error) {
  console_.error(error, family.settings.name, family.result.place);
  family.result.report.error = std::move(error);
  family.result.exit_code =
      exit_code_of(family.result.report, {settings_.run.rejects_ok, 0, settings_.run.continuous});
}

/// The topics that match now. The first time it is also asked whether the pipeline is known: then
/// topics of which its groups have no offsets are new, and read from their first record, like a
/// partition that is new in a known group.
Result<std::vector<std::string>> Runner::find_topics(Family& family, Milliseconds limit) {
  const kafka::ClusterOptions cluster = cluster_of(family.settings);
  auto topics = matching_topics(family.settings, TRY(kafka::list_topics(cluster, limit)));
  if (!family.looked) {
    std::vector<kafka::TopicOfGroup> groups;
    for (const std::string& topic : topics) {
      groups.push_back({topic, pipeline_of_topic(family.settings, topic).group.value});
    }
    family.known = TRY(kafka::any_committed(cluster, groups, limit));
    family.looked = true;
  }
  return topics;
}

/// The jobs of a family in a run with an end.
void Runner::add_topics(Family& family) {
  constexpr Milliseconds longest{30'000};
  const Milliseconds retry_max = settings_.run.retry_time_max.value;
  const Milliseconds limit = retry_max.count() > 0 ? std::min(longest, retry_max) : longest;
  auto topics = find_topics(family, limit);
  monitor_.health().topics_found(family.settings.name);
  if (!topics) return fail_family(family, std::move(topics).error());
  if (topics->empty()) return fail_family(family, no_topic_matches(family.settings));
  for (const std::string& topic : *topics) {
    Job& job = add_job(monitor_.health().add(pipeline_of_topic(family.settings, topic)), &family);
    job.read_whole = family.known;
  }
}

bool Runner::all_ended() const { return !jobs_.empty() && running_ == 0; }

/// Looks for topics as long as anything runs.
void Runner::follow_topics(Family& family, std::stop_source& stop,
                           const std::function<int()>& signal) {
  constexpr Milliseconds limit{5000};
  constexpr Milliseconds wait_first{1000};
  const std::string& name = family.settings.name;
  const Milliseconds interval = look_interval(connections_.cluster);
  const std::stop_token stopped = stop.get_token();
  bool none_told = false;
  for (Milliseconds wait = std::min(wait_first, interval); !stopped.stop_requested();) {
    auto topics = find_topics(family, limit);
    if (topics.ok()) {
      wait = interval;
      take_topics(family, *topics, stop, signal);
      monitor_.health().topics_found(name);
    } else if (topics.error().code != Errc::unavailable) {
      return fail_family(family, std::move(topics).error());
    } else if (!stopped.stop_requested()) {
      console_.warning(name, topics.error().slug,
                       fmt::format("{}; topics are looked for again in {}", topics.error().message,
                                   short_duration(wait)));
    }
    if (topics.ok() && family.jobs.empty() && !std::exchange(none_told, true)) {
      console_.warning(
          name, "no-topic-matches",
          fmt::format("{}; they are looked for again every {}",
                      no_topic_matches(family.settings).message, short_duration(interval)));
    }
    std::unique_lock lock(mutex_);
    if (ended_.wait_for(lock, stopped, wait, [this] { return all_ended(); })) return;
    const auto& idle_max = settings_.run.idle_max;
    if (jobs_.empty() && idle_max && elapsed() >= *idle_max) return;
    if (!topics.ok()) wait = std::min(wait * 2, interval);
  }
}

/// Starts what is new, and tells what is gone.
void Runner::take_topics(Family& family, const std::vector<std::string>& topics,
                         std::stop_source& stop, const std::function<int()>& signal) {
  const std::string& name = family.settings.name;
  const bool first = !std::exchange(family.taken, true);
  std::vector<Job*> fresh;
  for (const std::string& topic : topics) {
    const auto [at, added] = family.jobs.try_emplace(topic, nullptr);
    if (!added) continue;
    at->second =
        &add_job(monitor_.health().add(pipeline_of_topic(family.settings, topic)), &family);
    // One that comes while we look has never been read.
    at->second->read_whole = family.known || !first;
    if (!first) at->second->decisions.clear();
    console_.add_progress(at->second->settings.name, at->second->watch.counts());
    if (!first) console_.note(fmt::format("{}: topic {} is new", name, topic));
    fresh.push_back(at->second);
  }
  share_memory();
  for (const auto& [topic, job] : family.jobs) {
    const bool there = std::binary_search(topics.begin(), topics.end(), topic);
    const bool was_gone = std::exchange(job->gone, !there);
    if (!there && !was_gone) {
      console_.warning(name, "topic-gone", fmt::format("topic {} is gone", topic));
    }
    bool missing = false;
    {
      const std::lock_guard lock(mutex_);
      missing = job->ended && job->result.report.error &&
                job->result.report.error->slug == "topic-missing";
    }
    if (there && missing) {
      console_.note(fmt::format("{}: topic {} is back", name, topic));
      job->read_whole = true;
      job->result.report.partitions.clear();
      fresh.push_back(job);
    }
  }
  for (Job* job : fresh) start_job(*job, stop, signal);
}

}  // namespace sluice::cli
