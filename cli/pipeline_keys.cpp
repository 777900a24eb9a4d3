// SPDX-License-Identifier: Apache-2.0
#include "cli/pipeline_keys.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/settings_parts.hpp"
#include "cli/text.hpp"
#include "cli/topic_pattern.hpp"
#include "cli/units.hpp"

namespace sluice::cli {
namespace {

constexpr uint64_t senders_max = 64;
constexpr uint64_t record_bytes_limit = 1ull << 30;

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
    if (name == "topic" && !pipeline.topics_regex.value.empty()) {
      problems.add(setting.origin,
                   fmt::format("{}: a pipeline with topics_regex has no one {{topic}}", key),
                   "use {pipeline}");
      return;
    }
    out += name == "pipeline" ? pipeline.name : pipeline.topic.value;
    rest.remove_prefix(close + 1);
  }
  setting.value = std::move(out);
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
  reader.problem(*value, "start", "expected earliest, end, table or a time",
                 std::string(time_example));
}

/// Keys and words of the design that this version does not have.
void refuse_later(TableReader& reader) {
  reader.later_word("format", {"avro", "protobuf", "csv", "msgpack"});
  if (const ConfigValue* format = reader.find("format");
      format != nullptr && format->kind == ConfigValue::Kind::table) {
    reader.problem(*format, "format", "a table needs a later version of sluice",
                   "write \"json\" or \"raw\"");
  }
}

/// Words with only one meaning in this version: accepted, so that a configuration can say them.
void read_words(TableReader& reader, PipelineSettings& out) {
  const ConfigValue* format = reader.find("format");
  if (format == nullptr || format->kind != ConfigValue::Kind::table) {
    reader.choice<RecordFormat>(
        "format", {{"json", RecordFormat::json}, {"raw", RecordFormat::raw}}, out.format);
  }
  reader.choice<Mode>("mode", {{"incremental", Mode::incremental}, {"full", Mode::full}}, out.mode);
  reader.choice<DeliveryLevel>("delivery",
                               {{"at-least-once", DeliveryLevel::at_least_once},
                                {"exactly-once", DeliveryLevel::exactly_once}},
                               out.delivery);
}

void read_unknown_fields(TableReader& reader, const std::string& path, PipelineSettings& out,
                         Problems& problems) {
  const ConfigValue* value = reader.find("unknown_fields");
  if (value == nullptr || value->kind != ConfigValue::Kind::table) {
    reader.choice<UnknownFields>(
        "unknown_fields", {{"ignore", UnknownFields::ignore}, {"error", UnknownFields::error}},
        out.unknown_fields);
    return;
  }
  TableReader table(*value, path + ".unknown_fields", problems);
  Setting<std::string> into;
  table.text("into", into);
  table.finish();
  if (into.value.empty()) {
    if (value->find("into") == nullptr) {
      reader.problem(*value, "unknown_fields", "names no column", "write { into = \"COLUMN\" }");
    }
    return;
  }
  out.unknown_fields = {UnknownFields::keep, into.origin};
  out.columns.rules.push_back(
      {into.value, {.kind = ColumnSource::Kind::unknown_fields}, into.origin.describe()});
}

/// Each entry of a table says what fills the column it is called after.
template <class Parse>
void read_rules(const ConfigValue& table, std::string_view key, std::string_view example,
                const Parse& parse, PipelineSettings& out, Problems& problems) {
  for (const ConfigEntry& entry : table.entries) {
    const bool text = entry.value.kind == ConfigValue::Kind::text;
    std::optional<ColumnSource> source;
    if (text) source = parse(entry.value.text);
    if (source) {
      out.columns.rules.push_back({entry.key, *source, entry.value.origin.describe()});
      continue;
    }
    const std::string found = text ? "'" + escape_control(entry.value.text, 64) + "'"
                                   : std::string(entry.value.kind_name());
    problems.add(entry.value.origin,
                 fmt::format("{}.{}: {} is not {}", key, escape_control(entry.key, 64), found,
                             key == "map" ? "a JSON pointer" : "something of a record"),
                 std::string(example));
  }
}

/// map, columns: what fills columns other than the fields of their names.
void read_columns(TableReader& reader, PipelineSettings& out, Problems& problems) {
  if (const ConfigValue* map = reader.table("map")) {
    read_rules(
        *map, "map",
        "write it like \"/user/id\"; the whole value is columns = { NAME = \"$value\" }",
        [](const std::string& text) -> std::optional<ColumnSource> {
          auto pointer = parse_pointer(text);
          if (!pointer) return std::nullopt;
          return ColumnSource{.kind = ColumnSource::Kind::field, .pointer = *std::move(pointer)};
        },
        out, problems);
    if (out.format.value == RecordFormat::raw && !map->entries.empty()) {
      reader.problem(*map, "map", "raw values have no fields", "use format json, or take it out");
    }
  }
  if (const ConfigValue* columns = reader.table("columns")) {
    read_rules(
        *columns, "columns",
        "one of: $topic, $partition, $offset, $timestamp, $key, $headers, $value, "
        "$header.NAME",
        [](const std::string& text) { return parse_column_source(text); }, out, problems);
  }
}

/// write and key: what happens to the rows that are there.
void read_write(TableReader& reader, PipelineSettings& out) {
  const bool full = out.mode.value == Mode::full;
  if (full) out.write.value = Write::overwrite_delete_stale;
  reader.choice<Write>("write",
                       {{"append", Write::append},
                        {"overwrite", Write::overwrite},
                        {"overwrite-delete-stale", Write::overwrite_delete_stale}},
                       out.write);
  const bool replaces = out.write.value == Write::overwrite_delete_stale;
  if (replaces && !full) {
    reader.problem(*reader.find("write"), "write", "is what mode = \"full\" does",
                   "set the mode, too");
  }
  Setting<std::vector<std::string>> key;
  reader.text_list("key", key);
  out.columns.overwrite = out.write.value == Write::overwrite || (replaces && !key.value.empty());
  out.columns.key = key.value;
  out.columns.key_place = key.origin.describe();
}

/// Exactly one of topic and topics_regex, and that one sound.
void check_which_topics(const PipelineSettings& pipeline, Problems& problems) {
  const Setting<std::string>& regex = pipeline.topics_regex;
  if (pipeline.topic.value.empty() && regex.value.empty()) {
    problems.add(pipeline.origin, fmt::format("pipeline {} has no topic", pipeline.name),
                 "add topic = \"NAME\", or topics_regex = '^PATTERN$'");
  }
  check_topic("topic", pipeline.topic, problems);
  if (regex.value.empty()) return;
  if (!pipeline.topic.value.empty()) {
    problems.add(regex.origin, "topics_regex: topic and topics_regex exclude each other",
                 "keep one of them");
  }
  if (const auto pattern = TopicPattern::compile(regex.value); !pattern) {
    problems.add(regex.origin, pattern.error().message, pattern.error().fix);
  }
}

}  // namespace

bool is_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= 249 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char character) {
           return (character >= 'a' && character <= 'z') ||
                  (character >= 'A' && character <= 'Z') ||
                  (character >= '0' && character <= '9') || character == '.' || character == '_' ||
                  character == '-';
         });
}

/// Every key of a pipeline's table; `path` names the table.
void read_pipeline_keys(const ConfigValue& table, const std::string& path, WallTime now,
                        PipelineSettings& out, Problems& problems) {
  TableReader reader(table, path, problems);
  reader.boolean("disabled", out.disabled);
  if (out.disabled.value) {
    // Words of a later version do no harm where nothing runs.
    for (const char* key :
         {"map", "columns", "destination", "key", "format", "mode", "write", "delivery"}) {
      (void)reader.find(key);
    }
  } else {
    refuse_later(reader);
    read_words(reader, out);
  }
  reader.text_list("tags", out.tags);
  reader.text("topic", out.topic);
  reader.text("topics_regex", out.topics_regex);
  reader.text("table", out.table);
  reader.text("group", out.group);
  read_start(reader, now, out);
  reader.choice<OnError>("on_error", {{"stop", OnError::stop}, {"reject", OnError::reject}},
                         out.on_error);
  reader.choice<OnGap>("on_gap", {{"stop", OnGap::stop}, {"continue", OnGap::go_on}}, out.on_gap);
  reader.count("senders", 1, senders_max, out.senders);
  reader.size("max_record_bytes", 1024, out.record_bytes_max);
  read_unknown_fields(reader, path, out, problems);
  read_columns(reader, out, problems);
  read_write(reader, out);
  reader.text("destination", out.destination);
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
void complete_pipeline(const std::string& database, PipelineSettings& out, Problems& problems) {
  const bool adhoc = out.origin.kind != Origin::Kind::file;
  check_which_topics(out, problems);
  if (!out.topics_regex.value.empty() && out.mode.value == Mode::full) {
    problems.add(out.mode.origin,
                 fmt::format("pipeline {} has topics_regex: a snapshot of one topic would take the "
                             "place of {} of all the others",
                             out.name, out.write.value == Write::append ? "those" : "the rows"),
                 "give each topic a pipeline and a table of its own");
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
  if (out.columns.overwrite && out.columns.key.empty()) {
    problems.add(out.origin, fmt::format("pipeline {} overwrites rows, but by no key", out.name),
                 "add key = [\"COLUMN\"]");
  }
  if (!out.topic.value.empty() && out.reject.topic.value == out.topic.value) {
    problems.add(out.reject.topic.origin, "reject.topic: is the topic that is read",
                 "name another topic");
  }
}

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

}  // namespace sluice::cli
