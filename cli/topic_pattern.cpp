// SPDX-License-Identifier: Apache-2.0
#include "cli/topic_pattern.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/text.hpp"
#include "core/base/check.hpp"

namespace sluice::cli {
namespace {

constexpr size_t pattern_bytes_max = 1000;

Error no_pattern(const std::string& why) {
  return {Errc::config, "config", "topics_regex: " + why,
          "write it like topics_regex = '^region\\.[a-z]{2}\\.events$'"};
}

}  // namespace

Result<TopicPattern> TopicPattern::compile(const std::string& text) {
  if (text.size() > pattern_bytes_max) {
    return no_pattern(fmt::format("is longer than {} bytes", pattern_bytes_max));
  }
  try {
    // libstdc++'s other way to match can take exponential time.
    return TopicPattern(std::regex(
        text, std::regex::ECMAScript | std::regex::optimize | std::regex_constants::__polynomial));
  } catch (const std::regex_error& error) {
    if (error.code() == std::regex_constants::error_complexity) {
      return no_pattern("back-references are not supported");
    }
    return no_pattern(fmt::format("'{}' is no regular expression: {}", escape_control(text, 200),
                                  escape_control(error.what(), 200)));
  }
}

bool TopicPattern::matches(const std::string& topic) const {
  return !topic.starts_with("__") && std::regex_search(topic, regex_);
}

std::vector<std::string> matching_topics(const PipelineSettings& pipeline,
                                         const std::vector<std::string>& existing) {
  const auto pattern = TopicPattern::compile(pipeline.topics_regex.value);
  CHECK(pattern.ok());  // complete_pipeline() has seen to it
  std::vector<std::string> topics;
  for (const std::string& topic : existing) {
    const bool own_rejects = topic == pipeline.reject.topic.value;
    if (!own_rejects && pattern->matches(topic)) topics.push_back(topic);
  }
  std::sort(topics.begin(), topics.end());
  return topics;
}

Error no_topic_matches(const PipelineSettings& pipeline) {
  return {Errc::config, "no-topic-matches",
          fmt::format("no topic matches topics_regex '{}'",
                      escape_control(pipeline.topics_regex.value, pattern_bytes_max)),
          "check the expression, and that we may describe the topics"};
}

Result<std::vector<PipelineSettings>> pipelines_by_topic(const PipelineSettings& pipeline,
                                                         const kafka::ClusterOptions& cluster,
                                                         Milliseconds limit) {
  if (pipeline.topics_regex.value.empty()) return std::vector{pipeline};
  const auto existing = TRY(kafka::list_topics(cluster, limit));
  std::vector<PipelineSettings> out;
  for (const std::string& topic : matching_topics(pipeline, existing)) {
    out.push_back(pipeline_of_topic(pipeline, topic));
  }
  if (out.empty()) return no_topic_matches(pipeline);
  return out;
}

PipelineSettings pipeline_of_topic(const PipelineSettings& pipeline, const std::string& topic) {
  PipelineSettings one = pipeline;
  one.topics_regex.value.clear();
  one.name = pipeline.name + ":" + topic;
  one.topic.value = topic;
  one.group.value = pipeline.group.value + ":" + topic;
  one.live_group = pipeline.group.value;
  return one;
}

}  // namespace sluice::cli
