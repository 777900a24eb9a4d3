// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <regex>
#include <string>
#include <vector>

#include "cli/settings.hpp"
#include "core/base/result.hpp"
#include "core/kafka/source.hpp"

namespace sluice::cli {

/// `topics_regex`: which topics a pipeline reads. ECMAScript, found anywhere in the name unless
/// anchored with ^ and $. Kafka's own topics ("__…") never match.
class TopicPattern {
 public:
  /// Errc::config when it is no regular expression, or one that would be too large.
  [[nodiscard]] static Result<TopicPattern> compile(const std::string& text);
  [[nodiscard]] bool matches(const std::string& topic) const;

 private:
  explicit TopicPattern(std::regex regex) : regex_(std::move(regex)) {}
  std::regex regex_;
};

/// The topics of `existing` that a pipeline with topics_regex reads, sorted. Its own reject topic
/// is none of them.
[[nodiscard]] std::vector<std::string> matching_topics(const PipelineSettings& pipeline,
                                                       const std::vector<std::string>& existing);

[[nodiscard]] Error no_topic_matches(const PipelineSettings& pipeline);

/// The pipeline itself, or where it has topics_regex, that of each topic that it reads now. Waits
/// up to `limit` for Kafka. Errc::config: there is none.
[[nodiscard]] Result<std::vector<PipelineSettings>> pipelines_by_topic(
    const PipelineSettings& pipeline, const kafka::ClusterOptions& cluster, Milliseconds limit);

/// The pipeline for one of these topics. It has a consumer group of its own: members of one group
/// would stop each other at every topic that comes or goes, and fence each other where
/// group.instance.id is set.
[[nodiscard]] PipelineSettings pipeline_of_topic(const PipelineSettings& pipeline,
                                                 const std::string& topic);

}  // namespace sluice::cli
