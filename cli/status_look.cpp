// SPDX-License-Identifier: Apache-2.0
#include "cli/status_look.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "cli/text.hpp"
#include "core/clickhouse/server.hpp"
#include "core/kafka/group_view.hpp"

namespace sluice::cli {
namespace {

constexpr Milliseconds grace{400};         // for those whose time is just over to say so
constexpr Milliseconds rate_window{2500};  // batches are cut at an age of a second
constexpr Milliseconds idle_window{1000};  // for a group that has nothing to do
constexpr Milliseconds rate_step{200};
constexpr Milliseconds first_times_max{3000};
constexpr size_t pipelines_at_once = 8;
constexpr std::chrono::hours day{24};

Error not_all(Milliseconds timeout) {
  return {
      .code = Errc::unavailable,
      .slug = "status-timeout",
      .message = fmt::format("not everything could be asked within {}", short_duration(timeout)),
      .fix = "try again, or give it longer with --timeout"};
}

TimePoint now() { return SystemClock().now(); }

/// What all threads of one look share; it outlives the look if one of them does.
struct Board {
  std::shared_ptr<const Settings> settings;
  std::shared_ptr<const Connections> connections;
  Milliseconds timeout{0};
  TimePoint deadline;

  std::mutex mutex;
  std::condition_variable changed;
  size_t threads = 0;  ///< that have not said all yet
  size_t next = 0;     ///< pipeline nobody looks at yet
  std::vector<PipelineLook> looks;
  std::vector<bool> done;
  std::vector<std::optional<Result<void>>> servers;

  [[nodiscard]] Milliseconds left() const {
    return std::max(Milliseconds{0}, std::chrono::duration_cast<Milliseconds>(deadline - now()));
  }
};

/// Looks at one pipeline and puts up every fact as soon as it is known.
class PipelineLooker {
 public:
  PipelineLooker(Board& board, size_t index)
      : board_(board), index_(index), pipeline_(board.settings->pipelines[index]) {}

  void look() {
    const Result<void> looked = look_at_group();
    if (!looked) {
      put([&](PipelineLook& look) { look.errors.push_back(looked.error()); });
    }
  }

 private:
  template <class Change>
  void put(const Change& change) {
    const std::lock_guard lock(board_.mutex);
    change(board_.looks[index_]);
  }
  [[nodiscard]] PipelineLook seen() {
    const std::lock_guard lock(board_.mutex);
    return board_.looks[index_];
  }

  Result<void> look_at_group() {
    const kafka::ClusterOptions& cluster = board_.connections->cluster;
    kafka::GroupView& view =
        view_.emplace(TRY(kafka::GroupView::open(cluster, pipeline_.group.value)));
    const std::string& topic = pipeline_.topic.value;
    const auto partitions =
        TRY(timed([&](Milliseconds left) { return view.partitions(topic, left); }));
    auto committed =
        TRY(timed([&](Milliseconds left) { return view.committed(topic, partitions, left); }));
    put([&](PipelineLook& look) { look.committed = committed; });
    auto held =
        TRY(timed([&](Milliseconds left) { return view.watermarks(topic, partitions, left); }));
    put([&](PipelineLook& look) { look.held = held; });
    kafka::GroupAdmin& admin = admin_.emplace(TRY(kafka::GroupAdmin::open(cluster)));
    auto group =
        TRY(timed([&](Milliseconds left) { return admin.describe(pipeline_.group.value, left); }));
    put([&](PipelineLook& look) { look.group = group; });

    if (!group.members.empty()) TRY(measure_rate(view, partitions));
    look_at_oldest(view);
    look_at_rejects(view);
    look_at_range_runs(admin);
    if (group.members.empty() && !committed.empty()) {
      // Only a warning hangs on it, and not everybody may ask.
      if (auto retention = admin.offsets_retention(board_.left())) {
        put([&](PipelineLook& look) { look.offsets_retention = *retention; });
      }
    }
    return {};
  }

  /// Asks with what is left of the time of the look, when something is.
  template <class Ask>
  auto timed(const Ask& ask) -> decltype(ask(Milliseconds{})) {
    const Milliseconds left = board_.left();
    if (left.count() == 0) return not_all(board_.timeout);
    // Those that wait for the same broker from the start say so in the same words.
    const bool first = board_.timeout - left < std::min(grace, board_.timeout / 4);
    return ask(first ? board_.timeout : left);
  }

  static int64_t sum_of(const std::map<PartitionId, Committed>& offsets,
                        const std::map<PartitionId, Committed>& within) {
    int64_t sum = 0;
    for (const auto& [partition, committed] : offsets) {
      if (within.contains(partition)) sum += committed.offset.value;
    }
    return sum;
  }

  /// Records a second, from one commit to another: they come once a second or so.
  Result<void> measure_rate(kafka::GroupView& view, std::span<const PartitionId> partitions) {
    const std::string& topic = pipeline_.topic.value;
    const auto first = *seen().committed;
    const bool has_work = pipeline_has_lag();
    const TimePoint begun = now();
    const Milliseconds window = std::min(rate_window, board_.left() / 2);
    struct Change {
      TimePoint at;
      int64_t sum;
    };
    std::vector<Change> changes;
    int64_t last = sum_of(first, first);
    while (now() - begun <
           (has_work || !changes.empty() ? window : std::min(window, idle_window))) {
      std::this_thread::sleep_for(rate_step);
      auto committed =
          TRY(timed([&](Milliseconds left) { return view.committed(topic, partitions, left); }));
      const int64_t sum = sum_of(committed, first);
      if (sum != last || committed.size() != first.size()) changes.push_back({now(), sum});
      last = sum;
      put([&](PipelineLook& look) { look.committed = std::move(committed); });
    }
    auto held =
        TRY(timed([&](Milliseconds left) { return view.watermarks(topic, partitions, left); }));
    put([&](PipelineLook& look) {
      look.held = std::move(held);
      look.moved = !changes.empty();
    });
    std::optional<double> rate;
    const auto per_second = [](int64_t records, TimePoint from, TimePoint to) {
      return std::max(0.0, static_cast<double>(records)) /
             std::chrono::duration<double>(to - from).count();
    };
    if (changes.size() > 1) {
      rate = per_second(changes.back().sum - changes.front().sum, changes.front().at,
                        changes.back().at);
    } else if (changes.size() == 1) {
      rate = per_second(changes.front().sum - sum_of(first, first), begun, now());
    } else if (!has_work && !pipeline_has_lag()) {
      rate = 0;
    }
    put([&](PipelineLook& look) { look.rows_per_second = rate; });
    return {};
  }

  [[nodiscard]] bool pipeline_has_lag() {
    const PipelineLook look = seen();
    const auto next = next_offsets(pipeline_, look);
    return std::any_of(look.held->begin(), look.held->end(), [&](const auto& entry) {
      const auto at = next.find(entry.first);
      return at == next.end() || at->second < entry.second.end;
    });
  }

  void look_at_oldest(kafka::GroupView& view) {
    const PipelineLook look = seen();
    std::map<PartitionId, Offset> lagging;
    for (const auto& [partition, next] : next_offsets(pipeline_, look)) {
      if (next < look.held->at(partition).end) lagging.emplace(partition, next);
    }
    if (lagging.empty()) return;
    auto oldest =
        view.first_times(pipeline_.topic.value, lagging, std::min(first_times_max, board_.left()));
    put([&](PipelineLook& to) { to.oldest = std::move(oldest); });
  }

  void look_at_rejects(kafka::GroupView& view) {
    const std::string& topic = pipeline_.reject.topic.value;
    if (topic.empty()) return;
    const auto count = [&]() -> Result<uint64_t> {
      const auto partitions =
          TRY(timed([&](Milliseconds left) { return view.partitions(topic, left); }));
      const auto from = TRY(timed([&](Milliseconds left) {
        return view.offsets_at(topic, partitions, SystemClock().wall() - day, left);
      }));
      const auto held =
          TRY(timed([&](Milliseconds left) { return view.watermarks(topic, partitions, left); }));
      uint64_t sum = 0;
      for (const auto& [partition, marks] : held) {
        const Offset first = std::max(from.at(partition), marks.first);
        if (marks.end > first) sum += static_cast<uint64_t>(marks.end.value - first.value);
      }
      return sum;
    }();
    put([&](PipelineLook& look) {
      if (count) {
        look.rejected_24h = *count;
      } else if (count.error().slug != "topic-missing") {  // it may be made with the first reject
        look.errors.push_back(count.error());
      }
    });
  }

  /// Backfills and snapshots are groups of their own; not everybody may see them.
  void look_at_range_runs(kafka::GroupAdmin& admin) {
    std::vector<RangeRunLook> runs;
    for (const char* kind : {"backfill", "snapshot"}) {
      const auto groups =
          admin.list(fmt::format("{}.{}.", pipeline_.group.value, kind), board_.left());
      if (!groups) return;
      for (const std::string& group : *groups) {
        RangeRunLook run;
        run.group = group;
        if (auto described = admin.describe(group, board_.left())) run.description = *described;
        if (auto offsets = admin.offsets(group, pipeline_.topic.value, board_.left())) {
          run.committed = *std::move(offsets);
        }
        runs.push_back(std::move(run));
      }
    }
    put([&](PipelineLook& look) { look.runs = std::move(runs); });
  }

  Board& board_;
  const size_t index_;
  const PipelineSettings& pipeline_;
  // Ending them takes a moment when brokers are away; what was seen is put up before.
  std::optional<kafka::GroupView> view_;
  std::optional<kafka::GroupAdmin> admin_;
};

void look_at_all_pipelines(Board& board) {
  while (true) {
    size_t index = 0;
    {
      const std::lock_guard lock(board.mutex);
      if (board.next == board.looks.size()) return;
      index = board.next++;
    }
    PipelineLooker(board, index).look();
    const std::lock_guard lock(board.mutex);
    board.done[index] = true;
  }
}

Result<void> ask_server(const clickhouse::ServerOptions& given, Milliseconds timeout) {
  clickhouse::ServerOptions options = given;
  options.timeout = std::min(options.timeout, timeout);
  options.connect_timeout = std::min(options.connect_timeout, timeout);
  const auto http = TRY(clickhouse::http_options(options));
  RetryOptions once;
  once.time_max = Milliseconds{1};
  const SystemClock clock;
  clickhouse::Server server(options, http, {http.origin, "", options.user}, once, clock, {});
  TRY(server.ask("SELECT 1", "answer"));
  return {};
}

/// On a thread that is left to itself: `work` may hang, and must hold what it uses.
void start(const std::shared_ptr<Board>& board, std::function<void(Board&)> work) {
  ++board->threads;
  std::thread([board, work = std::move(work)] {
    work(*board);
    const std::lock_guard lock(board->mutex);
    --board->threads;
    board->changed.notify_all();
  }).detach();
}

void start_all(const std::shared_ptr<Board>& board) {
  const std::lock_guard lock(board->mutex);
  for (size_t i = 0; i < std::min(pipelines_at_once, board->looks.size()); ++i) {
    start(board, look_at_all_pipelines);
  }
  for (size_t i = 0; i < board->servers.size(); ++i) {
    start(board, [i](Board& shared) {
      Result<void> answer = ask_server(*shared.connections->all_servers()[i], shared.left());
      const std::lock_guard inner(shared.mutex);
      shared.servers[i] = std::move(answer);
    });
  }
}

void conclude(Board& board, Status& status) {
  const Milliseconds timeout = board.timeout;
  std::optional<bool> any_up;
  for (size_t i = 0; i < board.servers.size(); ++i) {
    const std::string& url = board.connections->all_servers()[i]->url;
    std::optional<bool> up;
    if (board.servers[i]) up = board.servers[i]->ok();
    if (!up) {
      Error error = not_all(timeout);
      error.slug = "clickhouse-timeout";
      error.message =
          fmt::format("ClickHouse at {} did not answer within {}", url, short_duration(timeout));
      status.problems.push_back(status_problem(error));
      up = false;
    } else if (!*up) {
      status.problems.push_back(status_problem(board.servers[i]->error()));
    }
    any_up = any_up.value_or(false) || *up;
    status.clickhouse.push_back({url, up});
  }
  for (size_t i = 0; i < board.looks.size(); ++i) {
    PipelineLook& look = board.looks[i];
    if (!board.done[i] && look.errors.empty()) look.errors.push_back(not_all(timeout));
    status.pipelines.push_back(
        pipeline_status(board.settings->pipelines[i], look, any_up, status.checked_at));
  }
}

}  // namespace

StatusLook look_at_pipelines(std::shared_ptr<const Settings> settings,
                             std::shared_ptr<const Connections> connections, Milliseconds timeout) {
  const auto board = std::make_shared<Board>();
  board->looks.resize(settings->pipelines.size());
  board->done.resize(settings->pipelines.size());
  board->servers.resize(connections->all_servers().size());
  board->settings = std::move(settings);
  board->connections = std::move(connections);
  board->timeout = timeout;
  board->deadline = now() + timeout;
  start_all(board);
  StatusLook out;
  std::unique_lock lock(board->mutex);
  const bool all =
      board->changed.wait_until(lock, board->deadline + grace, [&] { return board->threads == 0; });
  out.status.checked_at = SystemClock().wall();
  conclude(*board, out.status);
  const auto failed = [](const PipelineLook& look) { return !look.errors.empty(); };
  out.unfinished = !all || std::any_of(board->looks.begin(), board->looks.end(), failed);
  return out;
}

}  // namespace sluice::cli
