// SPDX-License-Identifier: Apache-2.0
#include "core/clickhouse/insert_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::clickhouse {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(UserSettingsTest, OrdinarySettingsPass) {
  EXPECT_TRUE(check_user_settings({}).ok());
  EXPECT_TRUE(check_user_settings({{"max_memory_usage", "1000"},
                                   {"insert_quorum", "auto"},
                                   {"SQL_custom", "x"},
                                   {"max_partitions_per_insert_block", "500"},
                                   {"role", "writer"}})
                  .ok());
}

TEST(UserSettingsTest, WhatDeliveryDependsOnIsSluicesOwn) {
  for (const char* name :
       {"async_insert", "wait_for_async_insert", "insert_deduplicate", "deduplicate_insert",
        "insert_deduplication_token", "max_insert_block_size", "min_insert_block_size_rows",
        "input_format_parallel_parsing", "input_format_allow_errors_num", "date_time_input_format",
        "input_format_skip_unknown_fields", "materialized_views_ignore_errors",
        "http_wait_end_of_query", "replace_running_query"}) {
    const auto result = check_user_settings({{name, "1"}});
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_EQ(result.error().code, Errc::config);
    EXPECT_THAT(result.error().message, HasSubstr(name));
  }
}

TEST(UserSettingsTest, ParametersOfTheInterfaceAreNoSettings) {
  for (const char* name : {"query", "database", "user", "password", "session_id", "query_id",
                           "param_x", "compress", "decompress", "wait_end_of_query"}) {
    EXPECT_FALSE(check_user_settings({{name, "1"}}).ok()) << name;
  }
}

TEST(UserSettingsTest, NamesAreNames) {
  for (const char* name : {"", "a b", "a=b", "a&query", "a\nb", "ä", "a-b", "a.b", "a;b"}) {
    EXPECT_FALSE(check_user_settings({{name, "1"}}).ok()) << name;
  }
}

TEST(FixedParametersTest, OnlyWhatTheServerKnowsIsSent) {
  const std::string none = fixed_parameters({}, {});
  EXPECT_EQ(none, "wait_end_of_query=1&");
  const std::string some = fixed_parameters({{"async_insert", {"1", false}}}, {});
  EXPECT_EQ(some, "async_insert=0&wait_end_of_query=1&");
}

TEST(FixedParametersTest, WhatIsFixedToTheWantedValueIsNotTouched) {
  EXPECT_THAT(fixed_parameters({{"async_insert", {"0", true}}}, {}),
              Not(HasSubstr("async_insert")));
  EXPECT_THAT(fixed_parameters({{"async_insert", {"1", true}}}, {}), HasSubstr("async_insert=0&"))
      << "the server says then that it is not allowed";
}

TEST(FixedParametersTest, OneBatchIsOneBlock) {
  const ServerSettings server{{"min_insert_block_size_rows", {"1048449", false}},
                              {"min_insert_block_size_bytes", {"268402944", false}},
                              {"max_insert_block_size_bytes", {"5", false}}};
  const std::string parameters = fixed_parameters(server, {});
  EXPECT_THAT(parameters, HasSubstr("min_insert_block_size_rows=0&"));
  EXPECT_THAT(parameters, HasSubstr("min_insert_block_size_bytes=1000000000000&"));
  EXPECT_THAT(parameters, HasSubstr("max_insert_block_size_bytes=0&"));
}

TEST(FixedParametersTest, UserSettingsAreEncoded) {
  EXPECT_EQ(fixed_parameters({}, {{"log_comment", "a&query=DROP TABLE x"}}),
            "wait_end_of_query=1&log_comment=a%26query%3DDROP%20TABLE%20x&");
}

TEST(WantedSettingsTest, AreAListOfLiterals) {
  EXPECT_THAT(wanted_settings_list(), HasSubstr("'insert_deduplication_token', '"));
  EXPECT_THAT(wanted_settings_list(), HasSubstr("'async_insert'"));
}

}  // namespace
}  // namespace sluice::clickhouse
