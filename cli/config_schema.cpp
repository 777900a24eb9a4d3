// SPDX-License-Identifier: Apache-2.0
#include "cli/config_schema.hpp"

#include <nlohmann/json.hpp>

#include "cli/config_keys.hpp"
#include "cli/text.hpp"

namespace sluice::cli {
namespace {

using Json = nlohmann::ordered_json;

Json reference(const char* definition) {
  return {{"$ref", std::string("#/definitions/") + definition}};
}

Json words_of(const ConfigKey& key) {
  Json words = Json::array();
  for (const std::string& word : split(key.value, '|')) {
    const std::string_view text = trim(word);
    if (text.find('{') == std::string_view::npos) words.emplace_back(text);
  }
  return {{"enum", std::move(words)}};
}

Json entries_of(Json entry) {
  return {{"type", "object"}, {"additionalProperties", std::move(entry)}};
}

Json closed_object(Json keys) {
  return {{"type", "object"}, {"properties", std::move(keys)}, {"additionalProperties", false}};
}

Json type_of(const ConfigKey& key) {
  const Json text{{"type", "string"}};
  switch (key.type) {
    case ConfigType::text:
    case ConfigType::duration:
      return text;
    case ConfigType::word:
      return words_of(key);
    case ConfigType::boolean:
      return {{"type", "boolean"}};
    case ConfigType::integer:
      return {{"type", "integer"}};
    case ConfigType::count:
    case ConfigType::size:
      return {{"type", {"integer", "string"}}, {"minimum", 0}};
    case ConfigType::texts:
      return {{"type", {"array", "string"}}, {"items", text}};
    case ConfigType::secret:
      return reference("secret");
    case ConfigType::values:
      return entries_of({{"type", {"string", "integer", "number", "boolean"}}});
    case ConfigType::properties:
      return entries_of({{"type", {"string", "integer", "number", "boolean", "object"}}});
    case ConfigType::texts_by_name:
      return entries_of(text);
    case ConfigType::unknown_fields: {
      Json into = closed_object({{"into", text}});
      into["required"] = {"into"};
      return {{"anyOf", {words_of(key), std::move(into)}}};
    }
  }
  return {};
}

/// Exactly one of file, env, credential and command.
Json secret() {
  const Json text{{"type", "string"}, {"minLength", 1}};
  const Json command{{"type", "array"}, {"items", {{"type", "string"}}}, {"minItems", 1}};
  Json out =
      closed_object({{"file", text}, {"env", text}, {"credential", text}, {"command", command}});
  out["minProperties"] = 1;
  out["maxProperties"] = 1;
  out["description"] = "where a secret is kept; never the secret itself";
  return out;
}

/// The keys of one table; "batch.rows" is rows of a table batch in it.
Json table_of(std::string_view table) {
  Json out = closed_object(Json::object());
  for (const ConfigKey& key : all_config_keys()) {
    if (key.table != table) continue;
    std::string name(key.key);
    Json* at = &out;
    if (const size_t dot = name.find('.'); dot != std::string::npos) {
      Json& inner = out["properties"][name.substr(0, dot)];
      if (inner.is_null()) inner = closed_object(Json::object());
      at = &inner;
      name.erase(0, dot + 1);
    }
    Json entry = type_of(key);
    // In draft 7 nothing beside a $ref counts.
    if (entry.contains("$ref")) entry = {{"allOf", Json::array({std::move(entry)})}};
    std::string help(key.help);
    if (!key.fallback.empty()) help += "; default: " + std::string(key.fallback);
    entry["description"] = std::move(help);
    (*at)["properties"][name] = std::move(entry);
  }
  return out;
}

}  // namespace

std::string config_schema() {
  Json root{{"$schema", "http://json-schema.org/draft-07/schema#"},
            {"title", "sluice.toml, the configuration of sluice"}};
  root.update(table_of(""));
  Json& keys = root["properties"];
  keys["kafka"] = table_of("kafka");
  keys["kafka"]["properties"]["security"] = table_of("kafka.security");
  keys["clickhouse"] = reference("clickhouse");
  keys["destinations"] = entries_of(reference("clickhouse"));
  keys["observe"] = table_of("observe");
  keys["defaults"] = reference("pipeline");
  keys["pipelines"] = entries_of(reference("pipeline"));
  root["definitions"] = {{"clickhouse", table_of("clickhouse")},
                         {"pipeline", table_of("pipelines.NAME")},
                         {"secret", secret()}};
  return root.dump(1) + "\n";
}

}  // namespace sluice::cli
