// SPDX-License-Identifier: Apache-2.0
#include "cli/topic_pattern.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::cli {
namespace {

TEST(TopicPattern, IsFoundAnywhereUnlessAnchored) {
  const auto anchored = TopicPattern::compile(R"(^region\.[a-z]{2}\.events$)");
  ASSERT_TRUE(anchored.ok());
  EXPECT_TRUE(anchored->matches("region.de.events"));
  EXPECT_FALSE(anchored->matches("region.deu.events"));
  EXPECT_FALSE(anchored->matches("a.region.de.events"));
  const auto loose = TopicPattern::compile("events");
  ASSERT_TRUE(loose.ok());
  EXPECT_TRUE(loose->matches("region.de.events.v2"));
}

TEST(TopicPattern, KafkasOwnTopicsNeverMatch) {
  const auto all = TopicPattern::compile(".*");
  ASSERT_TRUE(all.ok());
  EXPECT_TRUE(all->matches("_events"));
  EXPECT_FALSE(all->matches("__consumer_offsets"));
}

TEST(TopicPattern, WhatIsNoneOrTooLargeIsAnError) {
  for (const std::string& text :
       {std::string("^(a"), std::string("[z-a]"), std::string("(a)\\1"), std::string(1001, 'a')}) {
    EXPECT_FALSE(TopicPattern::compile(text).ok()) << text.substr(0, 40);
  }
}

TEST(TopicPattern, AWickedOneIsMatchedInTime) {
  const auto wicked = TopicPattern::compile("^(a+)+$");
  ASSERT_TRUE(wicked.ok());
  EXPECT_FALSE(wicked->matches(std::string(248, 'a') + "."));
}

TEST(MatchingTopics, AreSortedAndLeaveOutTheOwnRejects) {
  PipelineSettings pipeline;
  pipeline.name = "regions";
  pipeline.group.value = "g";
  pipeline.topics_regex.value = "^r";
  pipeline.reject.topic.value = "r.rejects";
  EXPECT_EQ(matching_topics(pipeline, {"r.z", "r.rejects", "other", "r.a"}),
            (std::vector<std::string>{"r.a", "r.z"}));
  const PipelineSettings one = pipeline_of_topic(pipeline, "r.a");
  EXPECT_EQ(one.name, "regions:r.a");
  EXPECT_EQ(one.topic.value, "r.a");
  EXPECT_EQ(one.group.value, "g:r.a");
  EXPECT_EQ(one.live_group, "g");
  EXPECT_TRUE(one.topics_regex.value.empty());
}

}  // namespace
}  // namespace sluice::cli
