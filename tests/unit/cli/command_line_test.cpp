// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace sluice::cli {
namespace {

Invocation parsed(const std::vector<std::string>& arguments) {
  auto invocation = parse_command_line(arguments);
  EXPECT_TRUE(invocation.ok()) << (invocation.ok() ? "" : invocation.error().message);
  return invocation.ok() ? std::move(invocation).value() : Invocation{};
}

Error refused(const std::vector<std::string>& arguments) {
  auto invocation = parse_command_line(arguments);
  EXPECT_FALSE(invocation.ok());
  if (invocation.ok()) return {};
  EXPECT_EQ(invocation.error().code, Errc::usage);
  return invocation.error();
}

std::string last(const Invocation& invocation, std::string_view flag) {
  const auto given = invocation.flags.last(flag);
  return given ? given->value : "(not given)";
}

TEST(CommandLine, GlobalFlagsStandBeforeOrAfterTheCommand) {
  EXPECT_EQ(last(parsed({"-b", "one:9092", "sync"}), "brokers"), "one:9092");
  EXPECT_EQ(last(parsed({"sync", "--brokers=one:9092"}), "brokers"), "one:9092");
}

TEST(CommandLine, PipelinesAndFlagsMix) {
  const Invocation invocation = parsed({"sync", "orders", "-q", "web*"});
  EXPECT_EQ(invocation.arguments, (std::vector<std::string>{"orders", "web*"}));
  EXPECT_TRUE(invocation.flags.has("quiet"));
}

TEST(CommandLine, APipelineMayBeCalledLikeACommand) {
  EXPECT_EQ(parsed({"sync", "help"}).arguments, std::vector<std::string>{"help"});
}

TEST(CommandLine, ValuesMayBeginWithADash) {
  EXPECT_EQ(last(parsed({"sync", "--until", "-24h"}), "until"), "-24h");
}

TEST(CommandLine, TheLastValueCountsAndRepeatableFlagsKeepAll) {
  EXPECT_EQ(last(parsed({"sync", "--max-rows", "1", "--max-rows", "2"}), "max-rows"), "2");
  EXPECT_EQ(parsed({"sync", "-Xa=b", "-X", "c=d"}).flags.all("kafka").size(), 2u);
  EXPECT_EQ(parsed({"sync", "-vv", "-v"}).flags.all("verbose").size(), 3u);
}

TEST(CommandLine, UnknownCommandsAndFlagsNameTheNearest) {
  EXPECT_EQ(refused({"snyc"}).message, "unknown command 'snyc'");
  EXPECT_EQ(refused({"snyc"}).fix, "did you mean 'sync'?");
  EXPECT_EQ(refused({"sync", "--batch-row", "5"}).message, "unknown flag --batch-row");
  EXPECT_EQ(refused({"sync", "--batch-row", "5"}).fix, "did you mean '--batch-rows'?");
}

TEST(CommandLine, ValuesOfUnknownFlagsAreNotRepeated) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"sync", "--password", "canary"},
                                             {"sync", "--password=canary"},
                                             {"--password=canary"}}) {
    const Error error = refused(arguments);
    EXPECT_EQ((error.message + error.fix).find("canary"), std::string::npos) << error.message;
  }
}

TEST(CommandLine, MissingAndNeedlessValuesAreNamed) {
  EXPECT_EQ(refused({"sync", "--topic"}).message, "--topic needs a value");
  EXPECT_EQ(refused({"sync", "--quiet=5"}).message, "--quiet takes no value");
}

TEST(CommandLine, FlagsOfSyncStandAfterIt) {
  EXPECT_EQ(refused({"--topic", "x", "sync"}).fix, "write it as: sluice sync --topic …");
}

TEST(Flags, NoTwoHaveTheSameName) {
  std::map<std::string_view, CommandSet> names;
  std::map<char, std::string_view> letters;
  for (const Flag& flag : all_flags()) {
    // --partitions is a list for backfill and a switch for status.
    EXPECT_EQ(names[flag.name] & flag.commands, 0u) << flag.name;
    names[flag.name] |= flag.commands;
    if (flag.short_name != 0) {
      EXPECT_EQ(letters.emplace(flag.short_name, flag.name).first->second, flag.name);
    }
    EXPECT_FALSE(flag.help.empty());
  }
}

TEST(Flags, TheEnvironmentGivesThemWhereTheCommandLineDoesNot) {
  const Environment environment({{"SLUICE_BATCH_ROWS", "5"},
                                 {"SLUICE_TABLE", "a.b"},
                                 {"SLUICE_FAIL_FAST", "1"},
                                 {"SLUICE_REJECTS_OK", "no"},
                                 {"SLUICE_MEMORY", ""},
                                 {"SLUICE_VERBOSE", "2"}});
  FlagValues flags;
  flags.add("table", "c.d", Origin::flag("--table"));
  Problems problems;
  add_environment_flags(environment, for_sync, flags, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(flags.last("batch-rows")->value, "5");
  EXPECT_EQ(flags.last("batch-rows")->origin.describe(), "SLUICE_BATCH_ROWS");
  EXPECT_EQ(flags.last("table")->value, "c.d");
  EXPECT_TRUE(flags.has("fail-fast"));
  EXPECT_FALSE(flags.has("rejects-ok"));
  EXPECT_FALSE(flags.has("memory")) << "an empty variable counts as unset";
  EXPECT_EQ(flags.all("verbose").size(), 2u);
}

TEST(Flags, ASwitchVariableThatIsNeitherTrueNorFalseIsAProblem) {
  FlagValues flags;
  Problems problems;
  const std::map<std::string, std::string> variables{{"SLUICE_FAIL_FAST", "maybe"}};
  add_environment_flags(Environment(variables), for_sync, flags, problems);
  ASSERT_EQ(problems.all().size(), 1u);
  EXPECT_EQ(problems.all().front().origin.describe(), "SLUICE_FAIL_FAST");
}

}  // namespace
}  // namespace sluice::cli
