// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/health.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/base/text.hpp"

namespace sluice::kafka {
namespace {

constexpr size_t reasons_max = 8;
// A second opinion: another broker may take what the first one refuses.
constexpr Milliseconds refusal_patience{1000};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// "sasl_ssl://host:9092/bootstrap" is host:9092 to people.
std::string broker_name(std::string_view name) {
  const size_t protocol = name.find("://");
  if (protocol != std::string_view::npos) name.remove_prefix(protocol + 3);
  return printable(name.substr(0, name.find('/')), 200);
}

std::string without_state(std::string_view text) {
  const size_t at = text.rfind(" (after ");
  return printable(text.substr(0, at), 300);
}

std::string tls_fix(std::string_view text) {
  if (contains(text, "PLAINTEXT") || contains(text, "wrong version number") ||
      contains(text, "unexpected eof")) {
    return "if the port does not speak TLS, set security.protocol = plaintext or sasl_plaintext, "
           "or name the TLS port";
  }
  if (contains(text, "verif") || contains(text, "certificate")) {
    return "set ssl.ca.location to the authority that signed the broker's certificate, and check "
           "that the certificate names the host in --brokers";
  }
  return "check ssl.ca.location, ssl.certificate.location and ssl.key.location";
}

std::string authentication_fix(std::string_view text) {
  if (contains(text, "not valid in current SASL state")) {
    return "the port does not ask for a user: set security.protocol = plaintext or ssl, or name "
           "the "
           "SASL port";
  }
  constexpr int scram_repaired = 0x020601ff;  // 2.6.1
  if (contains(text, "SCRAM") && rd_kafka_version() < scram_repaired) {
    return std::string(
               "check sasl.username and sasl.password; if they are right: Kafka 4 refuses "
               "every SCRAM login of librdkafka ") +
           rd_kafka_version_str() +
           ", which 2.6.1 repaired, so use sasl.mechanisms = PLAIN over TLS there";
  }
  return "check sasl.username, sasl.password and sasl.mechanisms";
}

std::string fix_for(std::string_view reasons) {
  if (contains(reasons, "connecting to a SSL listener") ||
      contains(reasons, "incorrect security.protocol")) {
    return "the port seems to want TLS: set security.protocol = ssl or sasl_ssl";
  }
  if (contains(reasons, "might require SASL")) {
    return "the port seems to want a user: set security.protocol = sasl_ssl, sasl.mechanisms, "
           "sasl.username and sasl.password";
  }
  if (contains(reasons, "SSL")) return tls_fix(reasons);
  if (contains(reasons, "resolve")) return "check the host names in --brokers and the DNS";
  return "check --brokers, the firewall, and whether the port wants TLS (security.protocol)";
}

}  // namespace

BrokerHealth::BrokerHealth(std::string brokers, TimePoint now)
    : brokers_(std::move(brokers)), last_answer_(now) {}

void BrokerHealth::note_error(rd_kafka_resp_err_t code, std::string_view text, TimePoint now) {
  // It counts brokers and names none; each has already said why.
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
  // The coordinator's own connection: its address follows.
  constexpr std::string_view coordinator = "GroupCoordinator: ";
  if (text.substr(0, coordinator.size()) == coordinator) text.remove_prefix(coordinator.size());
  const size_t colon = text.find(": ");
  const std::string name = broker_name(text.substr(0, colon));
  const std::string reason =
      without_state(colon == std::string_view::npos ? text : text.substr(colon + 2));
  if (reasons_.size() < reasons_max || reasons_.count(name) != 0) reasons_[name] = reason;

  const auto note = [&](std::optional<Failure>& failure) {
    if (!failure) failure = Failure{.code = code, .text = {}, .first = now, .count = 0};
    failure->text = name + ": " + reason;
    ++failure->count;
  };
  if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
      code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED) {
    note(authentication_);
  } else if (code == RD_KAFKA_RESP_ERR__SSL && !contains(reason, "unexpected eof")) {
    // A load balancer without a broker behind it hangs up as well: that passes.
    note(tls_);
  }
}

void BrokerHealth::note_answer(TimePoint now) {
  last_answer_ = now;
  answered_ = true;
  if (reasons_.empty()) return;
  reasons_.clear();
  authentication_.reset();
  tls_.reset();
}

std::optional<Error> BrokerHealth::refusal(TimePoint now) const {
  const auto is_certain = [&](const std::optional<Failure>& failure) {
    return failure && (failure->count >= 2 || now - failure->first >= refusal_patience);
  };
  if (is_certain(authentication_)) {
    return Error{.code = Errc::no_permission,
                 .slug = "kafka-authentication",
                 .message = "Kafka refuses our credentials: " + authentication_->text,
                 .fix = authentication_fix(authentication_->text)};
  }
  // A certificate renewed while we run is a broker that is away; at the start it is a setting.
  if (!answered_ && is_certain(tls_)) {
    return Error{.code = Errc::config,
                 .slug = "kafka-tls",
                 .message = "TLS with Kafka fails: " + tls_->text,
                 .fix = tls_fix(tls_->text)};
  }
  return std::nullopt;
}

Error BrokerHealth::unreachable(Milliseconds waited) const {
  std::string tried;
  for (const auto& [name, reason] : reasons_) {
    tried += (tried.empty() ? "; tried " : ", ") + name + " (" + reason + ")";
  }
  if (tried.empty()) tried = "; nothing was refused, nothing came back";
  return {.code = Errc::unavailable,
          .slug = "kafka-unreachable",
          .message = fmt::format("no Kafka broker of {} answered within {}{}",
                                 printable(brokers_, 300), in_words(waited), tried),
          .fix = fix_for(tried)};
}

}  // namespace sluice::kafka
