// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/sink.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "core/clickhouse/error_codes.hpp"
#include "tests/unit/clickhouse/scripted_server.hpp"

namespace sluice::clickhouse {
namespace {

using testing::HasSubstr;
using testing::Not;
using Kind = InsertOutcome::Kind;

/// Collects what the sink tells while it works.
class Notes final : public Observer {
 public:
  struct Retried {
    std::string token;
    uint32_t attempt = 0;
    Milliseconds wait{0};
    Error error;
  };
  void retrying(const Retrying& attempt) override {
    const std::lock_guard lock(mutex_);
    retries_.push_back({attempt.insert.token, attempt.attempt, attempt.wait, attempt.error});
  }
  void warning(std::string_view slug, std::string_view) override { warnings_.emplace_back(slug); }
  [[nodiscard]] std::vector<Retried> retries() const {
    const std::lock_guard lock(mutex_);
    return retries_;
  }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  mutable std::mutex mutex_;
  std::vector<Retried> retries_;
  std::vector<std::string> warnings_;
};

/// A server with a table t.x (a UInt64): answers the questions of open_sink() itself, and INSERTs
/// with a body as the test says.
class Stage {
 public:
  explicit Stage(ScriptedServer::Script inserts)
      : inserts_(std::move(inserts)), server_([this](const SeenRequest& r) { return answer(r); }) {
    options_.url = server_.url();
    options_.user = "loader";
    options_.password = "secret";
    options_.timeout = Milliseconds{60'000};
    sink_options_.database = "t";
    sink_options_.table = "x";
    sink_options_.retry.base = Milliseconds{5};
    sink_options_.retry.cap = Milliseconds{20};
    sink_options_.retry.slow_base = Milliseconds{10};
    sink_options_.retry.slow_cap = Milliseconds{30};
    sink_options_.retry.brief_max = Milliseconds{100};
    sink_options_.retry.time_max = Milliseconds{60'000};
  }

  Result<std::unique_ptr<Sink>> open() {
    return open_sink(options_, sink_options_, notes_, clock_);
  }

  ServerOptions& options() { return options_; }
  SinkOptions& sink_options() { return sink_options_; }
  Notes& notes() { return notes_; }
  std::map<std::string, ScriptedReply>& answers() { return answers_; }
  /// INSERTs with rows, as they arrived.
  [[nodiscard]] std::vector<SeenRequest> inserts() const {
    std::vector<SeenRequest> found;
    for (const SeenRequest& request : server_.seen()) {
      if (is_insert(request)) found.push_back(request);
    }
    return found;
  }

 private:
  static bool is_insert(const SeenRequest& request) {
    const std::string token = request.parameter("insert_deduplication_token");
    return !token.empty() && token != "sluice-start";
  }

  ScriptedReply answer(const SeenRequest& request) {
    if (is_insert(request)) return inserts_(request);
    for (const auto& [text, reply] : answers_) {
      if (request.body.find(text) != std::string::npos) return reply;
    }
    return clickhouse_reply(200);
  }

  ScriptedServer::Script inserts_;
  std::map<std::string, ScriptedReply> answers_{
      {"timezone()", clickhouse_reply(200, "", "UTC\n")},
      {"FROM system.settings",
       clickhouse_reply(200, "", "insert_deduplication_token\t\t0\nasync_insert\t1\t0\n")},
      {"SELECT toString(uuid)",
       clickhouse_reply(200, "", "00000000-0000-0000-0000-00000000000a\tMergeTree\tMergeTree\n")},
      {"DESCRIBE TABLE", clickhouse_reply(200, "", "a\tUInt64\t\t\t\t\t\n")},
      {"SELECT toString(total_rows)", clickhouse_reply(200, "", "0\n")}};
  ServerOptions options_;
  SinkOptions sink_options_;
  Notes notes_;
  SystemClock clock_;
  ScriptedServer server_;
};

/// Inserts of one row that stay alive.
class Inserts {
 public:
  const Insert& add(const std::string& token) {
    Insert& insert = inserts_.emplace_back();
    insert.id = inserts_.size();
    insert.token = token;
    insert.columns = {{"a", "UInt64", false, ""}};
    insert.pieces = {"body of ", insert.token};
    insert.rows = 1;
    for (const std::string_view piece : insert.pieces) insert.bytes += piece.size();
    return insert;
  }

 private:
  std::deque<Insert> inserts_;
};

std::vector<InsertOutcome> collect(Sink& sink, size_t count,
                                   Milliseconds most = Milliseconds{60'000}) {
  std::vector<InsertOutcome> all;
  const auto deadline = std::chrono::steady_clock::now() + most;
  while (all.size() < count && std::chrono::steady_clock::now() < deadline) {
    for (InsertOutcome& outcome : sink.collect(Milliseconds{20})) all.push_back(std::move(outcome));
  }
  return all;
}

/// What becomes of one insert when the server answers it like this, answer by answer; the last
/// answer stays.
struct Delivery {
  InsertOutcome outcome;
  std::vector<SeenRequest> requests;
  std::vector<Notes::Retried> retries;
};
Delivery run_one(std::vector<ScriptedReply> replies) {
  size_t next = 0;
  Stage stage([&](const SeenRequest&) { return replies[std::min(next++, replies.size() - 1)]; });
  auto sink = stage.open();
  EXPECT_TRUE(sink.ok()) << sink.error().message;
  Inserts inserts;
  (*sink)->submit(inserts.add("tok"));
  auto outcomes = collect(**sink, 1);
  EXPECT_EQ(outcomes.size(), 1U);
  if (outcomes.empty()) return {};
  return {outcomes.front(), stage.inserts(), stage.notes().retries()};
}

// --- opening
// --------------------------------------------------------------------------------------

TEST(OpenSinkTest, DescribesTheTable) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  const auto table = (*sink)->describe();
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->full_name(), "t.x");
  EXPECT_EQ(table->engine, "MergeTree");
  EXPECT_EQ(table->server_time_zone, "UTC");
  ASSERT_EQ(table->columns.size(), 1U);
  EXPECT_EQ(table->columns[0].name, "a");
  const auto has_rows = (*sink)->has_rows();
  ASSERT_TRUE(has_rows.ok());
  EXPECT_FALSE(*has_rows);
  EXPECT_TRUE(stage.inserts().empty());
}

TEST(OpenSinkTest, SuggestsTheTableThatWasMeant) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  stage.answers().insert_or_assign("DESCRIBE TABLE",
                                   clickhouse_exception(404, 60, "Table t.x does not exist"));
  stage.answers().insert_or_assign("SELECT database, name FROM system.tables",
                                   clickhouse_reply(200, "", "t\txy\nweb\tx\n"));
  const auto sink = stage.open();
  ASSERT_FALSE(sink.ok());
  EXPECT_EQ(sink.error().code, Errc::config);
  EXPECT_EQ(sink.error().slug, "table-missing");
  EXPECT_EQ(sink.error().message, "ClickHouse has no table t.x");
  EXPECT_THAT(sink.error().fix, HasSubstr("did you mean t.xy?"));
}

TEST(OpenSinkTest, FindsAMissingGrantBeforeAnythingIsRead) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  stage.answers().insert_or_assign("INSERT INTO `t`.`x`",
                                   clickhouse_exception(500, 497, "loader: Not enough privileges"));
  const auto sink = stage.open();
  ASSERT_FALSE(sink.ok());
  EXPECT_EQ(sink.error().code, Errc::no_permission);
  EXPECT_EQ(sink.error().fix, "GRANT INSERT ON t.x TO loader");
}

TEST(OpenSinkTest, FindsASettingThatMayNotBeSetBeforeAnythingIsRead) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  stage.answers().insert_or_assign(
      "INSERT INTO `t`.`x`",
      clickhouse_exception(500, 452, "Setting insert_deduplication_token should not be changed"));
  const auto sink = stage.open();
  ASSERT_FALSE(sink.ok());
  EXPECT_EQ(sink.error().code, Errc::config);
  EXPECT_EQ(sink.error().slug, "clickhouse-setting");
}

TEST(OpenSinkTest, AUserWhoMayFillOneColumnIsLetIn) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  stage.answers().insert_or_assign("DESCRIBE TABLE",
                                   clickhouse_reply(200, "", "a\tUInt64\t\t\nb\tUInt64\t\t\n"));
  stage.answers().insert_or_assign("INSERT INTO `t`.`x` (`a`, `b`)",
                                   clickhouse_exception(500, 497, "Not enough privileges"));
  EXPECT_TRUE(stage.open().ok());
}

TEST(OpenSinkTest, ARoleGoesWithQuestionsToo) {
  std::atomic<int> with_role = 0;
  const ScriptedServer server([&](const SeenRequest& request) {
    with_role += request.parameter("role") == "a%26b" ? 1 : 0;
    return clickhouse_exception(500, 497, "Not enough privileges");
  });
  ServerOptions options;
  options.url = server.url();
  options.settings = {{"role", "a&b"}, {"max_memory_usage", "1"}};
  const SinkOptions sink_options{.database = "t", .table = "x", .senders = 1, .retry = {}};
  Notes notes;
  const SystemClock clock;
  EXPECT_FALSE(open_sink(options, sink_options, notes, clock).ok());
  EXPECT_EQ(with_role, 1);
}

TEST(OpenSinkTest, APasswordNeverAppearsAnywhere) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  stage.options().password = "hunter2";
  stage.answers().insert_or_assign("FROM system.settings",
                                   clickhouse_exception(403, 516, "loader: Authentication failed"));
  const auto sink = stage.open();
  ASSERT_FALSE(sink.ok());
  EXPECT_EQ(sink.error().code, Errc::no_permission);
  EXPECT_THAT(sink.error().message + sink.error().fix, Not(HasSubstr("hunter2")));
}

TEST(OpenSinkTest, AServerThatIsAwayIsWaitedForShortly) {
  ServerOptions options;
  options.url = "http://127.0.0.1:1";
  SinkOptions sink_options;
  sink_options.database = "t";
  sink_options.table = "x";
  sink_options.retry.time_max = Milliseconds{200};
  Notes notes;
  const SystemClock clock;
  const auto sink = open_sink(options, sink_options, notes, clock);
  ASSERT_FALSE(sink.ok());
  EXPECT_EQ(sink.error().code, Errc::unavailable);
  EXPECT_EQ(sink.error().slug, "clickhouse-unreachable");
}

TEST(OpenSinkTest, WarnsOfATableThatForgets) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  stage.answers().insert_or_assign("SELECT toString(uuid)",
                                   clickhouse_reply(200, "", "0\tBuffer\tBuffer()\n"));
  ASSERT_TRUE(stage.open().ok());
  EXPECT_THAT(stage.notes().warnings(), testing::ElementsAre("table-buffer"));
}

TEST(CheckServerOptionsTest, APasswordOverPlainHttpNeedsConsent) {
  ServerOptions options;
  options.url = "http://db.example:8123";
  EXPECT_TRUE(check_server_options(options).ok()) << "there is no password";
  options.password = "secret";
  ASSERT_FALSE(check_server_options(options).ok());
  EXPECT_EQ(check_server_options(options).error().slug, "plaintext-password");
  options.allow_plaintext_auth = true;
  EXPECT_TRUE(check_server_options(options).ok());
  options.allow_plaintext_auth = false;
  options.url = "https://db.example:8443";
  EXPECT_TRUE(check_server_options(options).ok());
  options.url = "http://127.0.0.1:8123";
  EXPECT_TRUE(check_server_options(options).ok());
}

TEST(CheckServerOptionsTest, CredentialsThatCannotGoIntoAHeaderAreRefused) {
  ServerOptions options;
  options.url = "http://127.0.0.1:8123";
  for (const char* password : {"line end\n", "a\r\nX-Evil: 1", " leading", "trailing "}) {
    options.password = password;
    const auto result = check_server_options(options);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, Errc::config);
    EXPECT_THAT(result.error().message, Not(HasSubstr("Evil")));
  }
  options.password.clear();
  options.user = "a\nb";
  EXPECT_FALSE(check_server_options(options).ok());
}

// --- one insert
// -----------------------------------------------------------------------------------

TEST(SinkTest, SendsOneInsertOnce) {
  const Delivery run = run_one({clickhouse_reply(200)});
  EXPECT_EQ(run.outcome.kind, Kind::inserted);
  EXPECT_EQ(run.outcome.attempts, 1U);
  EXPECT_FALSE(run.outcome.ambiguous);
  EXPECT_EQ(run.outcome.wire_bytes, 11U);
  ASSERT_EQ(run.requests.size(), 1U);
  const SeenRequest& request = run.requests[0];
  EXPECT_EQ(request.body, "body of tok");
  EXPECT_EQ(request.parameter("query"),
            "INSERT%20INTO%20%60t%60.%60x%60%20%28%60a%60%29%20FORMAT%20Native");
  EXPECT_EQ(request.parameter("insert_deduplication_token"), "tok");
  EXPECT_EQ(request.parameter("max_insert_block_size"), "2");
  EXPECT_EQ(request.parameter("async_insert"), "0");
  EXPECT_EQ(request.parameter("wait_end_of_query"), "1");
  EXPECT_EQ(request.parameter("query_id"), "tok-1");
  EXPECT_TRUE(request.has("X-ClickHouse-Key: secret\r\n"));
  EXPECT_FALSE(request.has("Content-Encoding")) << "loopback";
  EXPECT_FALSE(request.has("password="));
}

TEST(SinkTest, EveryAttemptHasTheSameBytesAndTokenAndAnotherQueryId) {
  const Delivery run = run_one({{.bytes = "", .close = true},
                                clickhouse_exception(500, 999, "Session expired"),
                                clickhouse_reply(200)});
  EXPECT_EQ(run.outcome.kind, Kind::inserted);
  EXPECT_TRUE(run.outcome.ambiguous);
  ASSERT_GE(run.requests.size(), 3U);
  std::set<std::string> query_ids;
  for (const SeenRequest& request : run.requests) {
    EXPECT_EQ(request.body, "body of tok");
    EXPECT_EQ(request.parameter("insert_deduplication_token"), "tok");
    query_ids.insert(request.parameter("query_id"));
  }
  EXPECT_EQ(query_ids.size(), run.outcome.attempts);
  ASSERT_EQ(run.retries.size(), run.outcome.attempts - 1);
  EXPECT_EQ(run.retries.back().error.slug, "keeper-unavailable");
}

TEST(SinkTest, EveryClassOfAnswerBecomesItsOutcome) {
  const auto violated = [](int row) {
    return clickhouse_exception(400, 469,
                                fmt::format("Constraint `c` is violated at row {}.", row));
  };
  EXPECT_EQ(run_one({violated(1)}).outcome.kind, Kind::refused_row);
  EXPECT_EQ(run_one({violated(9)}).outcome.kind, Kind::refused);
  EXPECT_EQ(run_one({clickhouse_exception(500, 396, "Too many rows")}).outcome.kind,
            Kind::too_large);
  EXPECT_EQ(run_one({clickhouse_exception(500, 252, "Too many partitions for single INSERT")})
                .outcome.kind,
            Kind::too_large);
  EXPECT_EQ(run_one({clickhouse_exception(500, 16, "No such column")}).outcome.kind,
            Kind::stale_table);
  const Delivery denied = run_one({clickhouse_exception(500, 497, "Not enough privileges")});
  EXPECT_EQ(denied.outcome.kind, Kind::failed);
  EXPECT_EQ(denied.outcome.error.code, Errc::no_permission);
  EXPECT_EQ(denied.outcome.exception_code, 497);
  EXPECT_EQ(denied.outcome.attempts, 1U);
}

/// What one answer of this class and then a good one make of an insert.
struct Expected {
  Kind kind;
  size_t requests;
};
Expected once_then_good(AttemptClass kind) {
  switch (kind) {
    case AttemptClass::success:
      return {Kind::inserted, 1};
    case AttemptClass::retry:
    case AttemptClass::retry_slow:
    case AttemptClass::retry_briefly:
    case AttemptClass::resend:
      return {Kind::inserted, 2};
    case AttemptClass::isolate:
      return {Kind::refused, 1};
    case AttemptClass::split:
      return {Kind::too_large, 1};
    case AttemptClass::refresh_schema:
      return {Kind::stale_table, 1};
    case AttemptClass::fatal:
      return {Kind::failed, 1};
  }
  return {Kind::failed, 0};
}

// Fault case 18 of delivery.md.
/// case 18
TEST(SinkTest, EveryCodeOnceAndThenAGoodAnswer) {
  for (const ErrorCode& entry : error_codes()) {
    const Delivery run =
        run_one({clickhouse_exception(500, entry.code, "no"), clickhouse_reply(200)});
    const Expected expected = once_then_good(entry.kind);
    EXPECT_EQ(run.outcome.kind, expected.kind) << entry.code;
    EXPECT_EQ(run.requests.size(), expected.requests) << entry.code;
    EXPECT_EQ(run.outcome.attempts, expected.requests) << entry.code;
    EXPECT_EQ(run.retries.size(), expected.requests - 1) << entry.code;
    const bool counts = entry.kind != AttemptClass::success;
    EXPECT_EQ(run.outcome.ambiguous, counts && entry.ambiguous) << entry.code;
  }
}

TEST(SinkTest, ACutBodyIsSentOnceMore) {
  const Delivery healed =
      run_one({clickhouse_exception(500, 32, "Attempt to read after eof"), clickhouse_reply(200)});
  EXPECT_EQ(healed.outcome.kind, Kind::inserted);
  EXPECT_EQ(healed.outcome.attempts, 2U);
  const Delivery refused = run_one({clickhouse_exception(500, 33, "Cannot read all data")});
  EXPECT_EQ(refused.outcome.kind, Kind::refused);
  EXPECT_EQ(refused.outcome.attempts, 2U);
}

TEST(SinkTest, ATableThatStaysAwayIsAnErrorOfTheConfiguration) {
  const Delivery run = run_one({clickhouse_exception(404, 60, "Table t.x does not exist")});
  EXPECT_EQ(run.outcome.kind, Kind::failed);
  EXPECT_EQ(run.outcome.error.code, Errc::config);
  EXPECT_EQ(run.outcome.error.slug, "table-missing");
  EXPECT_GT(run.outcome.attempts, 1U);
}

TEST(SinkTest, GivesUpAfterItsTimeAndSaysWhatItTried) {
  Stage stage([](const SeenRequest&) {
    return clickhouse_exception(500, 252, "Too many parts (300). Merges are slow");
  });
  stage.sink_options().retry.time_max = Milliseconds{300};
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  Inserts inserts;
  (*sink)->submit(inserts.add("tok"));
  const auto outcomes = collect(**sink, 1);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].kind, Kind::failed);
  EXPECT_EQ(outcomes[0].error.code, Errc::unavailable);
  EXPECT_EQ(outcomes[0].error.slug, "too-many-parts");
  EXPECT_THAT(outcomes[0].error.message,
              testing::ContainsRegex("gave up inserting into t\\.x after [0-9.]+ m?s"));
  EXPECT_THAT(outcomes[0].error.message, HasSubstr("252 TOO_MANY_PARTS: Too many parts (300)"));
}

// --- many inserts
// ---------------------------------------------------------------------------------

TEST(SinkTest, TakesOneMoreThanItHasSenders) {
  std::mutex gate;
  gate.lock();
  Stage stage([&](const SeenRequest&) {
    const std::lock_guard wait(gate);
    return clickhouse_reply(200);
  });
  stage.sink_options().senders = 2;
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  Inserts inserts;
  for (int number = 0; number < 3; ++number) {
    ASSERT_TRUE((*sink)->has_room());
    (*sink)->submit(inserts.add("tok" + std::to_string(number)));
  }
  EXPECT_FALSE((*sink)->has_room());
  gate.unlock();
  EXPECT_EQ(collect(**sink, 3).size(), 3U);
  EXPECT_TRUE((*sink)->has_room());
}

TEST(SinkTest, HasRoomAgainOnceAnOutcomeIsCollectedAndNotBefore) {
  std::atomic<int> answered = 0;
  Stage stage([&](const SeenRequest&) {
    ++answered;
    return clickhouse_reply(200);
  });
  stage.sink_options().senders = 2;
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  Inserts inserts;
  for (const char* token : {"a", "b", "c"}) (*sink)->submit(inserts.add(token));
  for (int i = 0; i < 2000 && answered < 3; ++i) std::this_thread::sleep_for(Milliseconds{5});
  std::this_thread::sleep_for(Milliseconds{100});
  EXPECT_FALSE((*sink)->has_room()) << "who divides a batch that was refused needs its room";
  EXPECT_EQ(collect(**sink, 3).size(), 3U);
  EXPECT_TRUE((*sink)->has_room());
}

TEST(SinkTest, WhileTheServerFailsOneTrialIsMadeAtATime) {
  std::atomic<bool> healthy = false;
  Stage stage([&](const SeenRequest&) {
    return healthy ? clickhouse_reply(200) : clickhouse_exception(500, 999, "No session");
  });
  stage.sink_options().senders = 8;
  stage.sink_options().retry.base = Milliseconds{50};
  stage.sink_options().retry.cap = Milliseconds{50};
  stage.sink_options().retry.time_max = Milliseconds{0};
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  Inserts inserts;
  for (int number = 0; number < 8; ++number) {
    (*sink)->submit(inserts.add("tok" + std::to_string(number)));
  }
  const auto begin = std::chrono::steady_clock::now();
  while (stage.notes().retries().size() < 20) std::this_thread::yield();
  const size_t trials = stage.inserts().size();
  const auto passed = std::chrono::steady_clock::now() - begin;
  // All eight may have begun before the first failed; from then on every failure closes the gate
  // for at least a tenth of its base.
  EXPECT_LE(trials, 8U + 2 + static_cast<size_t>(passed / std::chrono::milliseconds(5)));
  healthy = true;
  const auto outcomes = collect(**sink, 8);
  ASSERT_EQ(outcomes.size(), 8U);
  for (const InsertOutcome& outcome : outcomes) EXPECT_EQ(outcome.kind, Kind::inserted);
}

TEST(SinkTest, CancelBringsEverythingBackSoon) {
  Stage stage([](const SeenRequest&) { return ScriptedReply{.bytes = ""}; });
  stage.sink_options().senders = 2;
  stage.options().timeout = Milliseconds{60'000};
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  Inserts inserts;
  for (int number = 0; number < 3; ++number) {
    (*sink)->submit(inserts.add("tok" + std::to_string(number)));
  }
  while (stage.inserts().size() < 2) std::this_thread::yield();
  (*sink)->cancel();
  const auto outcomes = collect(**sink, 3);
  ASSERT_EQ(outcomes.size(), 3U);
  size_t ambiguous = 0;
  for (const InsertOutcome& outcome : outcomes) {
    EXPECT_EQ(outcome.kind, Kind::failed);
    EXPECT_EQ(outcome.error.code, Errc::cancelled);
    ambiguous += outcome.ambiguous ? 1 : 0;
  }
  EXPECT_EQ(ambiguous, 2U) << "two were on their way, one had not begun";
  (*sink)->submit(inserts.add("late"));
  EXPECT_EQ(collect(**sink, 1).size(), 1U) << "also what comes after it";
}

TEST(SinkTest, CancelEndsALongWait) {
  Stage stage([](const SeenRequest&) { return clickhouse_exception(500, 999, "No session"); });
  stage.sink_options().retry.base = Milliseconds{60'000};
  stage.sink_options().retry.cap = Milliseconds{60'000};
  stage.sink_options().retry.time_max = Milliseconds{0};
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  Inserts inserts;
  (*sink)->submit(inserts.add("tok"));
  while (stage.notes().retries().empty()) std::this_thread::yield();
  (*sink)->cancel();
  const auto outcomes = collect(**sink, 1, Milliseconds{20'000});
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].error.code, Errc::cancelled);
  EXPECT_TRUE(outcomes[0].ambiguous);
}

TEST(SinkTest, MayBeDestroyedWithInsertsUnderWay) {
  Stage stage([](const SeenRequest&) { return ScriptedReply{.bytes = ""}; });
  Inserts inserts;
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  (*sink)->submit(inserts.add("tok"));
  (*sink).reset();
}

TEST(SinkTest, ALongQueryGoesWithTheBody) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  Inserts inserts;
  Insert insert = inserts.add("tok");
  insert.columns.clear();
  for (int number = 0; number < 500; ++number) {
    insert.columns.push_back({"column_" + std::to_string(number), "UInt8", false, ""});
  }
  (*sink)->submit(insert);
  ASSERT_EQ(collect(**sink, 1).size(), 1U);
  const SeenRequest request = stage.inserts().at(0);
  EXPECT_EQ(request.parameter("query"), "");
  EXPECT_LT(request.head.size(), 4096U);
  EXPECT_THAT(request.body, HasSubstr("`column_499`) FORMAT Native\nbody of tok"));
}

TEST(SinkTest, CompressesWhenTold) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  stage.options().compression = Compression::zstd;
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  Inserts inserts;
  (*sink)->submit(inserts.add(std::string(10'000, 'z')));
  const auto outcomes = collect(**sink, 1);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_LT(outcomes[0].wire_bytes, 200U);
  EXPECT_TRUE(stage.inserts().at(0).has("Content-Encoding: zstd\r\n"));
}

// --- has_rows
// -------------------------------------------------------------------------------------

TEST(HasRowsTest, LooksWhereTheEngineDoesNotCount) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  stage.answers().insert_or_assign("SELECT toString(total_rows)",
                                   clickhouse_reply(200, "", "\\N\n"));
  stage.answers().insert_or_assign("SELECT 1 FROM", clickhouse_reply(200, "", "1\n"));
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  const auto has_rows = (*sink)->has_rows();
  ASSERT_TRUE(has_rows.ok());
  EXPECT_TRUE(*has_rows);
}

TEST(HasRowsTest, SaysWhichGrantItNeeds) {
  Stage stage([](const SeenRequest&) { return clickhouse_reply(200); });
  stage.answers().insert_or_assign("SELECT toString(total_rows)",
                                   clickhouse_reply(200, "", "\\N\n"));
  stage.answers().insert_or_assign("SELECT 1 FROM",
                                   clickhouse_exception(500, 497, "Not enough privileges"));
  auto sink = stage.open();
  ASSERT_TRUE(sink.ok());
  const auto has_rows = (*sink)->has_rows();
  ASSERT_FALSE(has_rows.ok());
  EXPECT_EQ(has_rows.error().code, Errc::no_permission);
  EXPECT_EQ(has_rows.error().fix, "GRANT SELECT ON t.x TO loader");
}

TEST(VersionLineTest, NamesTheLibraries) {
  EXPECT_THAT(version_line(), HasSubstr("libcurl "));
  EXPECT_THAT(version_line(), HasSubstr(" · zstd "));
  EXPECT_THAT(version_line(), HasSubstr(" · lz4 "));
}

}  // namespace
}  // namespace sluice::clickhouse
