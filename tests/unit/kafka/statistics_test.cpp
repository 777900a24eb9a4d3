// SPDX-License-Identifier: Apache-2.0
#include "core/kafka/statistics.hpp"

#include <gtest/gtest.h>

namespace sluice::kafka {
namespace {

TEST(Statistics, BrokersAreCountedOnceAndQueuesAddedUp) {
  const auto found = parse_statistics(R"({"brokers":{
      "b1:9092/1":{"nodeid":1,"nodename":"b1:9092","source":"learned","state":"UP",
                   "rtt":{"cnt":7,"p99":2500}},
      "b2:9092/2":{"nodeid":2,"nodename":"b2:9092","source":"learned","state":"DOWN",
                   "rtt":{"cnt":0,"p99":0}},
      "b1:9092/bootstrap":{"nodeid":-1,"nodename":"b1:9092","source":"configured","state":"UP"},
      "GroupCoordinator":{"nodeid":1,"nodename":"b1:9092","source":"logical","state":"UP"}},
    "topics":{"t":{"partitions":{"0":{"fetchq_cnt":3,"fetchq_size":300},
                                 "1":{"fetchq_cnt":4,"fetchq_size":40},
                                 "-1":{"fetchq_cnt":-1,"fetchq_size":0}}}}})");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->brokers.size(), 2u);
  EXPECT_TRUE(found->brokers.at("b1:9092").up);
  EXPECT_DOUBLE_EQ(found->brokers.at("b1:9092").rtt_seconds.value_or(0), 0.0025);
  EXPECT_FALSE(found->brokers.at("b2:9092").up);
  EXPECT_FALSE(found->brokers.at("b2:9092").rtt_seconds) << "nobody asked it anything";
  EXPECT_EQ(found->fetch_queue_records, 7u);
  EXPECT_EQ(found->fetch_queue_bytes, 340u);
}

TEST(Statistics, WhatIsNotUnderstoodIsNothing) {
  EXPECT_FALSE(parse_statistics(""));
  EXPECT_FALSE(parse_statistics("{}"));
  EXPECT_FALSE(parse_statistics(R"({"brokers":{"a":7},"topics":{}})"));
}

}  // namespace
}  // namespace sluice::kafka
