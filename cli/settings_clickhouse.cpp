// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "cli/settings_parts.hpp"
#include "cli/text.hpp"
#include "core/clickhouse/url.hpp"

namespace sluice::cli {
namespace {

/// http[s]://host:port and the database that stood after it.
struct ServerUrl {
  std::string server;
  std::string database;
  bool has_userinfo = false;
};

std::string percent_decoded(std::string_view text) {
  const auto digit = [](char character) {
    if (character >= '0' && character <= '9') return character - '0';
    const char small = static_cast<char>(character | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
  };
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool escape = text[at] == '%' && at + 2 < text.size() && digit(text[at + 1]) >= 0 &&
                        digit(text[at + 2]) >= 0;
    if (!escape) {
      out += text[at];
      continue;
    }
    out += static_cast<char>(digit(text[at + 1]) * 16 + digit(text[at + 2]));
    at += 2;
  }
  return out;
}

/// Takes the database off; whether the rest is a URL is the adapter's to say.
ServerUrl split_url(std::string_view url) {
  ServerUrl out;
  const size_t scheme = url.find("://");
  const size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  const size_t path = std::min(url.find_first_of("/?#", begin), url.size());
  out.has_userinfo = url.substr(begin, path - begin).find('@') != std::string_view::npos;
  const std::string_view rest = url.substr(path);
  const bool plain_path =
      !rest.empty() && rest[0] == '/' && rest.find_first_of("/?#", 1) == std::string_view::npos;
  out.server = plain_path ? url.substr(0, path) : url;
  if (plain_path) out.database = percent_decoded(rest.substr(1));
  return out;
}

void refuse_userinfo(const Origin& origin, Problems& problems) {
  const std::string hint =
      "use --clickhouse-user, and --clickhouse-password-file or SLUICE_CLICKHOUSE_PASSWORD";
  if (origin.kind == Origin::Kind::flag) {
    refuse_secret_on_argv(origin, "a user or password in the URL", hint, problems);
  } else {
    problems.add(origin, "the ClickHouse URL holds a user or a password", hint);
  }
}

void read_url(const Origin& origin, const std::string& url, ClickHouseSettings& out,
              Setting<std::string>& path_database, Problems& problems) {
  const ServerUrl parts = split_url(url);
  if (parts.has_userinfo) return refuse_userinfo(origin, problems);
  clickhouse::ServerOptions options;
  options.url = parts.server;
  const auto checked = clickhouse::check_server_options(options);
  if (!checked) {
    problems.add(origin, checked.error().message, checked.error().fix);
    return;
  }
  out.urls.value.push_back(parts.server);
  if (parts.database.empty()) return;
  if (!path_database.value.empty() && path_database.value != parts.database) {
    problems.add(origin, "the URLs name different databases", "name one database for all of them");
  }
  path_database = {parts.database, origin};
}

void read_settings_table(const ConfigValue& table, ClickHouseSettings& out, Problems& problems) {
  for (const ConfigEntry& entry : table.entries) {
    const bool plain_name = !entry.key.empty() && entry.key.find_first_not_of(
                                                      "abcdefghijklmnopqrstuvwxyz"
                                                      "0123456789_") == std::string::npos;
    if (!plain_name) {
      problems.add(entry.origin,
                   fmt::format("'{}' is not the name of a ClickHouse setting",
                               escape_control(entry.key, 64)),
                   "names have small letters, digits and _");
      continue;
    }
    const ConfigValue& value = entry.value;
    std::string text = value.text;
    if (value.kind == ConfigValue::Kind::boolean) text = value.boolean ? "1" : "0";
    if (value.kind == ConfigValue::Kind::integer) text = std::to_string(value.integer);
    if (value.kind == ConfigValue::Kind::number) text = fmt::format("{}", value.number);
    if (value.kind == ConfigValue::Kind::array || value.kind == ConfigValue::Kind::table) {
      problems.add(value.origin, fmt::format("{}: expected a plain value, found {}", entry.key,
                                             value.kind_name()));
      continue;
    }
    out.settings.emplace_back(entry.key, Setting<std::string>{std::move(text), value.origin});
  }
}

/// The settings are part of the server options the adapter checks: some are not the user's to set.
void check_settings(const ClickHouseSettings& settings, Problems& problems) {
  for (const auto& [key, setting] : settings.settings) {
    clickhouse::ServerOptions options;
    options.url = "http://127.0.0.1:8123";
    options.settings[key] = setting.value;
    const auto checked = clickhouse::check_server_options(options);
    if (!checked) problems.add(setting.origin, checked.error().message, checked.error().fix);
  }
}

void read_urls(TableReader& reader, ClickHouseSettings& out, Problems& problems) {
  Setting<std::string> url;
  Setting<std::vector<std::string>> urls;
  reader.text("url", url);
  reader.text_list("urls", urls);
  if (!url.value.empty() && !urls.value.empty()) {
    problems.add(urls.origin, "url and urls exclude each other", "keep one of them");
  }
  if (!url.value.empty()) urls = {{url.value}, url.origin};
  out.urls.origin = urls.origin;
  Setting<std::string> path_database;
  for (const std::string& one : urls.value)
    read_url(urls.origin, one, out, path_database, problems);
  Setting<std::string> database;
  reader.text("database", database);
  const bool path_wins =
      !path_database.value.empty() &&
      (database.value.empty() || path_database.origin.kind > database.origin.kind);
  if (path_wins) {
    out.database = path_database;
  } else if (!database.value.empty()) {
    out.database = database;
  }
}

void overlay_setting(const Setting<std::string>& given, ConfigValue& root, Problems& problems) {
  const auto assignment = split_assignment(given, "max_partitions_per_insert_block=1000", problems);
  if (!assignment) return;
  const auto& [key, value] = *assignment;
  if (is_secret_name(key)) {
    refuse_secret_on_argv(given.origin, escape_control(key, 64),
                          "write it into [clickhouse.settings] of the configuration file",
                          problems);
    return;
  }
  set_path(root, {"clickhouse", "settings", key}, ConfigValue::make_text(value, given.origin));
}

}  // namespace

void underlay_clickhouse(const Environment& environment, ConfigValue& root) {
  if (const auto host = environment.get("CLICKHOUSE_HOST")) {
    const bool url = host->find("://") != std::string::npos;
    const bool port = !url && host->find(':') != std::string::npos;
    const std::string text = url ? *host : fmt::format("http://{}{}", *host, port ? "" : ":8123");
    set_path(root, {"clickhouse", "url"},
             ConfigValue::make_text(text, Origin::environment("CLICKHOUSE_HOST")));
  }
  if (const auto user = environment.get("CLICKHOUSE_USER")) {
    set_path(root, {"clickhouse", "user"},
             ConfigValue::make_text(*user, Origin::environment("CLICKHOUSE_USER")));
  }
  for (const char* variable : {"https_proxy", "HTTPS_PROXY"}) {
    const auto proxy = environment.get(variable);
    if (!proxy) continue;
    set_path(root, {"clickhouse", "proxy"},
             ConfigValue::make_text(*proxy, Origin::environment(variable)));
  }
  if (environment.has("CLICKHOUSE_PASSWORD")) {
    set_path(
        root, {"clickhouse", "password"},
        secret_reference("env", "CLICKHOUSE_PASSWORD", Origin::environment("CLICKHOUSE_PASSWORD")));
  }
}

void overlay_clickhouse(const FlagValues& flags, const Environment& environment, ConfigValue& root,
                        Problems& problems) {
  if (const auto url = flags.last("clickhouse")) {
    set_path(root, {"clickhouse", "url"}, ConfigValue::make_text(url->value, url->origin));
  }
  if (const auto user = flags.last("clickhouse-user")) {
    set_path(root, {"clickhouse", "user"}, ConfigValue::make_text(user->value, user->origin));
  }
  if (const auto file = flags.last("clickhouse-password-file")) {
    set_path(root, {"clickhouse", "password"}, secret_reference("file", file->value, file->origin));
  } else if (environment.has("SLUICE_CLICKHOUSE_PASSWORD")) {
    const std::string variable = "SLUICE_CLICKHOUSE_PASSWORD";
    set_path(root, {"clickhouse", "password"},
             secret_reference("env", variable, Origin::environment(variable)));
  }
  for (const auto& given : flags.all("setting")) overlay_setting(given, root, problems);
}

void read_clickhouse(const ConfigValue& table, const std::string& path, ClickHouseSettings& out,
                     Problems& problems) {
  using clickhouse::Compression;
  TableReader reader(table, path, problems);
  reader.text("cluster", out.cluster);
  read_urls(reader, out, problems);
  reader.text("user", out.user);
  reader.secret("password", out.password);
  reader.later_word("compression", {"gzip"});
  reader.choice<Compression>("compression",
                             {{"auto", Compression::automatic},
                              {"none", Compression::none},
                              {"lz4", Compression::lz4},
                              {"zstd", Compression::zstd}},
                             out.compression);
  reader.duration("timeout", out.timeout);
  reader.text("proxy", out.proxy);
  reader.boolean("allow_plaintext_auth", out.allow_plaintext_auth);
  if (const ConfigValue* tls = reader.table("tls")) {
    TableReader tls_reader(*tls, path + ".tls", problems);
    tls_reader.text("ca_file", out.ca_file);
    tls_reader.boolean("verify", out.verify_tls);
    tls_reader.finish();
  }
  if (const ConfigValue* settings = reader.table("settings")) {
    read_settings_table(*settings, out, problems);
    check_settings(out, problems);
  }
  reader.finish();
}

void check_plaintext(const ClickHouseSettings& clickhouse, Problems& problems) {
  for (const std::string& url : clickhouse.urls.value) {
    const auto endpoint = clickhouse::parse_endpoint(url);
    if (!endpoint) continue;
    const auto checked = clickhouse::check_plaintext(*endpoint, clickhouse.password.given(),
                                                     clickhouse.allow_plaintext_auth.value);
    if (checked) continue;
    problems.add(clickhouse.password.origin, checked.error().message, checked.error().fix);
  }
}

}  // namespace sluice::cli
