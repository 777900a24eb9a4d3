// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <array>

#include "cli/settings_parts.hpp"
#include "cli/suggest.hpp"
#include "cli/text.hpp"
#include "cli/units.hpp"

namespace sluice::cli {
namespace {

constexpr uint64_t senders_max = 64;
constexpr uint64_t record_bytes_limit = 1ull << 30;

/// Flags that stand for a key of every pipeline, and the key.
struct PipelineFlag {
  const char* flag;
  const char* table;  ///< "" or the table the key is in
  const char* key;
};
constexpr std::array overriding_flags{
    PipelineFlag{"batch-rows", "batch", "rows"}, PipelineFlag{"batch-bytes", "batch", "bytes"},
    PipelineFlag{"batch-age", "batch", "age"},   PipelineFlag{"senders", "", "senders"},
    PipelineFlag{"on-error", "", "on_error"},    PipelineFlag{"from", "", "start"}};
constexpr std::array adhoc_flags{PipelineFlag{"topic", "", "topic"},
                                 PipelineFlag{"table", "", "table"},
                                 PipelineFlag{"format", "", "format"},
                                 PipelineFlag{"group", "", "group"},
                                 PipelineFlag{"reject-topic", "reject", "topic"},
                                 PipelineFlag{"reject-file", "reject", "file"}};

void overlay(const PipelineFlag& names, const FlagValues& flags, ConfigValue& table) {
  const auto given = flags.last(names.flag);
  if (!given) return;
  std::vector<std::string> path{names.key};
  if (*names.table != '\0') path.insert(path.begin(), names.table);
  set_path(table, path, ConfigValue::make_text(given->value, given->origin));
}

const ConfigValue& table_or_empty(const ConfigValue& root, std::string_view key) {
  static const ConfigValue empty = ConfigValue::make_table({});
  const ConfigEntry* entry = root.find(key);
  const bool table = entry != nullptr && entry->value.kind == ConfigValue::Kind::table;
  return table ? entry->value : empty;
}

/// Only these two, and only in the keys that say so: a configuration is no template language.
void expand(const PipelineSettings& pipeline, std::string_view key, Setting<std::string>& setting,
            Problems& problems) {
  std::string out;
  std::string_view rest = setting.value;
  while (!rest.empty()) {
    const size_t open = rest.find('{');
    out += rest.substr(0, open);
    if (open == std::string_view::npos) break;
    const size_t close = rest.find('}', open);
    const std::string_view name =
        rest.substr(open + 1, close == std::string_view::npos ? close : close - open - 1);
    if (name != "pipeline" && name != "topic") {
      problems.add(setting.origin,
                   fmt::format("{}: unknown placeholder '{{{}}}'", key, escape_control(name, 64)),
                   "there are {pipeline} and {topic}");
      return;
    }
    out += name == "pipeline" ? pipeline.name : pipeline.topic.value;
    rest.remove_prefix(close + 1);
  }
  setting.value = std::move(out);
}

bool is_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= 249 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char character) {
           return (character >= 'a' && character <= 'z') ||
                  (character >= 'A' && character <= 'Z') ||
                  (character >= '0' && character <= '9') || character == '.' || character == '_' ||
                  character == '-';
         });
}

void check_topic(std::string_view key, const Setting<std::string>& topic, Problems& problems) {
  if (topic.value.empty() || is_topic_name(topic.value)) return;
  problems.add(topic.origin,
               fmt::format("{}: '{}' is not a topic name", key, escape_control(topic.value, 64)),
               "names have letters, digits, '.', '_' and '-', 249 at most");
}

void read_batch(const ConfigValue& table, const std::string& path, PipelineSettings& out,
                Problems& problems) {
  TableReader reader(table, path + ".batch", problems);
  reader.count("rows", 1, 100'000'000, out.batch_rows);
  reader.size("bytes", 1024, out.batch_bytes);
  reader.duration("age", out.batch_age);
  reader.finish();
}

void read_reject(const ConfigValue& table, const std::string& path, PipelineSettings& out,
                 Problems& problems) {
  TableReader reader(table, path + ".reject", problems);
  reader.text("topic", out.reject.topic);
  reader.text("file", out.reject.file);
  reader.count("max", 1, UINT64_MAX, out.reject.max);
  reader.finish();
  if (!out.reject.topic.value.empty() && !out.reject.file.value.empty()) {
    problems.add(out.reject.file.origin, "reject: topic and file exclude each other",
                 "keep one of them");
  }
}

void read_start(TableReader& reader, WallTime now, PipelineSettings& out) {
  const ConfigValue* value = reader.find("start");
  if (value == nullptr) return;
  const auto start =
      value->kind == ConfigValue::Kind::text ? parse_start(value->text, now) : std::nullopt;
  if (start) {
    out.start = {*start, value->origin};
    return;
  }
  reader.problem(*value, "start", "expected earliest, end or a time", std::string(time_example));
}

/// Keys and words of the design that this version does not have.
void refuse_later(TableReader& reader) {
  reader.later_word("format", {"avro", "protobuf", "csv", "msgpack", "raw"});
  if (const ConfigValue* format = reader.find("format");
      format != nullptr && format->kind == ConfigValue::Kind::table) {
    reader.problem(*format, "format", "a table needs a later version of sluice", "write \"json\"");
  }
  reader.later_word("mode", {"full"});
  reader.later_word("write", {"overwrite", "overwrite-delete-stale"});
  reader.later_word("delivery", {"exactly-once"});
  reader.later_word("on_gap", {"continue"});
  for (const char* key : {"map", "columns", "topics_regex", "tags", "destination", "key"}) {
    reader.later(key);
  }
}

/// Words with only one meaning in this version: accepted, so that a configuration can say them.
void read_words(TableReader& reader) {
  Setting<int> word;
  const ConfigValue* format = reader.find("format");
  if (format == nullptr || format->kind != ConfigValue::Kind::table) {
    reader.choice<int>("format", {{"json", 0}}, word);
  }
  reader.choice<int>("mode", {{"incremental", 0}}, word);
  reader.choice<int>("write", {{"append", 0}}, word);
  reader.choice<int>("delivery", {{"at-least-once", 0}}, word);
  reader.choice<int>("on_gap", {{"stop", 0}}, word);
}

void read_unknown_fields(TableReader& reader, PipelineSettings& out) {
  const ConfigValue* value = reader.find("unknown_fields");
  if (value != nullptr && value->kind == ConfigValue::Kind::table) {
    reader.problem(*value, "unknown_fields", "a table needs a later version of sluice",
                   "write \"ignore\" or \"error\"");
    return;
  }
  reader.choice<UnknownFields>("unknown_fields",
                               {{"ignore", UnknownFields::ignore}, {"error", UnknownFields::error}},
                               out.unknown_fields);
}

/// Every key of a pipeline's table; `path` names the table.
void read_keys(const ConfigValue& table, const std::string& path, WallTime now,
               PipelineSettings& out, Problems& problems) {
  TableReader reader(table, path, problems);
  reader.boolean("disabled", out.disabled);
  if (out.disabled.value) {
    // Words of a later version do no harm where nothing runs.
    for (const char* key : {"map", "columns", "topics_regex", "tags", "destination", "key",
                            "format", "mode", "write", "delivery", "on_gap"}) {
      (void)reader.find(key);
    }
  } else {
    refuse_later(reader);
    read_words(reader);
  }
  reader.text("topic", out.topic);
  reader.text("table", out.table);
  reader.text("group", out.group);
  read_start(reader, now, out);
  reader.choice<OnError>("on_error", {{"stop", OnError::stop}, {"reject", OnError::reject}},
                         out.on_error);
  reader.count("senders", 1, senders_max, out.senders);
  reader.size("max_record_bytes", 1024, out.record_bytes_max);
  read_unknown_fields(reader, out);
  reader.choice<Nulls>("nulls", {{"default", Nulls::column_default}, {"reject", Nulls::reject}},
                       out.nulls);
  if (const ConfigValue* batch = reader.table("batch")) read_batch(*batch, path, out, problems);
  if (const ConfigValue* reject = reader.table("reject")) read_reject(*reject, path, out, problems);
  reader.finish();
  if (out.record_bytes_max.value > record_bytes_limit) {
    problems.add(out.record_bytes_max.origin, "max_record_bytes: must be at most 1GiB");
  }
}

/// What must hold between the keys of one pipeline.
void complete(const std::string& database, PipelineSettings& out, Problems& problems) {
  const bool adhoc = out.origin.kind != Origin::Kind::file;
  if (out.topic.value.empty()) {
    problems.add(out.origin, fmt::format("pipeline {} has no topic", out.name),
                 "add topic = \"NAME\"");
  }
  if (out.table.value.empty()) {
    problems.add(out.origin, fmt::format("pipeline {} has no table", out.name),
                 adhoc ? "add --table DB.TABLE" : "add table = \"DB.TABLE\"");
  }
  if (out.group.value.empty()) out.group.value = "sluice-{pipeline}";
  expand(out, "group", out.group, problems);
  expand(out, "table", out.table, problems);
  expand(out, "reject.topic", out.reject.topic, problems);
  expand(out, "reject.file", out.reject.file, problems);
  check_topic("topic", out.topic, problems);
  check_topic("reject.topic", out.reject.topic, problems);
  if (!out.table.value.empty() && out.table.value.find('.') == std::string::npos) {
    out.table.value = database + "." + out.table.value;
  }
  if (!out.table.value.empty() && (out.database().empty() || out.table_name().empty())) {
    problems.add(out.table.origin, "table: expected DB.TABLE", "write it like shop.orders");
  }
  if (out.on_error.value == OnError::reject && !out.reject.given()) {
    problems.add(out.on_error.origin,
                 fmt::format("pipeline {} rejects records, but not to anywhere", out.name),
                 adhoc ? "add --reject-topic NAME or --reject-file FILE"
                       : "add reject = { topic = \"NAME\" } or reject = { file = \"PATH\" }");
  }
  if (!out.topic.value.empty() && out.reject.topic.value == out.topic.value) {
    problems.add(out.reject.topic.origin, "reject.topic: is the topic that is read",
                 "name another topic");
  }
}

PipelineSettings read_one(const std::string& name, const Origin& origin, const ConfigValue& table,
                          const std::string& path, const Invocation& invocation,
                          const std::string& database, WallTime now, Problems& problems) {
  ConfigValue full = table;
  for (const PipelineFlag& flag : overriding_flags) overlay(flag, invocation.flags, full);
  PipelineSettings out;
  out.name = name;
  out.origin = origin;
  read_keys(full, path, now, out, problems);
  if (!out.disabled.value) complete(database, out, problems);
  return out;
}

void check_groups(const std::vector<PipelineSettings>& pipelines, Problems& problems) {
  for (size_t index = 0; index < pipelines.size(); ++index) {
    const PipelineSettings& pipeline = pipelines[index];
    const auto twin = std::find_if(
        pipelines.begin(), pipelines.begin() + static_cast<ptrdiff_t>(index),
        [&](const PipelineSettings& other) { return other.group.value == pipeline.group.value; });
    if (twin == pipelines.begin() + static_cast<ptrdiff_t>(index)) continue;
    problems.add(pipeline.group.origin,
                 fmt::format("pipelines {} and {} have the same group '{}': each would get only a "
                             "part of the records",
                             twin->name, pipeline.name, escape_control(pipeline.group.value, 80)),
                 "use group = \"sluice-{pipeline}\"");
  }
}

/// The pipelines that were asked for, by name or glob; all of them when nothing was.
void select(const std::vector<std::string>& wanted, const std::vector<PipelineSettings>& all,
            Settings& out, Problems& problems) {
  const Origin origin = Origin::flag("");
  std::vector<std::string> names;
  for (const PipelineSettings& pipeline : all) names.push_back(pipeline.name);
  std::vector<bool> chosen(all.size(), wanted.empty());
  for (const std::string& pattern : wanted) {
    bool found = false;
    for (size_t index = 0; index < all.size(); ++index) {
      if (::fnmatch(pattern.c_str(), names[index].c_str(), 0) != 0) continue;
      found = true;
      chosen[index] = true;
      if (all[index].disabled.value && pattern == names[index]) {
        problems.add(Problem{Errc::usage,
                             "usage",
                             {},
                             fmt::format("pipeline '{}' is disabled", pattern),
                             "take 'disabled' out of its table"});
      }
    }
    if (found) continue;
    std::string hint = did_you_mean(pattern, names);
    if (hint.empty())
      hint =
          names.empty() ? "the configuration has no pipelines" : "there are: " + join(names, ", ");
    problems.add(Problem{Errc::usage,
                         "usage",
                         {},
                         fmt::format("unknown pipeline '{}'", escape_control(pattern, 64)),
                         hint});
  }
  for (size_t index = 0; index < all.size(); ++index) {
    if (chosen[index] && !all[index].disabled.value) out.pipelines.push_back(all[index]);
  }
}

void read_configured(const Invocation& invocation, const ConfigValue& root,
                     const std::string& database, WallTime now, Settings& out, Problems& problems) {
  const ConfigValue& defaults = table_or_empty(root, "defaults");
  PipelineSettings unused;
  read_keys(defaults, "defaults", now, unused, problems);
  problems.close_places();  // else every pipeline would report the same again
  std::vector<PipelineSettings> all;
  for (const ConfigEntry& entry : table_or_empty(root, "pipelines").entries) {
    const std::string path = "pipelines." + entry.key;
    if (entry.value.kind != ConfigValue::Kind::table) {
      problems.add(entry.value.origin,
                   fmt::format("{}: expected a table, found {}", path, entry.value.kind_name()));
      continue;
    }
    if (!is_topic_name(entry.key)) {
      problems.add(entry.origin,
                   fmt::format("'{}' is not a pipeline name", escape_control(entry.key, 64)),
                   "names have letters, digits, '.', '_' and '-'");
      continue;
    }
    ConfigValue table = defaults;
    merge(table, entry.value);
    all.push_back(
        read_one(entry.key, entry.origin, table, path, invocation, database, now, problems));
  }
  std::vector<PipelineSettings> enabled;
  std::copy_if(all.begin(), all.end(), std::back_inserter(enabled),
               [](const PipelineSettings& pipeline) { return !pipeline.disabled.value; });
  check_groups(enabled, problems);
  select(invocation.arguments, all, out, problems);
}

void read_adhoc(const Invocation& invocation, const ConfigValue& root, const std::string& database,
                WallTime now, Settings& out, Problems& problems) {
  const auto topic = invocation.flags.last("topic");
  if (!invocation.arguments.empty()) {
    problems.add(topic->origin, "excludes pipeline names: it makes a pipeline of its own",
                 "leave one of them out");
  }
  ConfigValue table = table_or_empty(root, "defaults");
  for (const PipelineFlag& flag : adhoc_flags) overlay(flag, invocation.flags, table);
  if (invocation.flags.has("reject-topic") && invocation.flags.has("reject-file")) {
    problems.add(Origin::flag("--reject-file"), "excludes --reject-topic", "leave one of them out");
  }
  out.pipelines.push_back(read_one(topic->value, topic->origin, table, "defaults", invocation,
                                   database, now, problems));
}

}  // namespace

std::string RejectSettings::describe() const {
  if (!topic.value.empty()) return "topic:" + topic.value;
  return file.value.empty() ? "" : "file:" + file.value;
}

std::string PipelineSettings::database() const {
  return table.value.substr(0, table.value.find('.'));
}

std::string PipelineSettings::table_name() const {
  const size_t dot = table.value.find('.');
  return dot == std::string::npos ? "" : table.value.substr(dot + 1);
}

void read_pipelines(const Invocation& invocation, const ConfigValue& root,
                    const std::string& database, WallTime now, Settings& out, Problems& problems) {
  if (invocation.flags.has("topic"))
    return read_adhoc(invocation, root, database, now, out, problems);
  for (const PipelineFlag& flag : adhoc_flags) {
    const auto given = invocation.flags.last(flag.flag);
    if (given)
      problems.add(given->origin, "needs --topic", "it makes a pipeline with no configuration");
  }
  read_configured(invocation, root, database, now, out, problems);
}

}  // namespace sluice::cli
