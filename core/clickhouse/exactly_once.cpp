// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/exactly_once.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "core/base/check.hpp"
#include "core/base/text.hpp"
#include "core/clickhouse/catalog.hpp"
#include "core/clickhouse/range_rows.hpp"
#include "core/model/quote.hpp"

namespace sluice::clickhouse {
namespace {

using State = Requirement::State;

// An attempt lives as long as we wait for it, as the server waits for its bytes, and a while more.
constexpr Milliseconds server_receive_timeout{30'000};
constexpr Milliseconds attempt_margin{60'000};
constexpr int attempts_in_safe_age = 10;
constexpr Milliseconds clock_skew_max{60'000};
constexpr double foreign_writers = 4;  // where the table's real rate cannot be seen
constexpr std::string_view no_uuid = "00000000-0000-0000-0000-000000000000";

bool is_word(char c) {
  return (to_lower(c) >= 'a' && to_lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A name or literal, as it stands in SQL.
struct SqlWord {
  enum class Kind { name, literal, sign } kind = Kind::sign;
  std::string text;
};

std::vector<SqlWord> words_of(std::string_view sql) {
  std::vector<SqlWord> words;
  size_t at = 0;
  while (at < sql.size()) {
    const char c = sql[at];
    std::string text;
    if (c == '\'' || c == '`' || c == '"') {
      if (!read_quoted(sql, at, text)) break;
      words.push_back({c == '\'' ? SqlWord::Kind::literal : SqlWord::Kind::name, text});
    } else if (is_word(c)) {
      const size_t first = at;
      while (at < sql.size() && is_word(sql[at])) ++at;
      const bool digits = c >= '0' && c <= '9';
      words.push_back({digits ? SqlWord::Kind::literal : SqlWord::Kind::name,
                       std::string(sql.substr(first, at - first))});
    } else {
      if (c != ' ' && c != '\n' && c != '\t') words.push_back({SqlWord::Kind::sign, {c}});
      ++at;
    }
  }
  return words;
}

bool equals(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_lower(x) == to_lower(y); });
}

bool is_unsteady(std::string_view name) {
  constexpr std::array<std::string_view, 34> whole{"now",
                                                   "now64",
                                                   "nowInBlock",
                                                   "nowInBlock64",
                                                   "today",
                                                   "yesterday",
                                                   "curdate",
                                                   "current_date",
                                                   "current_timestamp",
                                                   "localtimestamp",
                                                   "utctimestamp",
                                                   "utc_timestamp",
                                                   "hostname",
                                                   "fqdn",
                                                   "serveruuid",
                                                   "currentuser",
                                                   "user",
                                                   "currentdatabase",
                                                   "database",
                                                   "schema",
                                                   "version",
                                                   "uptime",
                                                   "timezone",
                                                   "servertimezone",
                                                   "queryid",
                                                   "initialqueryid",
                                                   "connectionid",
                                                   "tcpport",
                                                   "blocknumber",
                                                   "rownumberinblock",
                                                   "rownumberinallblocks",
                                                   "getmacro",
                                                   "shardnum",
                                                   "joinget"};
  constexpr std::array<std::string_view, 5> beginnings{"rand", "generate", "dictget", "fuzz",
                                                       "filesystem"};
  const bool known = std::any_of(whole.begin(), whole.end(),
                                 [&](std::string_view word) { return equals(word, name); });
  return known || std::any_of(beginnings.begin(), beginnings.end(), [&](std::string_view word) {
           return equals(word, name.substr(0, word.size()));
         });
}

bool is_replicated(std::string_view engine) {
  return engine.starts_with("Replicated") || engine.starts_with("Shared");
}
bool is_merge_tree(std::string_view engine) { return engine.ends_with("MergeTree"); }

/// What a table has forgotten, and when.
struct Window {
  double blocks = 0;
  std::optional<double> seconds;  ///< nothing: it forgets by count alone
};

std::string value_of(std::string_view engine_full, const MergeTreeDefaults& defaults,
                     const std::string& name) {
  if (auto own = table_setting(engine_full, name)) return *own;
  const auto found = defaults.find(name);
  return found == defaults.end() ? "" : found->second;
}

Window window_of(std::string_view engine, std::string_view engine_full,
                 const ExactlyOnceFacts& facts) {
  if (!is_replicated(engine)) {
    return {.blocks = number(value_of(engine_full, facts.plain_defaults,
                                      "non_replicated_deduplication_window"))
                          .value_or(0),
            .seconds = std::nullopt};
  }
  const MergeTreeDefaults& defaults = facts.replicated_defaults;
  return {
      .blocks =
          number(value_of(engine_full, defaults, "replicated_deduplication_window")).value_or(0),
      .seconds = number(value_of(engine_full, defaults, "replicated_deduplication_window_seconds"))
                     .value_or(0)};
}

bool forgets_at_once(const Window& window) {
  return window.blocks < 1 || (window.seconds && *window.seconds < 1);
}

/// Judges one table after the other rule.
class Preflight {
 public:
  Preflight(std::span<const ExactlyOnceFacts> servers, const ExactlyOnceNeeds& needs)
      : servers_(servers), facts_(servers.front()), needs_(needs) {
    CHECK(!servers.empty());
  }

  ExactlyOnceReport run() {
    find_provenance();
    check_version();
    check_engine();
    check_window();
    check_async_insert();
    check_settings();
    check_partition_key();
    check_defaults();
    check_views();
    check_servers();
    check_uuid();
    check_batch();
    check_clock();
    check_provenance();
    return std::move(report_);
  }

 private:
  void add(std::string_view id, State state, std::string text, std::string fix = {}) {
    report_.requirements.push_back(
        {.id = std::string(id), .state = state, .text = std::move(text), .fix = std::move(fix)});
  }
  [[nodiscard]] const Table& table() const { return facts_.table; }
  [[nodiscard]] std::string shown() const { return shown_table(table().database, table().name); }
  [[nodiscard]] std::string alter(std::string_view what) const {
    return "ALTER TABLE " + shown() + " " + std::string(what);
  }
  /// The columns that would tell where a row came from, as far as the table has none.
  [[nodiscard]] std::string missing_provenance() const {
    std::string add("ADD COLUMN _topic LowCardinality(String)");
    if (!origin_columns(table()).known()) {
      add += ", ADD COLUMN _partition Int32, ADD COLUMN _offset Int64";
    }
    return add;
  }
  [[nodiscard]] const TableColumn* column(std::string_view name) const {
    const auto found = std::find_if(table().columns.begin(), table().columns.end(),
                                    [&](const TableColumn& one) { return one.name == name; });
    return found == table().columns.end() ? nullptr : &*found;
  }

  void check_version();
  void check_engine();
  void check_window();
  [[nodiscard]] Milliseconds attempt_time() const;
  [[nodiscard]] double block_rate() const;
  [[nodiscard]] double blocks_to_remember() const;
  [[nodiscard]] std::optional<Milliseconds> safe_age_of(const Window& window) const;
  void check_async_insert();
  void check_settings();
  void check_partition_key();
  void check_defaults();
  void check_views();
  void check_servers();
  void check_uuid();
  void check_batch();
  void check_clock();
  void find_provenance();
  void check_provenance();
  [[nodiscard]] std::string unsteadiness(std::string_view expression,
                                         std::set<std::string>& seen) const;

  std::span<const ExactlyOnceFacts> servers_;
  const ExactlyOnceFacts& facts_;
  const ExactlyOnceNeeds& needs_;
  ExactlyOnceReport report_;
  std::string provenance_;  ///< the columns
  std::string hidden_by_;   ///< why rows may disappear
};

void Preflight::check_version() {
  unsigned major = 0;
  unsigned minor = 0;
  const std::string& text = facts_.version;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, major);
  if (parsed.ec == std::errc{} && parsed.ptr < end) std::from_chars(parsed.ptr + 1, end, minor);
  if (std::pair(major, minor) >= std::pair(24u, 8u)) {
    return add("P1", State::met, "ClickHouse " + printable(text, 64));
  }
  add("P1", State::unmet,
      "ClickHouse " + printable(text, 64) +
          " deduplicates blocks with several partitions and views in ways that lose or double rows",
      "use ClickHouse 24.8 or newer");
}

void Preflight::check_engine() {
  const std::string& engine = table().engine;
  if (!is_merge_tree(engine)) {
    return add("P2", State::unmet,
               shown() + " is a " + printable(engine, 64) + ", which deduplicates no INSERTs",
               "name a table of the MergeTree family; of a Distributed or Buffer table the one "
               "behind it");
  }
  if (is_replicated(engine) || report_.provenance) {
    return add("P2", State::met, shown() + " is a " + printable(engine, 64));
  }
  add("P2", State::unmet,
      shown() + " is a " + engine +
          ", whose deduplication alone does not outlive every crash of the server, and its rows do "
          "not tell where they came from",
      provenance_.empty()
          ? alter(missing_provenance())
          : "use a table from which no rows disappear, or a replicated one: " + hidden_by_);
}

/// How long an INSERT may be on its way.
Milliseconds Preflight::attempt_time() const {
  return needs_.insert_timeout + server_receive_timeout + attempt_margin;
}

/// Blocks a second that are written to the table, by whomever.
double Preflight::block_rate() const {
  return facts_.blocks_per_second ? std::max(*facts_.blocks_per_second, needs_.blocks_per_second)
                                  : needs_.blocks_per_second * foreign_writers;
}

double Preflight::blocks_to_remember() const {
  const double attempt_seconds = static_cast<double>(attempt_time().count()) / 1000;
  const double needed = 2 * (attempts_in_safe_age + 1) * attempt_seconds;
  return std::ceil(needed * block_rate() / 1000) * 1000;
}

/// How old a batch may be and its token be remembered for sure; nothing when that is too short to
/// be of use.
std::optional<Milliseconds> Preflight::safe_age_of(const Window& window) const {
  const double attempt_seconds = static_cast<double>(attempt_time().count()) / 1000;
  double seconds = window.blocks / std::max(block_rate(), 1e-6);
  if (window.seconds) seconds = std::min(seconds, *window.seconds);
  const double safe = std::min(seconds / 2, 1e9) - attempt_seconds;
  if (safe < attempts_in_safe_age * attempt_seconds) return std::nullopt;
  return Milliseconds(static_cast<int64_t>(safe) * 1000);
}

void Preflight::check_window() {
  const bool replicated = is_replicated(table().engine);
  const Window window = window_of(table().engine, table().engine_full, facts_);
  const double rate = block_rate();
  const double blocks_needed = blocks_to_remember();
  std::string settings = fmt::format(
      "MODIFY SETTING {} = {:.0f}",
      replicated ? "replicated_deduplication_window" : "non_replicated_deduplication_window",
      std::max(blocks_needed, replicated ? 10'000.0 : 1'000.0));
  if (replicated) settings += ", replicated_deduplication_window_seconds = 604800";
  if (forgets_at_once(window)) {
    return add("P3", State::unmet, shown() + " deduplicates nothing: its window is 0",
               alter(settings));
  }
  const std::string found = fmt::format(
      "{} remembers {:.0f} blocks{}, written at up to {:.2g} a second{}", shown(), window.blocks,
      window.seconds
          ? fmt::format(" for {}",
                        in_words(Milliseconds(static_cast<int64_t>(*window.seconds * 1000))))
          : "",
      rate, facts_.blocks_per_second ? "" : " (estimated)");
  const std::optional<Milliseconds> safe = safe_age_of(window);
  if (!safe) {
    return add("P3", State::unmet,
               fmt::format("{}: too short, an INSERT alone may be on its way for {}", found,
                           in_words(attempt_time())),
               alter(settings));
  }
  report_.safe_age = *safe;
  add("P3", State::met,
      fmt::format("{}: what is left open is safely sent again within {}", found,
                  in_words(report_.safe_age)));
}

void Preflight::check_async_insert() {
  const MergeTreeDefaults& defaults =
      is_replicated(table().engine) ? facts_.replicated_defaults : facts_.plain_defaults;
  const std::string value = value_of(table().engine_full, defaults, "async_insert");
  if (value.empty() || value == "0" || equals(value, "false")) {
    return add("P4", State::met, "INSERTs are answered after their rows are written");
  }
  add("P4", State::unmet,
      shown() +
          " has async_insert = 1 of its own, which wins over ours: it may say yes before the "
          "rows are written",
      alter("MODIFY SETTING async_insert = 0"));
}

void Preflight::check_settings() {
  std::vector<std::string> names = settings_out_of_reach(facts_.settings);
  if (names.empty()) return add("P5", State::met, "the settings of every INSERT are ours to set");
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + printable(name, 64);
  add("P5", State::unmet, "this user may not set " + list,
      "take the constraint out of the user's settings profile");
}

/// Why the expression's value may differ between two attempts; empty when it cannot.
std::string Preflight::unsteadiness(std::string_view expression,
                                    std::set<std::string>& seen) const {
  const std::string function = unsteady_function(expression);
  if (!function.empty()) return function + "()";
  for (const std::string& name : names_in(expression)) {
    const TableColumn* used = column(name);
    if (used == nullptr || used->default_kind == DefaultKind::none) continue;
    if (!seen.insert(name).second) continue;
    const std::string why = unsteadiness(used->default_expression, seen);
    if (!why.empty()) return fmt::format("column {}, which is {}", shown_name(name), why);
  }
  return {};
}

void Preflight::check_partition_key() {
  std::set<std::string> seen;
  std::string why = unsteadiness(facts_.partition_key, seen);
  for (const std::string& name : facts_.key_columns) {
    if (why.empty()) why = unsteadiness(in_quotes(name, '`'), seen);
  }
  if (why.empty()) {
    return add("P6", State::met,
               facts_.partition_key.empty() ? "the table has no partitions"
                                            : "a row always goes to the same partition");
  }
  add("P6", State::unmet,
      "the partition key uses " + printable(why, 256) +
          ": a second attempt may put a row into another partition, where it is not known",
      "partition by a column that every record has, without such a DEFAULT");
}

void Preflight::check_defaults() {
  std::string list;
  for (const TableColumn& one : table().columns) {
    const bool stored = one.default_kind == DefaultKind::expression ||
                        one.default_kind == DefaultKind::materialized;
    const std::string function = stored ? unsteady_function(one.default_expression) : std::string();
    if (!function.empty()) {
      list += fmt::format("{}{} ({}())", list.empty() ? "" : ", ", shown_name(one.name), function);
    }
  }
  if (list.empty()) return add("P7", State::met, "every DEFAULT gives the same value again");
  add("P7", State::doubtful,
      "rows keep what the first attempt that landed gave to " + list +
          "; another replica may have given another value",
      "nothing, if that is what they are for");
}

void Preflight::check_views() {
  if (facts_.views.empty()) return add("P8", State::met, "no materialized view reads the INSERTs");
  bool all = true;
  for (const FedView& view : facts_.views) {
    if (!view.target) {
      all = false;
      add("P8", State::unmet, "it cannot be seen where the view " + view.name + " writes to",
          "GRANT SHOW TABLES ON *.* to the user, or drop the view");
      continue;
    }
    const DeduplicatingTable& target = *view.target;
    const std::string name = shown_table(target.database, target.name);
    const Window window = window_of(target.engine, target.engine_full, facts_);
    // A block that the table drops still reaches the view: its table has to remember as long.
    if (const auto safe = safe_age_of(window); safe && is_merge_tree(target.engine)) {
      report_.safe_age = std::min(report_.safe_age, *safe);
      continue;
    }
    all = false;
    add("P8", State::unmet,
        fmt::format("the view {} writes to {}, which {}: a repeated INSERT would double its rows",
                    view.name, name,
                    is_merge_tree(target.engine)
                        ? fmt::format("remembers only {:.0f} blocks", window.blocks)
                        : "deduplicates nothing (" + printable(target.engine, 64) + ")"),
        is_merge_tree(target.engine)
            ? fmt::format("ALTER TABLE {} MODIFY SETTING {} = {:.0f}", name,
                          is_replicated(target.engine) ? "replicated_deduplication_window"
                                                       : "non_replicated_deduplication_window",
                          std::max(blocks_to_remember(),
                                   is_replicated(target.engine) ? 10'000.0 : 100'000.0))
            : "let the view write to a table of the MergeTree family");
  }
  if (all) add("P8", State::met, "the targets of all materialized views deduplicate, too");
}

void Preflight::check_servers() {
  const bool replicated = is_replicated(table().engine);
  if (needs_.servers > 1 && !replicated) {
    return add("P9", State::unmet,
               "several servers are configured, but " + shown() +
                   " is not replicated: a second attempt elsewhere would not be known",
               "name one server, or use a replicated table");
  }
  for (const ExactlyOnceFacts& other : servers_.subspan(1)) {
    const bool same_path = other.keeper_path == facts_.keeper_path;
    if (same_path && other.table.uuid == table().uuid) continue;
    return add(
        "P9", State::unmet,
        fmt::format("{} on {} is not the same replicated table as on {} ({} differs)", shown(),
                    other.origin, facts_.origin, same_path ? "its UUID" : "its path in Keeper"),
        "name only servers that are replicas of one shard, with the table created ON CLUSTER "
        "or in a Replicated database");
  }
  if (needs_.servers > servers_.size()) {
    return add("P9", State::doubtful,
               fmt::format("{} of {} servers did not answer: whether they hold the same table is "
                           "not known",
                           needs_.servers - servers_.size(), needs_.servers),
               "check again when they are back");
  }
  if (replicated && facts_.replicas > 1) {
    return add("P9", State::doubtful,
               fmt::format("{} replicas: an INSERT that only one of them has is lost with its disk",
                           facts_.replicas),
               "settings = { insert_quorum = \"auto\" } for this server");
  }
  add("P9", State::met, replicated ? "one table in Keeper" : "one server");
}

void Preflight::check_uuid() {
  if (!table().uuid.empty() && table().uuid != no_uuid) {
    return add("P10", State::met, "the table has the UUID " + printable(table().uuid, 64));
  }
  add("P10", State::unmet, shown() + " has no UUID: a table made anew could not be told from it",
      "keep it in a database with the engine Atomic or Replicated");
}

void Preflight::check_batch() {
  const auto found = facts_.settings.find("max_memory_usage");
  const double memory =
      found == facts_.settings.end() ? 0 : number(found->second.value).value_or(0);
  const auto batch = static_cast<double>(needs_.batch_bytes);
  if (memory == 0 || batch <= memory / 4) {
    return add("P12", State::met, "a batch fits into the server's memory as one block");
  }
  add("P12", State::unmet,
      fmt::format("a batch of {} bytes is more than a quarter of the user's max_memory_usage ({})",
                  needs_.batch_bytes, printable(found->second.value, 32)),
      fmt::format("batch = {{ bytes = \"{}MiB\" }}",
                  std::max<int64_t>(1, static_cast<int64_t>(memory / 4) >> 20)));
}

void Preflight::check_clock() {
  const Milliseconds skew =
      facts_.clock_ahead < Milliseconds{0} ? -facts_.clock_ahead : facts_.clock_ahead;
  if (skew < clock_skew_max) return add("P13", State::met, "the clocks agree");
  add("P13", State::unmet,
      fmt::format("the server's clock is {} {} ours: the age of what is left open cannot be told",
                  in_words(skew), facts_.clock_ahead.count() > 0 ? "ahead of" : "behind"),
      "set the clocks (NTP)");
}

void Preflight::find_provenance() {
  const OriginColumns origin = origin_columns(table());
  // Without the topic rows of another one that fills the table, too, would be taken for these.
  if (origin.known() && !origin.topic.empty()) {
    provenance_ = origin.topic + ", " + origin.partition + ", " + origin.offset;
  }
  hidden_by_ = hides_rows(table());
  report_.provenance = !provenance_.empty() && hidden_by_.empty();
}

void Preflight::check_provenance() {
  if (report_.provenance) {
    return add("P14", State::met,
               "rows tell where they came from (" + provenance_ +
                   "): what is left open for longer than the safe age is looked up");
  }
  const std::string later =
      ": what is left open for longer than the safe age stops its partition and waits for you";
  if (!provenance_.empty())
    return add("P14", State::doubtful, hidden_by_ + later, "a longer window");
  const bool no_topic = origin_columns(table()).known();
  add("P14", State::doubtful,
      (no_topic ? "rows do not tell their topic (_topic)"
                : "rows do not tell where they came from") +
          later,
      alter(missing_provenance()));
}

}  // namespace

bool ExactlyOnceReport::met() const {
  return std::none_of(requirements.begin(), requirements.end(),
                      [](const Requirement& one) { return one.state == State::unmet; });
}

ExactlyOnceReport judge_exactly_once(std::span<const ExactlyOnceFacts> servers,
                                     const ExactlyOnceNeeds& needs) {
  return Preflight(servers, needs).run();
}

Error refusal_of(const std::vector<Requirement>& requirements, std::string_view pipeline) {
  std::string reasons;
  std::string fix;
  for (const Requirement& one : requirements) {
    if (one.state != State::unmet) continue;
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", one.id, one.text);
    if (fix.empty()) fix = one.fix;
  }
  return {.code = Errc::config,
          .slug = "exactly-once-refused",
          .message = fmt::format("pipeline {} cannot be exactly-once: {}", pipeline, reasons),
          .fix = fix};
}

std::string hides_rows(const Table& table) {
  const auto words = words_of(table.engine_full);
  const bool expires = std::any_of(words.begin(), words.end(), [](const SqlWord& word) {
    return word.kind == SqlWord::Kind::name && word.text == "TTL";
  });
  if (expires) return "its TTL removes rows";
  for (const char* kind :
       {"Replacing", "Collapsing", "Summing", "Aggregating", "Coalescing", "Graphite"}) {
    if (table.engine.find(kind) != std::string::npos) return table.engine + " merges rows away";
  }
  return {};
}

std::optional<std::string> table_setting(std::string_view engine_full, std::string_view name) {
  const auto words = words_of(engine_full);
  bool in_settings = false;
  for (size_t index = 0; index + 2 < words.size(); ++index) {
    const SqlWord& word = words[index];
    if (word.kind != SqlWord::Kind::name) continue;
    if (word.text == "SETTINGS") in_settings = true;
    if (in_settings && word.text == name && words[index + 1].text == "=") {
      return words[index + 2].text;
    }
  }
  return std::nullopt;
}

std::vector<std::string> names_in(std::string_view expression) {
  std::vector<std::string> names;
  for (SqlWord& word : words_of(expression)) {
    if (word.kind == SqlWord::Kind::name) names.push_back(std::move(word.text));
  }
  return names;
}

std::string unsteady_function(std::string_view expression) {
  const auto words = words_of(expression);
  for (size_t index = 0; index + 1 < words.size(); ++index) {
    const bool called =
        words[index + 1].kind == SqlWord::Kind::sign && words[index + 1].text == "(";
    if (words[index].kind == SqlWord::Kind::name && called && is_unsteady(words[index].text)) {
      return words[index].text;
    }
  }
  return {};
}

std::optional<std::pair<std::string, std::string>> view_target(std::string_view create) {
  const auto words = words_of(create);
  const auto is = [&](size_t index, std::string_view text) {
    return index < words.size() && words[index].text == text;
  };
  for (size_t index = 0; index + 1 < words.size(); ++index) {
    const SqlWord& word = words[index];
    // Before the columns and the SELECT there is nothing else called TO.
    if (word.kind == SqlWord::Kind::sign || word.text == "AS") break;
    if (word.text == "TO" && words[index + 1].kind == SqlWord::Kind::name) {
      if (is(index + 2, ".") && index + 3 < words.size()) {
        return std::pair(words[index + 1].text, words[index + 3].text);
      }
      return std::pair(std::string(), words[index + 1].text);
    }
    if (is(index + 1, ".")) ++index;
  }
  return std::nullopt;
}

}  // namespace sluice::clickhouse
