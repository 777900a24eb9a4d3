// SPDX-License-Identifier: Apache-2.0
#include "cli/effective.hpp"

#include <fmt/format.h>

#include <utility>

#include "cli/connections.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

std::string secret_toml(const SecretReference& reference) {
  switch (reference.kind) {
    case SecretReference::Kind::none:
      return {};
    case SecretReference::Kind::file:
      return fmt::format("{{ file = {} }}", toml_text(reference.name));
    case SecretReference::Kind::environment:
      return fmt::format("{{ env = {} }}", toml_text(reference.name));
    case SecretReference::Kind::credential:
      return fmt::format("{{ credential = {} }}", toml_text(reference.name));
    case SecretReference::Kind::command:
      // An argument may itself be a secret.
      return fmt::format("{{ command = [{}{}] }}",
                         toml_text(reference.command.empty() ? "" : reference.command.front()),
                         reference.command.size() > 1 ? ", \"...\"" : "");
  }
  return {};
}

std::string text_toml(const std::string& value) { return toml_text(value); }
std::string text_toml(bool value) { return value ? "true" : "false"; }
std::string text_toml(uint64_t value) { return std::to_string(value); }
std::string text_toml(Milliseconds value) { return toml_text(fmt::format("{}ms", value.count())); }
std::string text_toml(const std::vector<std::string>& values) {
  std::vector<std::string> parts;
  for (const std::string& value : values) parts.push_back(toml_text(value));
  return "[" + join(parts, ", ") + "]";
}

/// The lines of a configuration, table by table.
class Writer {
 public:
  explicit Writer(const EffectiveOptions& options) : options_(options) {}

  void table(std::string_view name) {
    pending_ = fmt::format("{}[{}]\n", out_.empty() ? "" : "\n", name);
  }
  void line(std::string_view key, const std::string& value, const Origin& origin) {
    const bool built_in = origin.kind == Origin::Kind::built_in;
    if (value.empty() || (built_in && !options_.defaults)) return;
    out_ += std::exchange(pending_, "");
    std::string text = fmt::format("{} = {}", key, value);
    if (options_.origins) text = fmt::format("{:<50}  # {}", text, origin.describe());
    out_ += text + "\n";
  }
  template <class T>
  void setting(std::string_view key, const Setting<T>& setting) {
    line(key, text_toml(setting.value), setting.origin);
  }
  /// Nothing where it is empty.
  void text(std::string_view key, const Setting<std::string>& setting) {
    if (!setting.value.empty()) line(key, toml_text(setting.value), setting.origin);
  }
  template <class T>
  void word(std::string_view key, const Setting<T>& setting, std::string_view word) {
    line(key, toml_text(word), setting.origin);
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  const EffectiveOptions& options_;
  std::string pending_;
  std::string out_;
};

void write_kafka(const KafkaSettings& kafka, Writer& out) {
  out.table("kafka");
  if (!kafka.brokers.value.empty()) {
    out.line("brokers", text_toml(split(kafka.brokers.value, ',')), kafka.brokers.origin);
  }
  if (kafka.allow_plaintext_auth.value) {
    out.table("kafka.security");
    out.setting("allow_plaintext_auth", kafka.allow_plaintext_auth);
  }
  out.table("kafka.properties");
  for (const KafkaProperty& property : kafka.properties) {
    const bool secret = property.secret.given();
    out.line(toml_text(property.key),
             secret ? secret_toml(property.secret) : toml_text(property.value), property.origin);
  }
}

std::string_view compression_word(clickhouse::Compression compression) {
  switch (compression) {
    case clickhouse::Compression::automatic:
      return "auto";
    case clickhouse::Compression::none:
      return "none";
    case clickhouse::Compression::lz4:
      return "lz4";
    case clickhouse::Compression::zstd:
      return "zstd";
  }
  return "";
}

/// `table` is "clickhouse", or that of another destination.
void write_clickhouse(const std::string& table, const ClickHouseSettings& clickhouse, Writer& out) {
  out.table(table);
  const auto& urls = clickhouse.urls;
  if (urls.value.size() == 1) out.line("url", toml_text(urls.value.front()), urls.origin);
  if (urls.value.size() > 1) out.line("urls", text_toml(urls.value), urls.origin);
  out.setting("database", clickhouse.database);
  out.text("cluster", clickhouse.cluster);
  out.setting("user", clickhouse.user);
  out.line("password", secret_toml(clickhouse.password), clickhouse.password.origin);
  out.word("compression", clickhouse.compression, compression_word(clickhouse.compression.value));
  out.setting("timeout", clickhouse.timeout);
  if (clickhouse.proxy.origin.kind != Origin::Kind::environment &&
      !clickhouse.proxy.value.empty()) {
    out.line("proxy", toml_text(without_userinfo(clickhouse.proxy.value)), clickhouse.proxy.origin);
  }
  if (clickhouse.allow_plaintext_auth.value) {
    out.setting("allow_plaintext_auth", clickhouse.allow_plaintext_auth);
  }
  out.table(table + ".tls");
  out.text("ca_file", clickhouse.ca_file);
  if (!clickhouse.verify_tls.value) out.setting("verify", clickhouse.verify_tls);
  out.table(table + ".settings");
  for (const auto& [key, setting] : clickhouse.settings) {
    const bool secret = is_secret_name(key);
    out.line(key, toml_text(secret ? "(hidden)" : setting.value), setting.origin);
  }
}

/// What fills columns otherwise than by their names.
void write_columns(const PipelineSettings& pipeline, Writer& out) {
  std::string map;
  std::string columns;
  const auto add = [](std::string& list, const ColumnRule& rule) {
    list += fmt::format("{}{} = {}", list.empty() ? "" : ", ", toml_text(rule.column),
                        toml_text(to_string(rule.source)));
  };
  const Setting<UnknownFields>& unknown = pipeline.unknown_fields;
  std::string unknown_fields =
      toml_text(unknown.value == UnknownFields::error ? "error" : "ignore");
  for (const ColumnRule& rule : pipeline.columns.rules) {
    if (rule.source.kind == ColumnSource::Kind::unknown_fields) {
      unknown_fields = fmt::format("{{ into = {} }}", toml_text(rule.column));
    } else {
      add(rule.source.kind == ColumnSource::Kind::field ? map : columns, rule);
    }
  }
  out.line("unknown_fields", unknown_fields, unknown.origin);
  if (!map.empty()) out.line("map", "{ " + map + " }", pipeline.origin);
  if (!columns.empty()) out.line("columns", "{ " + columns + " }", pipeline.origin);
  if (!pipeline.columns.overwrite) return;
  out.line("key", text_toml(pipeline.columns.key), pipeline.origin);
}

std::string_view write_word(Write write) {
  switch (write) {
    case Write::append:
      return "append";
    case Write::overwrite:
      return "overwrite";
    case Write::overwrite_delete_stale:
      return "overwrite-delete-stale";
  }
  return {};
}

void write_pipeline(const PipelineSettings& pipeline, Writer& out) {
  out.table("pipelines." + (pipeline.name.find('.') == std::string::npos
                                ? pipeline.name
                                : toml_text(pipeline.name)));
  out.text("topic", pipeline.topic);
  out.text("topics_regex", pipeline.topics_regex);
  out.setting("table", pipeline.table);
  out.text("destination", pipeline.destination);
  out.setting("group", pipeline.group);
  if (!pipeline.tags.value.empty()) out.setting("tags", pipeline.tags);
  out.line("start", toml_text(start_word(pipeline.start.value)), pipeline.start.origin);
  out.word("format", pipeline.format, pipeline.format.value == RecordFormat::raw ? "raw" : "json");
  out.word("mode", pipeline.mode, pipeline.mode.value == Mode::full ? "full" : "incremental");
  out.word("write", pipeline.write, write_word(pipeline.write.value));
  out.word("on_error", pipeline.on_error,
           pipeline.on_error.value == OnError::reject ? "reject" : "stop");
  out.text("reject.topic", pipeline.reject.topic);
  out.text("reject.file", pipeline.reject.file);
  if (pipeline.reject.max.value > 0) out.setting("reject.max", pipeline.reject.max);
  out.word("on_gap", pipeline.on_gap, pipeline.on_gap.value == OnGap::go_on ? "continue" : "stop");
  out.setting("batch.rows", pipeline.batch_rows);
  out.setting("batch.bytes", pipeline.batch_bytes);
  out.setting("batch.age", pipeline.batch_age);
  out.setting("senders", pipeline.senders);
  out.setting("max_record_bytes", pipeline.record_bytes_max);
  out.word(
      "delivery", pipeline.delivery,
      pipeline.delivery.value == DeliveryLevel::exactly_once ? "exactly-once" : "at-least-once");
  write_columns(pipeline, out);
  out.word("nulls", pipeline.nulls, pipeline.nulls.value == Nulls::reject ? "reject" : "default");
}

}  // namespace

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char character : text) {
    const auto byte = static_cast<uint8_t>(character);
    if (character == '"' || character == '\\') {
      out += '\\';
      out += character;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += character;
    }
  }
  return out + '"';
}

std::string connections_toml(const Settings& settings, const EffectiveOptions& options) {
  Writer out(options);
  write_kafka(settings.kafka, out);
  write_clickhouse("clickhouse", settings.clickhouse, out);
  return out.take();
}

std::string effective_toml(const Settings& settings, const EffectiveOptions& options) {
  Writer out(options);
  write_kafka(settings.kafka, out);
  write_clickhouse("clickhouse", settings.clickhouse, out);
  for (const auto& [name, destination] : settings.destinations) {
    write_clickhouse("destinations." + name, destination, out);
  }
  for (const PipelineSettings& pipeline : settings.pipelines) write_pipeline(pipeline, out);
  std::string files = "# configuration files: ";
  files += settings.config_files.empty() ? "none" : join(settings.config_files, ", ");
  std::string top = files + "\nconfig_version = 1\n";
  if (settings.kafka.allow_unsafe_properties.value) {
    top += "allow_unsafe_kafka_properties = true\n";
  }
  return top + "\n" + out.take();
}

}  // namespace sluice::cli
