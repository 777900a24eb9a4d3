// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/client_metric.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/text.hpp"

namespace sluice::cli {

/// The families of one scrape, in the order in which they were begun.
class MetricsPage {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  void counter(std::string name, std::string help) {
    begin(std::move(name), std::move(help), prometheus::MetricType::Counter);
  }
  void gauge(std::string name, std::string help) {
    begin(std::move(name), std::move(help), prometheus::MetricType::Gauge);
  }
  void histogram(std::string name, std::string help) {
    begin(std::move(name), std::move(help), prometheus::MetricType::Histogram);
  }

  /// A sample of the family begun last.
  void add(Labels labels, double value) {
    prometheus::ClientMetric& metric = new_metric(std::move(labels));
    (families_.back().type == prometheus::MetricType::Counter ? metric.counter.value
                                                              : metric.gauge.value) = value;
  }
  void add(Labels labels, uint64_t value) { add(std::move(labels), static_cast<double>(value)); }
  template <class T>
  void add_known(Labels labels, const std::optional<T>& value) {
    if (value) add(std::move(labels), static_cast<double>(*value));
  }
  void add(Labels labels, const prometheus::Histogram& histogram) {
    new_metric(std::move(labels)).histogram = histogram.Collect().histogram;
  }
  [[nodiscard]] std::vector<prometheus::MetricFamily> take() { return std::move(families_); }

 private:
  void begin(std::string name, std::string help, prometheus::MetricType type) {
    families_.push_back({std::move(name), std::move(help), type, {}});
  }
  prometheus::ClientMetric& new_metric(Labels labels) {
    prometheus::ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    for (prometheus::ClientMetric::Label& label : metric.label)
      label.value = valid_utf8(label.value);
    return metric;
  }

  std::vector<prometheus::MetricFamily> families_;
};

/// As Prometheus reads them.
[[nodiscard]] inline std::string metrics_text(
    const std::vector<prometheus::MetricFamily>& families) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

}  // namespace sluice::cli
