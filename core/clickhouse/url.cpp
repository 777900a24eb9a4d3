// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/url.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>

#include <algorithm>
#include <array>

#include "core/base/handle.hpp"

namespace sluice::clickhouse {
namespace {

using Url = Handle<CURLU, curl_url_cleanup>;
using CurlText = Handle<char, curl_free>;

Error refused(std::string why) {
  return {.code = Errc::config,
          .slug = "clickhouse-url",
          .message = "the ClickHouse URL is not usable: " + std::move(why),
          .fix =
              "write it as http://host:8123 or https://host:8443; user, password and database "
              "have settings of their own"};
}

bool has_part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  const bool found = curl_url_get(url, part, &text, 0) == CURLUE_OK;
  const CurlText owner(text);
  return found;
}

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  const CurlText owner(text);
  return text;
}

bool unprintable(char character) {
  const auto byte = static_cast<unsigned char>(character);
  return byte <= 0x20 || byte == 0x7f;
}

Result<void> check_parts(CURLU* url) {
  if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD)) {
    return refused("it holds a user or a password");
  }
  if (has_part(url, CURLUPART_FRAGMENT)) return refused("it has a fragment (#…)");
  if (has_part(url, CURLUPART_QUERY)) return refused("it has a query (?…)");
  if (has_part(url, CURLUPART_ZONEID)) return refused("it names an IPv6 zone");
  if (part_of(url, CURLUPART_PATH) != "/") return refused("it has a path");
  return {};
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
  if (text.empty()) return refused("it is empty");
  if (std::any_of(text.begin(), text.end(), unprintable)) {
    return refused("it contains blanks or control characters");
  }
  const Url url(curl_url());
  CHECK(url != nullptr);
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), 0);
  if (code == CURLUE_UNSUPPORTED_SCHEME) return refused("its scheme is neither http nor https");
  if (code == CURLUE_BAD_SCHEME) return refused("it does not begin with http:// or https://");
  if (code != CURLUE_OK) return refused(curl_url_strerror(code));
  const std::string scheme = part_of(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return refused("its scheme is neither http nor https");
  }
  TRY(check_parts(url.get()));

  Endpoint endpoint;
  endpoint.tls = scheme == "https";
  const std::string bracketed = part_of(url.get(), CURLUPART_HOST);
  if (bracketed.empty()) return refused("it names no host");
  const bool ipv6 = bracketed.front() == '[';
  endpoint.host = ipv6 ? bracketed.substr(1, bracketed.size() - 2) : bracketed;
  endpoint.loopback = is_loopback(endpoint.host);
  std::string port = part_of(url.get(), CURLUPART_PORT);
  if (port.empty()) port = endpoint.tls ? "8443" : "8123";
  endpoint.origin.append(scheme).append("://").append(bracketed).append(":").append(port);
  return endpoint;
}

bool is_loopback(std::string_view host) {
  const std::string name(host);
  in_addr ipv4{};
  if (inet_pton(AF_INET, name.c_str(), &ipv4) == 1) return (ntohl(ipv4.s_addr) >> 24U) == 127;
  in6_addr ipv6{};
  if (inet_pton(AF_INET6, name.c_str(), &ipv6) == 1) {
    std::array<unsigned char, sizeof ipv6.s6_addr> loopback{};
    loopback.back() = 1;
    return std::equal(loopback.begin(), loopback.end(), std::begin(ipv6.s6_addr));
  }
  return curl_strequal(name.c_str(), "localhost") != 0;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char character : text) {
    if (plain.find(character) != std::string_view::npos) {
      encoded += character;
      continue;
    }
    const auto byte = static_cast<unsigned char>(character);
    encoded += '%';
    encoded += digits[byte >> 4U];
    encoded += digits[byte & 15U];
  }
  return encoded;
}

void add_parameter(std::string& query, std::string_view name, std::string_view value) {
  query.append(percent_encoded(name)).append("=").append(percent_encoded(value)).append("&");
}

Result<void> check_plaintext(const Endpoint& endpoint, bool has_password, bool allowed) {
  if (!has_password || endpoint.tls || endpoint.loopback || allowed) return {};
  return Error{.code = Errc::config,
               .slug = "plaintext-password",
               .message = "the ClickHouse password would go over the network unencrypted, to " +
                          endpoint.origin,
               .fix = "use https, or set allow_plaintext_auth = true if that is what you want"};
}

}  // namespace sluice::clickhouse
