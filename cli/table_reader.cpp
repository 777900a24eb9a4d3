// SPDX-License-Identifier: Apache-2.0
#include "cli/table_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "cli/suggest.hpp"
#include "cli/text.hpp"
#include "cli/units.hpp"

namespace sluice::cli {
namespace {

bool is_written_as_text(const Origin& origin) {
  return origin.kind == Origin::Kind::flag || origin.kind == Origin::Kind::environment;
}

/// Values are quoted in messages, but not long ones and not with control characters.
std::string quoted(std::string_view value) { return "'" + escape_control(value, 64) + "'"; }

}  // namespace

TableReader::TableReader(const ConfigValue& table, std::string path, Problems& problems)
    : table_(table), path_(std::move(path)), problems_(problems) {}

std::string TableReader::name_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

void TableReader::problem(const ConfigValue& value, std::string_view key, std::string message,
                          std::string hint) {
  // Of a flag or a variable the origin is the name; a key of the file needs to be named.
  const bool named = is_written_as_text(value.origin);
  problems_.add(value.origin, named ? std::move(message) : fmt::format("{}: {}", key, message),
                std::move(hint));
}

const ConfigValue* TableReader::find(std::string_view key) {
  known_.emplace(key);
  if (refused_.count(key) != 0) return nullptr;
  const ConfigEntry* entry = table_.find(key);
  return entry == nullptr ? nullptr : &entry->value;
}

const ConfigValue* TableReader::table(std::string_view key) {
  const ConfigValue* value = find(key);
  if (value == nullptr || value->kind == ConfigValue::Kind::table) return value;
  problem(*value, key, fmt::format("expected a table, found {}", value->kind_name()));
  return nullptr;
}

const std::string* TableReader::as_text(std::string_view key, const ConfigValue& value) {
  if (value.kind == ConfigValue::Kind::text) return &value.text;
  problem(value, key, fmt::format("expected a string, found {}", value.kind_name()));
  return nullptr;
}

void TableReader::text(std::string_view key, Setting<std::string>& out) {
  const ConfigValue* value = find(key);
  if (value == nullptr) return;
  const std::string* text = as_text(key, *value);
  if (text == nullptr) return;
  if (text->empty()) return problem(*value, key, "must not be empty");
  const bool control = std::any_of(text->begin(), text->end(), [](char character) {
    return static_cast<uint8_t>(character) < 0x20 || character == 0x7f;
  });
  if (control) return problem(*value, key, "must not hold control characters");
  out = {*text, value->origin};
}

void TableReader::boolean(std::string_view key, Setting<bool>& out) {
  const ConfigValue* value = find(key);
  if (value == nullptr) return;
  if (value->kind != ConfigValue::Kind::boolean) {
    return problem(*value, key,
                   fmt::format("expected true or false, found {}", value->kind_name()));
  }
  out = {value->boolean, value->origin};
}

template <class Parse>
void TableReader::number(std::string_view key, const char* what, std::string_view example,
                         uint64_t smallest, uint64_t largest, const Parse& parse,
                         Setting<uint64_t>& out) {
  const ConfigValue* value = find(key);
  if (value == nullptr) return;
  std::optional<uint64_t> number;
  if (value->kind == ConfigValue::Kind::integer && value->integer >= 0) {
    number = static_cast<uint64_t>(value->integer);
  } else if (value->kind == ConfigValue::Kind::text) {
    number = parse(value->text);
  } else if (value->kind != ConfigValue::Kind::integer) {
    return problem(*value, key, fmt::format("expected {}, found {}", what, value->kind_name()),
                   std::string(example));
  }
  if (!number) {
    const std::string found = value->kind == ConfigValue::Kind::text
                                  ? quoted(value->text)
                                  : std::to_string(value->integer);
    return problem(*value, key, fmt::format("{} is not {}", found, what), std::string(example));
  }
  const auto shown = [&](uint64_t limit) {
    const bool size = example == size_example && limit > 0;
    if (size && limit % (1u << 20) == 0) return fmt::format("{}MiB", limit >> 20);
    if (size && limit % (1u << 10) == 0) return fmt::format("{}KiB", limit >> 10);
    return std::to_string(limit);
  };
  if (*number < smallest) {
    return problem(*value, key, fmt::format("must be at least {}", shown(smallest)));
  }
  if (*number > largest) {
    return problem(*value, key, fmt::format("must be at most {}", shown(largest)));
  }
  out = {*number, value->origin};
}

void TableReader::count(std::string_view key, uint64_t smallest, uint64_t largest,
                        Setting<uint64_t>& out) {
  number(key, "a count", count_example, smallest, largest, parse_count, out);
}

void TableReader::size(std::string_view key, uint64_t smallest, Setting<uint64_t>& out) {
  number(key, "a size", size_example, smallest,
         static_cast<uint64_t>(std::numeric_limits<int64_t>::max()), parse_size, out);
}

void TableReader::duration(std::string_view key, Setting<Milliseconds>& out) {
  const ConfigValue* value = find(key);
  if (value == nullptr) return;
  if (value->kind != ConfigValue::Kind::text) {
    return problem(*value, key, fmt::format("expected a duration, found {}", value->kind_name()),
                   std::string(duration_example));
  }
  const auto duration = parse_duration(value->text);
  if (!duration) {
    return problem(*value, key, quoted(value->text) + " is not a duration",
                   std::string(duration_example));
  }
  out = {*duration, value->origin};
}

void TableReader::text_list(std::string_view key, Setting<std::vector<std::string>>& out) {
  const ConfigValue* value = find(key);
  if (value == nullptr) return;
  std::vector<std::string> texts;
  if (value->kind == ConfigValue::Kind::text) {
    for (const std::string& part : split(value->text, ',')) texts.emplace_back(trim(part));
  } else if (value->kind == ConfigValue::Kind::array) {
    for (const ConfigValue& item : value->items) {
      const std::string* text = as_text(key, item);
      if (text == nullptr) return;
      texts.emplace_back(trim(*text));
    }
  } else {
    return problem(*value, key,
                   fmt::format("expected an array of strings, found {}", value->kind_name()));
  }
  const bool blank =
      std::any_of(texts.begin(), texts.end(), [](auto& text) { return text.empty(); });
  if (texts.empty() || blank) return problem(*value, key, "must not be empty");
  out = {std::move(texts), value->origin};
}

void TableReader::secret(std::string_view key, SecretReference& out) {
  const ConfigValue* value = find(key);
  if (value != nullptr) read_secret(*value, name_of(key), problems_, out);
}

void TableReader::refuse_choice(std::string_view key, const ConfigValue& value,
                                const std::vector<std::string>& names) {
  if (value.kind != ConfigValue::Kind::text) {
    return problem(value, key, fmt::format("expected a string, found {}", value.kind_name()),
                   "one of: " + join(names, ", "));
  }
  const std::string hint = did_you_mean(value.text, names);
  problem(value, key, quoted(value.text) + " is not a value of it",
          hint.empty() ? "one of: " + join(names, ", ") : hint);
}

void TableReader::later(std::string_view key) {
  later_.emplace(key);
  const ConfigEntry* entry = table_.find(key);
  if (entry == nullptr) return;
  problems_.add(entry->origin, fmt::format("'{}' needs a later version of sluice", key),
                "take it out");
}

void TableReader::later_word(std::string_view key, const std::vector<std::string>& words) {
  const ConfigEntry* entry = table_.find(key);
  if (entry == nullptr || entry->value.kind != ConfigValue::Kind::text) return;
  if (std::find(words.begin(), words.end(), entry->value.text) == words.end()) return;
  refused_.emplace(key);
  problems_.add(entry->value.origin,
                fmt::format("{} = \"{}\" needs a later version of sluice", key, entry->value.text));
}

void TableReader::finish() {
  const std::vector<std::string> known(known_.begin(), known_.end());
  const std::string place = path_.empty() ? "at the top level" : fmt::format("in [{}]", path_);
  for (const ConfigEntry& entry : table_.entries) {
    if (known_.count(entry.key) != 0 || later_.count(entry.key) != 0) continue;
    std::string hint = did_you_mean(entry.key, known);
    if (hint.empty()) hint = "there are: " + join(known, ", ");
    problems_.add(entry.origin, fmt::format("unknown key {} {}", quoted(entry.key), place), hint);
  }
}

namespace {

const std::vector<std::string>& secret_kinds() {
  static const std::vector<std::string> kinds{"file", "env", "credential", "command"};
  return kinds;
}

constexpr std::string_view secret_example =
    "write { file = \"/path\" }, { env = \"NAME\" }, { credential = \"name\" } or "
    "{ command = [\"program\", \"argument\"] }";

/// A path, a variable or a credential: text that is not empty.
void read_secret_name(const ConfigEntry& entry, SecretReference::Kind kind,
                      const std::string& setting, Problems& problems, SecretReference& out) {
  const ConfigValue& value = entry.value;
  if (value.kind != ConfigValue::Kind::text || value.text.empty()) {
    problems.add(value.origin, fmt::format("{}.{}: expected a string", setting, entry.key),
                 std::string(secret_example));
    return;
  }
  const bool path_in_credential =
      kind == SecretReference::Kind::credential && value.text.find('/') != std::string::npos;
  if (path_in_credential) {
    problems.add(value.origin, fmt::format("{}.credential: expected a name, not a path", setting));
    return;
  }
  out.kind = kind;
  out.name = value.text;
}

void read_secret_command(const ConfigEntry& entry, const std::string& setting, Problems& problems,
                         SecretReference& out) {
  const ConfigValue& value = entry.value;
  const bool texts =
      value.kind == ConfigValue::Kind::array && !value.items.empty() &&
      std::all_of(value.items.begin(), value.items.end(), [](const ConfigValue& item) {
        return item.kind == ConfigValue::Kind::text && item.text.find('\0') == std::string::npos;
      });
  if (!texts || value.items.front().text.empty()) {
    problems.add(value.origin, fmt::format("{}.command: expected an array of strings", setting),
                 "there is no shell: write program and arguments one by one");
    return;
  }
  out.kind = SecretReference::Kind::command;
  for (const ConfigValue& item : value.items) out.command.push_back(item.text);
}

}  // namespace

void read_secret(const ConfigValue& value, const std::string& setting, Problems& problems,
                 SecretReference& out) {
  out = {};
  out.origin = value.origin;
  out.setting = setting;
  if (value.kind != ConfigValue::Kind::table) {
    problems.keep_secret(value.origin);
    problems.add(value.origin, setting + " must say where the secret is kept, not be it",
                 std::string(secret_example));
    return;
  }
  if (value.entries.size() != 1) {
    problems.add(value.origin, setting + " must have exactly one of file, env, credential, command",
                 std::string(secret_example));
    return;
  }
  const ConfigEntry& entry = value.entries.front();
  if (entry.key == "file") {
    read_secret_name(entry, SecretReference::Kind::file, setting, problems, out);
  } else if (entry.key == "env") {
    read_secret_name(entry, SecretReference::Kind::environment, setting, problems, out);
  } else if (entry.key == "credential") {
    read_secret_name(entry, SecretReference::Kind::credential, setting, problems, out);
  } else if (entry.key == "command") {
    read_secret_command(entry, setting, problems, out);
  } else {
    problems.add(entry.origin,
                 fmt::format("unknown kind of secret {} in {}", quoted(entry.key), setting),
                 did_you_mean(entry.key, secret_kinds()));
  }
}

}  // namespace sluice::cli
