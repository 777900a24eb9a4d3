// SPDX-License-Identifier: Apache-2.0
#include "cli/status_ask.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "cli/exit_code.hpp"
#include "cli/text.hpp"
#include "cli/units.hpp"
#include "core/clickhouse/http.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::json;

constexpr size_t answer_bytes_max = 16u << 20;
constexpr Milliseconds rate_pause{1000};
constexpr Milliseconds grace{300};

struct Address {
  std::string origin;  ///< "http://127.0.0.1:9464"
  std::string socket;  ///< path of a unix socket, or nothing
};

Result<Address> address_of(const std::string& where) {
  constexpr std::string_view unix_prefix = "unix:";
  if (where.starts_with(unix_prefix)) {
    return Address{"http://localhost", where.substr(unix_prefix.size())};
  }
  if (where.starts_with('/') || where.starts_with("./")) {
    return Address{"http://localhost", where};
  }
  const bool has_scheme = where.starts_with("http://") || where.starts_with("https://");
  std::string url = has_scheme ? where : "http://" + where;
  while (url.ends_with('/')) url.pop_back();
  const std::string rest = url.substr(url.find("://") + 3);
  const bool plain = !rest.empty() && rest.find_first_of("/?#@ \t\r\n") == std::string::npos;
  if (plain && where.find("://") == (has_scheme ? url.find("://") : std::string::npos)) {
    return Address{url, ""};
  }
  return Error{
      .code = Errc::usage,
      .slug = "usage",
      .message = "--ask: '" + escape_control(where, 200) + "' is no address",
      .fix = "write it as --metrics-listen has it: 127.0.0.1:9464 or unix:/run/sluice.sock"};
}

Error no_answer(const std::string& where, const std::string& why) {
  return {.code = Errc::unavailable,
          .slug = "tail-unreachable",
          .message = fmt::format("no running sluice answers at {}: {}", escape_control(where, 200),
                                 escape_control(why, 300)),
          .fix =
              "check that it runs with --metrics-listen and where; without --ask Kafka and "
              "ClickHouse are asked instead"};
}

Result<std::string> get(const Address& address, const std::string& where, Milliseconds timeout) {
  clickhouse::HttpOptions options;
  options.origin = address.origin;
  options.unix_socket = address.socket;
  options.connect_timeout = timeout;
  constexpr int fine = 200;
  clickhouse::HttpReply reply =
      clickhouse::HttpClient(options).get("/status", timeout, answer_bytes_max, {});
  if (reply.failure != clickhouse::TransportFailure::none) {
    return no_answer(where, reply.failure_text);
  }
  if (reply.status != fine) return no_answer(where, fmt::format("HTTP status {}", reply.status));
  return std::move(reply.body);
}

Result<Status> ask_twice(const Address& address, const std::string& where, TimePoint deadline) {
  const auto left = [&] {
    const auto time = std::chrono::duration_cast<Milliseconds>(deadline - SystemClock().now());
    return std::max(Milliseconds{1}, time);
  };
  const std::string before = TRY(get(address, where, left()));
  std::this_thread::sleep_for(std::min(rate_pause, left() / 2));
  const std::string now = TRY(get(address, where, left()));
  auto status = status_of_running(before, now);
  if (!status) return no_answer(where, status.error().message);
  return status;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

template <class T>
std::optional<T> number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<T>();
}

std::optional<WallTime> time_at(const Json& object, const char* key) {
  const std::string text = text_at(object, key);
  return text.empty() ? std::nullopt : parse_time(text, WallTime{});
}

const Json& list_at(const Json& object, const char* key) {
  static const Json empty = Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : empty;
}

const Json* pipeline_named(const Json& document, const std::string& name) {
  for (const Json& pipeline : list_at(document, "pipelines")) {
    if (text_at(pipeline, "name") == name) return &pipeline;
  }
  return nullptr;
}

/// Rows a second between two looks at the same run.
std::optional<double> rate_between(const Json& before, const Json& now, const Json& pipeline) {
  const Json* earlier = pipeline_named(before, text_at(pipeline, "name"));
  const auto from = time_at(before, "at");
  const auto to = time_at(now, "at");
  if (earlier == nullptr || !from || !to || *to <= *from) return std::nullopt;
  if (text_at(before, "run_id") != text_at(now, "run_id")) return std::nullopt;
  const auto rows_before = number_at<double>(*earlier, "inserted");
  const auto rows_now = number_at<double>(pipeline, "inserted");
  if (!rows_before || !rows_now || *rows_now < *rows_before) return std::nullopt;
  return (*rows_now - *rows_before) * 1e3 / static_cast<double>((*to - *from).count());
}

void add_partitions(const Json& from, PipelineStatus& out) {
  bool known = true;
  double oldest = 0;
  for (const Json& item : list_at(from, "partitions")) {
    PartitionStatus partition;
    partition.partition = {number_at<int32_t>(item, "partition").value_or(-1)};
    partition.committed = number_at<int64_t>(item, "committed");
    partition.start = number_at<int64_t>(item, "start");
    partition.end = number_at<int64_t>(item, "end");
    partition.lag = number_at<uint64_t>(item, "lag");
    partition.lag_seconds = number_at<double>(item, "lag_seconds");
    known = known && partition.lag_seconds.has_value();
    oldest = std::max(oldest, partition.lag_seconds.value_or(0));
    out.partitions.push_back(partition);
  }
  if (known && !out.partitions.empty()) out.lag_seconds = oldest;
}

void add_problem(PipelineStatus& out, const std::string& slug, const std::string& message,
                 const std::string& fix) {
  out.problems.push_back({StatusProblem::Level::error, exit_code::unhealthy, slug, message, fix});
}

PipelineStatus pipeline_of(const Json& before, const Json& now, const Json& from) {
  PipelineStatus out;
  out.name = text_at(from, "name");
  out.topic = text_at(from, "topic");
  out.table = text_at(from, "table");
  out.group = text_at(from, "group");
  out.state = text_at(from, "state");
  out.keeps_rejects = true;
  out.lag = number_at<uint64_t>(from, "lag");
  out.last_insert_at = time_at(from, "last_insert_at");
  out.rows_per_second = rate_between(before, now, from);
  add_partitions(from, out);
  if (const std::string slug = text_at(from, "error"); !slug.empty()) {
    add_problem(out, slug, "an error ended the pipeline", "see the log of that process");
  } else if (out.state == "failing") {
    add_problem(out, "failing", "ClickHouse does not take a batch at the moment",
                "see the log of that process; it goes on by itself once ClickHouse takes it");
  } else if (out.state == "stalled") {
    add_problem(out, "stalled", "there is work, and nothing has moved for minutes",
                "see the log of that process");
  }
  return out;
}

void add_servers(const Json& pipeline, std::vector<ServerStatus>& servers) {
  for (const Json& item : list_at(pipeline, "clickhouse")) {
    const std::string url = text_at(item, "endpoint");
    const bool up = item.value("up", false);
    const auto known = std::find_if(servers.begin(), servers.end(),
                                    [&](const ServerStatus& server) { return server.url == url; });
    if (known == servers.end()) {
      servers.push_back({url, up});
    } else {
      known->up = *known->up && up;
    }
  }
}

Result<void> select(const std::vector<std::string>& names, Status& status) {
  if (names.empty()) return {};
  std::vector<PipelineStatus> chosen;
  std::vector<bool> found(names.size());
  for (PipelineStatus& pipeline : status.pipelines) {
    bool wanted = false;
    for (size_t i = 0; i < names.size(); ++i) {
      if (::fnmatch(names[i].c_str(), pipeline.name.c_str(), 0) != 0) continue;
      wanted = true;
      found[i] = true;
    }
    if (wanted) chosen.push_back(std::move(pipeline));
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (found[i]) continue;
    return Error{
        .code = Errc::usage,
        .slug = "usage",
        .message = "the running sluice has no pipeline '" + escape_control(names[i], 64) + "'",
        .fix = "leave the name out to see all it has"};
  }
  status.pipelines = std::move(chosen);
  return {};
}

}  // namespace

Result<Status> status_of_running(const std::string& before, const std::string& now) {
  const Json first = Json::parse(before, nullptr, false);
  const Json second = Json::parse(now, nullptr, false);
  for (const Json& document : {first, second}) {
    if (document.is_object() && text_at(document, "type") == "status") continue;
    return Error{.code = Errc::unavailable,
                 .slug = "tail-unreachable",
                 .message = "what answers is no sluice",
                 .fix = ""};
  }
  Status status;
  status.checked_at = time_at(second, "at").value_or(SystemClock().wall());
  for (const Json& pipeline : list_at(second, "pipelines")) {
    if (!pipeline.is_object()) continue;
    status.pipelines.push_back(pipeline_of(first, second, pipeline));
    add_servers(pipeline, status.clickhouse);
  }
  return status;
}

Result<Status> ask_running(const std::string& where, const std::vector<std::string>& names,
                           Milliseconds timeout) {
  const Address address = TRY(address_of(where));
  const TimePoint deadline = SystemClock().now() + timeout;
  // Looking up a name may take longer than anybody waits, and libcurl waits for it.
  std::packaged_task<Result<Status>()> task(
      [address, where, deadline] { return ask_twice(address, where, deadline); });
  std::future<Result<Status>> answer = task.get_future();
  std::thread(std::move(task)).detach();
  if (answer.wait_until(deadline + grace) != std::future_status::ready) {
    return no_answer(where, "no answer within " + short_duration(timeout));
  }
  Status status = TRY(answer.get());
  TRY(select(names, status));
  return status;
}

}  // namespace sluice::cli
