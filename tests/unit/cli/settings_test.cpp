// SPDX-License-Identifier: Apache-2.0
#include "cli/settings.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/command_line.hpp"
#include "cli/commands.hpp"
#include "cli/connections.hpp"
#include "cli/file.hpp"
#include "tests/unit/cli/folder.hpp"

namespace sluice::cli {
namespace {

constexpr const char* minimal = R"([kafka]
brokers = ["b1:9092", "b2:9092"]
[clickhouse]
url = "http://127.0.0.1:8123"
[pipelines.orders]
topic = "orders"
table = "shop.orders"
)";

const WallTime now{std::chrono::seconds(1'795'226'404)};

class SettingsTest : public InFolder {
 protected:
  Settings read(const std::vector<std::string>& arguments,
                std::map<std::string, std::string> variables = {}) {
    problems_ = Problems();
    auto invocation = parse_command_line(arguments);
    EXPECT_TRUE(invocation.ok());
    const Environment environment(std::move(variables));
    add_environment_flags(environment, find_command(invocation->command)->bit, invocation->flags,
                          problems_);
    return read_settings(*invocation, environment, "etc", now, problems_);
  }

  Settings good(const std::vector<std::string>& arguments,
                std::map<std::string, std::string> variables = {}) {
    Settings settings = read(arguments, std::move(variables));
    EXPECT_TRUE(problems_.empty()) << problems_.render();
    return settings;
  }

  /// The rendered problems of a configuration that is wrong.
  std::string wrong(const std::string& config, const std::vector<std::string>& more = {},
                    std::map<std::string, std::string> variables = {}) {
    write("sluice.toml", config);
    std::vector<std::string> arguments{"sync"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    (void)read(arguments, std::move(variables));
    EXPECT_FALSE(problems_.empty());
    return problems_.render();
  }

  Problems problems_;
};

TEST_F(SettingsTest, AFileWithTheLeastIsEnough) {
  write("sluice.toml", minimal);
  const Settings settings = good({"sync"});
  EXPECT_EQ(settings.kafka.brokers.value, "b1:9092,b2:9092");
  EXPECT_EQ(settings.kafka.brokers.origin.describe(), "sluice.toml:2:11");
  EXPECT_EQ(settings.clickhouse.urls.value, std::vector<std::string>{"http://127.0.0.1:8123"});
  ASSERT_EQ(settings.pipelines.size(), 1u);
  const PipelineSettings& orders = settings.pipelines.front();
  EXPECT_EQ(orders.name, "orders");
  EXPECT_EQ(orders.group.value, "sluice-orders");
  EXPECT_EQ(orders.database(), "shop");
  EXPECT_EQ(orders.table_name(), "orders");
  EXPECT_EQ(orders.batch_rows.value, 250'000u);
  EXPECT_EQ(orders.batch_rows.origin.describe(), "default");
  EXPECT_EQ(settings.config_files, std::vector<std::string>{"./sluice.toml"});
}

TEST_F(SettingsTest, NoFileIsNeededWhenFlagsSayItAll) {
  const Settings settings =
      good({"sync", "-b", "b:9092", "--clickhouse", "http://localhost:8123/shop", "-t", "orders",
            "--table", "orders", "--reject-file", "r.jsonl", "--on-error", "reject"});
  ASSERT_EQ(settings.pipelines.size(), 1u);
  EXPECT_EQ(settings.pipelines[0].table.value, "shop.orders") << "the URL's database";
  EXPECT_EQ(settings.pipelines[0].group.value, "sluice-orders");
  EXPECT_EQ(settings.pipelines[0].reject.describe(), "file:r.jsonl");
  EXPECT_EQ(settings.clickhouse.urls.value.front(), "http://localhost:8123");
}

TEST_F(SettingsTest, FlagsBeatVariablesBeatFilesBeatDefaults) {
  write("sluice.toml",
        std::string(minimal) + "batch = { rows = 10, bytes = \"1MiB\", age = \"2s\" }\n");
  const Settings settings = good({"sync", "--batch-rows", "30"},
                                 {{"SLUICE_BATCH_ROWS", "20"}, {"SLUICE_BATCH_BYTES", "2MiB"}});
  const PipelineSettings& orders = settings.pipelines.front();
  EXPECT_EQ(orders.batch_rows.value, 30u);
  EXPECT_EQ(orders.batch_rows.origin.describe(), "--batch-rows");
  EXPECT_EQ(orders.batch_bytes.value, 2u << 20);
  EXPECT_EQ(orders.batch_bytes.origin.describe(), "SLUICE_BATCH_BYTES");
  EXPECT_EQ(orders.batch_age.value, Milliseconds(2000));
  EXPECT_EQ(orders.batch_age.origin.place(), "sluice.toml:8");
}

TEST_F(SettingsTest, LaterFilesWinKeyByKey) {
  write("a.toml", minimal);
  write("b.toml",
        "[clickhouse]\nuser = \"loader\"\n[pipelines.orders]\ntable = \"other.orders\"\n");
  const Settings settings = good({"-c", "a.toml", "-c", "b.toml", "sync"});
  EXPECT_EQ(settings.clickhouse.user.value, "loader");
  EXPECT_EQ(settings.clickhouse.urls.value.front(), "http://127.0.0.1:8123");
  EXPECT_EQ(settings.pipelines[0].table.value, "other.orders");
  EXPECT_EQ(settings.pipelines[0].topic.value, "orders");
}

TEST_F(SettingsTest, ALaterSecretReplacesTheEarlierOne) {
  write("a.toml", std::string(minimal) + "[defaults]\nreject = { topic = \"bad\" }\n");
  write(
      "b.toml",
      "[clickhouse]\npassword = { file = \"p\" }\n[pipelines.orders]\nreject = { file = \"r\" }\n");
  write("c.toml", "[clickhouse]\npassword = { env = \"P\" }\n");
  const Settings settings = good({"-c", "a.toml", "-c", "b.toml", "-c", "c.toml", "sync"});
  EXPECT_EQ(settings.clickhouse.password.kind, SecretReference::Kind::environment);
  EXPECT_EQ(settings.pipelines[0].reject.describe(), "file:r");
}

TEST_F(SettingsTest, DropInsAreLaidOverTheSystemsFileInNameOrder) {
  write("etc/sluice.toml", minimal);
  write("etc/conf.d/20.toml", "[clickhouse]\nuser = \"second\"\n");
  write("etc/conf.d/10.toml", "[clickhouse]\nuser = \"first\"\ndatabase = \"d\"\n");
  write("etc/conf.d/ignored.txt", "nonsense");
  const Settings settings = good({"sync"});
  EXPECT_EQ(settings.clickhouse.user.value, "second");
  EXPECT_EQ(settings.clickhouse.database.value, "d");
  EXPECT_EQ(settings.config_files.size(), 3u);
}

TEST_F(SettingsTest, TheFirstFileOfTheSearchListIsUsed) {
  write("home/sluice/sluice.toml", minimal);
  write("etc/sluice.toml", "this is not read");
  const Settings settings = good({"sync"}, {{"XDG_CONFIG_HOME", "home"}});
  EXPECT_EQ(settings.config_files, std::vector<std::string>{"home/sluice/sluice.toml"});
}

TEST_F(SettingsTest, ALinkToAFileThatIsNotThereIsNotPassedOver) {
  std::filesystem::create_directories("x/sluice");
  write("x/sluice/sluice.toml", minimal);
  std::filesystem::create_symlink("nowhere.toml", "sluice.toml");
  (void)read({"sync"}, {{"XDG_CONFIG_HOME", "x"}});
  EXPECT_EQ(problems_.code(), Errc::config);
  EXPECT_NE(problems_.render().find("configuration file ./sluice.toml cannot be read"),
            std::string::npos)
      << problems_.render();
}

TEST_F(SettingsTest, ConfigNoneIgnoresFiles) {
  write("sluice.toml", "broken");
  (void)good({"sync", "-c", "none", "-b", "b:1", "--clickhouse", "http://h:1/d", "-t", "x",
              "--table", "y"});
}

TEST_F(SettingsTest, JsonHasTheSameSchema) {
  write("c.json", R"({"kafka": {"brokers": "b:9092"}, "clickhouse": {"url": "http://h:8123"},
 "pipelines": {"z": {"topic": "z", "table": "d.z"}, "a": {"topic": "a", "table": "d.a"}}})");
  const Settings settings = good({"sync", "-c", "c.json"});
  ASSERT_EQ(settings.pipelines.size(), 2u);
  EXPECT_EQ(settings.pipelines[0].name, "z") << "order as written";
}

TEST_F(SettingsTest, JsonProblemsHaveLineAndColumn) {
  write("c.json", "{\"kafka\": {\n  \"brokrs\": 1}}");
  (void)read({"sync", "-c", "c.json"});
  EXPECT_EQ(problems_.all().front().error().message, "c.json:2:3: unknown key 'brokrs' in [kafka]");
  write("c.json", "{\"kafka\": {},\n \"kafka\": {}}");
  (void)read({"sync", "-c", "c.json"});
  EXPECT_EQ(problems_.all().front().error().message, "c.json:2:2: the key is there twice");
  write("c.json", "{\"kafka\": \n}");
  (void)read({"sync", "-c", "c.json"});
  EXPECT_EQ(problems_.all().front().error().message, "c.json:2:1: this is not valid JSON");
}

TEST_F(SettingsTest, PipelinesKeepTheOrderOfTheFile) {
  write("sluice.toml", std::string(minimal) +
                           "[pipelines.clicks]\ntopic = \"c\"\ntable = \"d.c\"\n"
                           "[pipelines.audit]\ntopic = \"a\"\ntable = \"d.a\"\n");
  const Settings settings = good({"sync"});
  ASSERT_EQ(settings.pipelines.size(), 3u);
  EXPECT_EQ(settings.pipelines[0].name, "orders");
  EXPECT_EQ(settings.pipelines[1].name, "clicks");
  EXPECT_EQ(settings.pipelines[2].name, "audit");
}

TEST_F(SettingsTest, NamesAndGlobsSelectPipelines) {
  write("sluice.toml", std::string(minimal) +
                           "[pipelines.clicks]\ntopic = \"c\"\ntable = \"d.c\"\n"
                           "[pipelines.parked]\ndisabled = true\nformat = \"avro\"\n");
  EXPECT_EQ(good({"sync"}).pipelines.size(), 2u);
  EXPECT_EQ(good({"sync", "cl*"}).pipelines.at(0).name, "clicks");
  (void)read({"sync", "order"});
  EXPECT_EQ(problems_.code(), Errc::usage);
  EXPECT_EQ(problems_.all().front().message, "unknown pipeline 'order'");
  EXPECT_EQ(problems_.all().front().hint, "did you mean 'orders'?");
  (void)read({"sync", "parked"});
  EXPECT_EQ(problems_.all().front().message, "pipeline 'parked' is disabled");
}

TEST_F(SettingsTest, DefaultsHoldForEveryPipelineAndPlaceholdersAreFilledIn) {
  write("sluice.toml",
        std::string(minimal) +
            "[defaults]\ngroup = \"etl.{pipeline}.{topic}\"\non_error = \"reject\"\n"
            "reject = { topic = \"{topic}.rejects\", max = 1000 }\nstart = 2026-11-21\n");
  const PipelineSettings orders = good({"sync"}).pipelines.front();
  EXPECT_EQ(orders.group.value, "etl.orders.orders");
  EXPECT_EQ(orders.reject.topic.value, "orders.rejects");
  EXPECT_EQ(orders.reject.max.value, 1000u);
  EXPECT_EQ(orders.on_error.value, OnError::reject);
  EXPECT_EQ(orders.start.value.kind, StartAt::Kind::time);
}

TEST_F(SettingsTest, AllProblemsAreToldAtOnceWithTheirPlace) {
  const std::string text = wrong(R"(config_version = 1
[kafka]
brokers = "b:9092"
[clickhouse]
url = "http://127.0.0.1:8123"
[pipelines.orders]
topic = "orders"
table = "shop.orders"
batchs = { rows = 100_000 }
batch = { rows = "many", age = 5 }
on_error = "rejct"
disabled = "no"
)");
  EXPECT_EQ(text, R"(error[config]: sluice.toml:9:1: unknown key 'batchs' in [pipelines.orders]
    9 | batchs = { rows = 100_000 }
      | ^^^^^^ did you mean 'batch'?
error[config]: sluice.toml:10:18: rows: 'many' is not a count
   10 | batch = { rows = "many", age = 5 }
      |                  ^^^^^^ write it like 250000, 1_000_000, 250k or 1M
error[config]: sluice.toml:10:32: age: expected a duration, found an integer
   10 | batch = { rows = "many", age = 5 }
      |                                ^ write it like 500ms, 30s, 10m, 2h or 1d
error[config]: sluice.toml:11:12: on_error: 'rejct' is not a value of it
   11 | on_error = "rejct"
      |            ^^^^^^^ did you mean 'reject'?
error[config]: sluice.toml:12:12: disabled: expected true or false, found a string
   12 | disabled = "no"
      |            ^^^^
)");
  EXPECT_EQ(problems_.code(), Errc::config);
}

TEST_F(SettingsTest, AProblemOfTheDefaultsIsToldOnce) {
  (void)wrong(std::string(minimal) +
              "[pipelines.b]\ntopic = \"b\"\ntable = \"d.b\"\n[defaults]\nwat = 1\n");
  EXPECT_EQ(problems_.all().size(), 1u) << problems_.render();
  EXPECT_EQ(problems_.all().front().message, "unknown key 'wat' in [defaults]");
}

TEST_F(SettingsTest, SyntaxErrorsHaveLineAndColumn) {
  const std::string text = wrong("[kafka]\nbrokers = [\"b:9092\"\n[clickhouse]\n");
  EXPECT_NE(text.find("error[config]: sluice.toml:3:"), std::string::npos) << text;
  EXPECT_NE(text.find("this is not valid TOML"), std::string::npos) << text;
}

TEST_F(SettingsTest, ValuesOfLaterVersionsAreRefusedWithThatWord) {
  for (const char* line : {"format = \"avro\"", "format = { type = \"protobuf\" }",
                           "[registry]\nurl = \"http://r\""}) {
    const std::string text = wrong(std::string(minimal) + line + "\n");
    EXPECT_NE(text.find("later version of sluice"), std::string::npos) << line << "\n" << text;
    EXPECT_EQ(problems_.code(), Errc::config);
  }
}

TEST_F(SettingsTest, WhatFillsAColumnIsReadWithItsPlace) {
  write("sluice.toml", std::string(minimal) +
                           "unknown_fields = { into = \"rest\" }\nwrite = \"overwrite\"\n"
                           "key = [\"id\"]\nmap = { a = \"/x/0\" }\n"
                           "columns = { b = \"$header.h\" }\n");
  const PipelineSettings pipeline = good({"sync"}).pipelines.front();
  const ColumnOptions& columns = pipeline.columns;
  ASSERT_EQ(columns.rules.size(), 3u);
  EXPECT_EQ(columns.rules[0].source.kind, ColumnSource::Kind::unknown_fields);
  EXPECT_EQ(columns.rules[1].source.pointer, (std::vector<std::string>{"x", "0"}));
  EXPECT_EQ(columns.rules[1].place.substr(0, 15), "sluice.toml:11:");
  EXPECT_EQ(columns.rules[2].source.header, "h");
  EXPECT_TRUE(columns.overwrite);
  EXPECT_EQ(columns.key, std::vector<std::string>{"id"});
  EXPECT_EQ(pipeline.unknown_fields.value, UnknownFields::keep);
}

TEST_F(SettingsTest, WhatCannotFillAColumnIsRefused) {
  for (const char* line :
       {"map = { a = \"x\" }", "map = { a = 1 }", "map = { a = \"\" }", "columns = { a = \"$of\" }",
        "unknown_fields = {}", "unknown_fields = { to = \"x\" }", "write = \"overwrite\"",
        "format = \"raw\"\nmap = { a = \"/a\" }", "destination = \"nowhere\""}) {
    (void)wrong(std::string(minimal) + line + "\n");
    EXPECT_EQ(problems_.code(), Errc::config) << line;
  }
}

TEST_F(SettingsTest, ADestinationHasAServerAndADatabaseOfItsOwn) {
  write("sluice.toml", std::string(minimal) +
                           "[pipelines.b]\ntopic = \"b\"\ntable = \"b\"\ndestination = \"x\"\n"
                           "[destinations.x]\nurl = \"http://other:8123\"\ndatabase = \"mine\"\n");
  const Settings settings = good({"sync"});
  EXPECT_EQ(settings.pipelines.back().table.value, "mine.b");
  EXPECT_EQ(settings.servers_of("x").urls.value.front(), "http://other:8123");
  EXPECT_EQ(settings.destinations_used(), (std::set<std::string>{"", "x"}));
}

TEST_F(SettingsTest, TheAddressOfMetricsComesFromFlagEnvironmentAndFile) {
  write("sluice.toml", std::string(minimal) + "[observe]\nmetrics_listen = \"127.0.0.1:9464\"\n");
  EXPECT_EQ(good({"sync"}).output.metrics_listen->port, "9464");
  EXPECT_EQ(good({"sync"}, {{"SLUICE_METRICS_LISTEN", "[::1]:1"}}).output.metrics_listen->port,
            "1");
  EXPECT_EQ(good({"sync", "--metrics-listen", "unix:/s"}).output.metrics_listen->path, "/s");
  EXPECT_FALSE(good({"sync", "--metrics-listen", "none"}).output.metrics_listen);
  const std::string text = wrong(std::string(minimal) + "[observe]\nmetrics_listen = \"9464\"\n");
  EXPECT_NE(text.find("sluice.toml:9:"), std::string::npos) << text;
}

TEST_F(SettingsTest, ValuesWithOnlyOneMeaningAreAccepted) {
  write("sluice.toml", std::string(minimal) +
                           "format = \"json\"\nmode = \"incremental\"\nwrite = \"append\"\n"
                           "delivery = \"at-least-once\"\non_gap = \"stop\"\nnulls = \"reject\"\n");
  EXPECT_EQ(good({"sync"}).pipelines.front().nulls.value, Nulls::reject);
}

TEST_F(SettingsTest, BadFlagsAreUsageErrors) {
  write("sluice.toml", minimal);
  (void)read({"sync", "--batch-age", "5"});
  EXPECT_EQ(problems_.code(), Errc::usage);
  EXPECT_EQ(problems_.all().front().error().message, "--batch-age: '5' is not a duration");
  (void)read({"sync", "--max-duration", "0s"});
  EXPECT_EQ(problems_.code(), Errc::usage) << "it would read nothing";
  (void)read({"sync", "--memory", "1MiB"});
  EXPECT_EQ(problems_.all().front().error().message, "--memory: must be at least 16MiB");
  (void)read({"sync"}, {{"SLUICE_BATCH_AGE", "5"}});
  EXPECT_EQ(problems_.code(), Errc::config) << "a variable is configuration";
  EXPECT_EQ(problems_.all().front().error().message, "SLUICE_BATCH_AGE: '5' is not a duration");
}

TEST_F(SettingsTest, FlagsOfASnapshotNeedOneAndThoseOfARangeExcludeIt) {
  write("sluice.toml", minimal);
  for (const char* flag : {"--keep-old", "--allow-empty", "--allow-shrink", "--allow-views"}) {
    (void)read({"sync", flag});
    EXPECT_EQ(problems_.code(), Errc::usage) << flag;
    EXPECT_NE(problems_.render().find("needs --full"), std::string::npos) << problems_.render();
    (void)good({"sync", flag, "--full"});
  }
  (void)good({"sync"}, {{"SLUICE_KEEP_OLD", "1"}});
  for (const auto& range :
       std::vector<std::vector<std::string>>{{"--until", "-1h"}, {"--from", "earliest"}}) {
    (void)read({"sync", "--full", range[0], range[1]});
    EXPECT_EQ(problems_.code(), Errc::usage) << range[0];
    EXPECT_NE(problems_.render().find("excludes --full"), std::string::npos) << problems_.render();
  }
  (void)good({"sync", "--full", "--until", "start", "--max-bytes", "1GB"});
  const std::string text = wrong(std::string(minimal) + "mode = \"full\"\n", {"--until", "-1h"});
  EXPECT_NE(text.find("mode = \"full\" of pipeline orders"), std::string::npos) << text;
  (void)good({"sync", "--keep-old"});
  (void)good({"tail", "--from", "earliest"});
}

TEST_F(SettingsTest, SecretsAreRefusedOnTheCommandLineAndNotRepeated) {
  write("sluice.toml", minimal);
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"sync", "-X", "sasl.password=canary"},
                                             {"sync", "-X", "ssl.key.password=canary"},
                                             {"sync", "--clickhouse", "http://u:canary@h:8123/d"},
                                             {"sync", "--clickhouse", "http://canary@h:8123"},
                                             {"sync", "--setting", "s3_secret_key=canary"}}) {
    (void)read(arguments);
    EXPECT_EQ(problems_.code(), Errc::usage);
    ASSERT_FALSE(problems_.empty());
    EXPECT_EQ(problems_.all().front().slug, "secret-on-argv");
    EXPECT_EQ(problems_.render().find("canary"), std::string::npos) << problems_.render();
  }
}

TEST_F(SettingsTest, SecretsWrittenOutInAFileAreRefusedAndNotShown) {
  for (const char* line : {"[clickhouse]\npassword = \"canary\"",
                           "[kafka.security]\npassword = 'canary'",
                           "[kafka.properties]\n\"sasl.password\" = \"canary\"",
                           "[kafka.properties]\nsasl.password = \"canary\"",
                           "[kafka.security]\nkey_password = \"canary\n\"",
                           "[clickhouse]\npassword = canary",
                           "[clickhouse]\npassword = \"canary",
                           "[clickhouse]\npassword = '''a\ncanary\n'",
                           "[destinations.x]\npassword = \"canary\"",
                           "[kafka.properties]\n\"sasl.oauthbearer.config\" = \"canary\"",
                           "[kafka.properties.sasl]\njaas.config = \"canary\"",
                           "[kafka.properties.sasl.jaas]\nconfig = \"canary\"",
                           "[kafka.properties]\nssl_key = \"canary\"",
                           "[kafka.properties]\nssl_key = \"canary",
                           "[kafka.properties]\n\"sasl.pasword\" = \"canary\"",
                           "[kafka.properties]\n\"sasl.oauthbearer.confg\" = \"canary\"",
                           "[clickhouse]\npasswort = \"canary\"",
                           "[clickhouse]\npaswd = \"canary\"",
                           "[clickhouse]\nPWD = \"canary\"",
                           "[kafka.security]\nkey_pasword = \"canary"}) {
    const std::string text = wrong(line);
    EXPECT_EQ(text.find("canary"), std::string::npos) << text;
  }
}

TEST_F(SettingsTest, APasswordOnStandardInputIsNotReadAsAConfiguration) {
  write("pw", "canary\n");
  const FileDescriptor before(::dup(STDIN_FILENO));
  const FileDescriptor password(::open("pw", O_RDONLY));
  ::dup2(password.get(), STDIN_FILENO);
  (void)read({"sync", "--clickhouse-password-file", "-", "-c", "-"});
  ::dup2(before.get(), STDIN_FILENO);
  EXPECT_EQ(problems_.code(), Errc::usage);
  EXPECT_EQ(problems_.all().size(), 1u) << problems_.render();
  EXPECT_EQ(problems_.render().find("canary"), std::string::npos) << problems_.render();
}

TEST_F(SettingsTest, SecretReferencesAreOneOfFourKinds) {
  const std::string head =
      "[kafka]\nbrokers=\"b:1\"\n[pipelines.p]\ntopic=\"t\"\ntable=\"t\"\n[clickhouse]\nurl=\"https:"
      "//h:1\"\n";
  write("sluice.toml", head + "password = { command = [\"vault\", \"read\"] }\n");
  EXPECT_EQ(good({"sync"}).clickhouse.password.command.size(), 2u);
  for (const char* value : {"{}", "{ fil = \"x\" }", "{ file = \"a\", env = \"b\" }",
                            "{ file = 1 }", "{ command = \"vault read\" }", "{ command = [] }",
                            "{ env = \"\" }", "{ credential = \"../x\" }"}) {
    (void)wrong(head + "password = " + value + "\n");
    EXPECT_EQ(problems_.all().size(), 1u) << value << "\n" << problems_.render();
  }
}

TEST_F(SettingsTest, KafkaPropertiesAreCheckedByLibrdkafka) {
  const std::string text = wrong(std::string(minimal) +
                                 "[kafka.properties]\n\"fetch.wait.max.mss\" = 5\n"
                                 "\"group.id\" = \"x\"\n\"fetch.wait.max.ms\" = \"soon\"\n");
  EXPECT_EQ(problems_.all().size(), 3u) << text;
  EXPECT_NE(text.find("sluice.toml:9:1"), std::string::npos) << text;
}

TEST_F(SettingsTest, WhatCannotBeABrokerIsRefusedAtOnce) {
  write("sluice.toml", minimal);
  for (const char* brokers :
       {"http://localhost:9092", "localhost:99999", "localhost:0", "localhost:", "localhost:x",
        "b:9092,localhost:65536", "u:canary@b:9092", "b:9092/", "kafka://b", "ssl://", "[::1]:x"}) {
    (void)read({"sync", "-b", brokers});
    EXPECT_EQ(problems_.code(), Errc::usage) << brokers;
    EXPECT_EQ(problems_.render().find("canary"), std::string::npos) << problems_.render();
  }
  EXPECT_EQ(wrong("[kafka]\nbrokers = \"u:canary@b:9092\"\n").find("canary"), std::string::npos);
  write("sluice.toml", minimal);
  for (const char* brokers : {"b", "b:9092", "b:1,c:65535", "SASL_SSL://b:9093", "plaintext://b",
                              "127.0.0.1:9092", "[::1]:9092", "[::1]", "::1", ":9092"}) {
    EXPECT_EQ(good({"sync", "-b", brokers}).kafka.brokers.value, brokers);
  }
}

TEST_F(SettingsTest, DottedKeysWithoutQuotesMeanTheSame) {
  write("sluice.toml", std::string(minimal) +
                           "[kafka.properties]\nsocket.keepalive.enable = true\n"
                           "\"fetch.wait.max.ms\" = 5\n");
  const Settings settings =
      good({"sync", "-X", "fetch.wait.max.ms=7"}, {{"SLUICE_KAFKA_SOCKET_TIMEOUT_MS", "30000"},
                                                   {"SLUICE_KAFKA_SASL_PASSWORD", "canary"},
                                                   {"SLUICE_KAFKA_SSL_KEY_PASSWORD_FILE", "/x"},
                                                   {"SLUICE_KAFKA_SERVICE_HOST", "10.0.0.1"},
                                                   {"SLUICE_KAFKA_NO_SUCH", "1"}});
  std::map<std::string, const KafkaProperty*> found;
  for (const KafkaProperty& property : settings.kafka.properties) found[property.key] = &property;
  EXPECT_EQ(found.at("socket.keepalive.enable")->value, "true");
  EXPECT_EQ(found.at("fetch.wait.max.ms")->value, "7");
  EXPECT_EQ(found.at("socket.timeout.ms")->value, "30000");
  EXPECT_EQ(found.at("sasl.password")->secret.kind, SecretReference::Kind::environment);
  EXPECT_EQ(found.at("ssl.key.password")->secret.kind, SecretReference::Kind::file);
  ASSERT_EQ(settings.warnings.size(), 1u);
  EXPECT_NE(settings.warnings[0].find("SLUICE_KAFKA_NO_SUCH"), std::string::npos);
}

TEST_F(SettingsTest, ClickHouseVariablesOfOthersStandBelowTheFile) {
  write("a.toml", minimal);
  std::map<std::string, std::string> theirs{
      {"CLICKHOUSE_USER", "theirs"}, {"CLICKHOUSE_HOST", "other"}, {"CLICKHOUSE_PASSWORD", "x"}};
  Settings settings = good({"-c", "a.toml", "sync"}, theirs);
  EXPECT_EQ(settings.clickhouse.user.value, "theirs");
  EXPECT_EQ(settings.clickhouse.urls.value.front(), "http://127.0.0.1:8123");
  EXPECT_EQ(settings.clickhouse.password.name, "CLICKHOUSE_PASSWORD");
  theirs.erase("CLICKHOUSE_PASSWORD");  // it would go to the other host in plain text
  settings = good({"-c", "none", "sync", "-b", "b:1", "-t", "t", "--table", "t"}, theirs);
  EXPECT_EQ(settings.clickhouse.urls.value.front(), "http://other:8123");
}

TEST_F(SettingsTest, AProxyIsNamedOnlyWhereItIsUsed) {
  const std::map<std::string, std::string> variables{{"HTTPS_PROXY", "http://proxy:3128"}};
  write("sluice.toml", minimal);
  const auto notes = [&](const char* url) {
    const auto connections = make_connections(good({"sync", "--clickhouse", url}, variables),
                                              Environment(std::map<std::string, std::string>()));
    EXPECT_TRUE(connections.ok());
    return connections->notes;
  };
  EXPECT_EQ(notes("https://ch.example:8443").size(), 1u);
  EXPECT_TRUE(notes("https://127.0.0.1:8443").empty()) << "loopback needs none";
}

TEST_F(SettingsTest, SecuritySettingsBecomeProperties) {
  write("sluice.toml",
        std::string(minimal) +
            "[kafka.security]\nprotocol = \"sasl_ssl\"\nmechanism = \"SCRAM-SHA-512\"\n"
            "username = \"u\"\npassword = { env = \"P\" }\ntls = { verify = false }\n");
  const Settings settings = good({"sync"});
  std::vector<std::string> keys;
  for (const KafkaProperty& property : settings.kafka.properties) keys.push_back(property.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"security.protocol", "sasl.mechanisms", "sasl.username",
                                            "sasl.password", "enable.ssl.certificate.verification",
                                            "ssl.endpoint.identification.algorithm"}));
  ASSERT_EQ(settings.warnings.size(), 1u) << "switched-off verification is told at every start";
}

TEST_F(SettingsTest, AFileThatEveryoneMayWriteIsRefused) {
  write("sluice.toml", minimal);
  std::filesystem::permissions("sluice.toml", std::filesystem::perms(0666));
  (void)read({"sync"});
  ASSERT_FALSE(problems_.empty());
  EXPECT_NE(problems_.render().find("everyone may write"), std::string::npos);
}

TEST_F(SettingsTest, TwoPipelinesMayNotShareAGroup) {
  const std::string text =
      wrong(std::string(minimal) +
            "group = \"g\"\n[pipelines.b]\ntopic = \"b\"\ntable = \"d.b\"\ngroup = \"g\"\n");
  EXPECT_NE(text.find("have the same group 'g'"), std::string::npos) << text;
}

TEST_F(SettingsTest, RejectingNeedsAPlaceForTheRejects) {
  EXPECT_NE(wrong(std::string(minimal) + "on_error = \"reject\"\n").find("not to anywhere"),
            std::string::npos);
  EXPECT_NE(wrong(std::string(minimal) + "reject = { topic = \"orders\" }\n")
                .find("is the topic that is read"),
            std::string::npos);
  EXPECT_NE(wrong(std::string(minimal) + "reject = { topic = \"a\", file = \"b\" }\n")
                .find("exclude each other"),
            std::string::npos);
}

TEST_F(SettingsTest, WhatIsMissingIsSaid) {
  (void)read({"sync"});
  EXPECT_EQ(problems_.code(), Errc::usage);
  EXPECT_NE(problems_.render().find("no configuration file and no --topic"), std::string::npos);
  EXPECT_NE(wrong("[clickhouse]\nurl=\"http://h:1\"\n[pipelines.a]\ntopic=\"a\"\ntable=\"a\"\n")
                .find("no Kafka broker"),
            std::string::npos);
  EXPECT_NE(wrong("[kafka]\nbrokers=\"b:1\"\n").find("no enabled pipeline"), std::string::npos);
  EXPECT_NE(wrong("[pipelines.a]\ntopic=\"a\"\n").find("pipeline a has no table"),
            std::string::npos);
}

TEST_F(SettingsTest, AdHocFlagsNeedATopicAndExcludeNames) {
  write("sluice.toml", minimal);
  (void)read({"sync", "--table", "x"});
  EXPECT_EQ(problems_.all().front().error().message, "--table: needs --topic");
  (void)read({"sync", "orders", "-t", "x", "--table", "y"});
  EXPECT_EQ(problems_.code(), Errc::usage);
}

TEST_F(SettingsTest, TimesOfFlagsAreReadAndEchoed) {
  write("sluice.toml", minimal);
  const Settings settings = good({"sync", "--until", "2026-11-20", "--from", "-1h"});
  EXPECT_EQ(settings.run.times_read,
            (std::vector<std::string>{"--until 2026-11-20 is 2026-11-20T00:00:00Z",
                                      "--from -1h is 2026-11-21T01:00:04Z"}));
  EXPECT_TRUE(settings.run.start_is_explicit);
  EXPECT_EQ(settings.pipelines[0].start.value.kind, StartAt::Kind::time);
}

TEST_F(SettingsTest, QuietAndVerboseExcludeEachOtherButAFlagBeatsAVariable) {
  write("sluice.toml", minimal);
  (void)read({"sync", "-q", "-v"});
  EXPECT_EQ(problems_.code(), Errc::usage);
  EXPECT_EQ(good({"sync", "-v"}, {{"SLUICE_QUIET", "1"}}).output.verbosity, 1);
  EXPECT_TRUE(good({"sync", "-q"}, {{"SLUICE_VERBOSE", "2"}}).output.quiet);
}

TEST_F(SettingsTest, AnnotationsAreOnInGitHubActions) {
  write("sluice.toml", minimal);
  EXPECT_TRUE(good({"sync"}, {{"GITHUB_ACTIONS", "true"}}).output.annotations);
  EXPECT_FALSE(
      good({"sync", "--annotations", "none"}, {{"GITHUB_ACTIONS", "true"}}).output.annotations);
  EXPECT_FALSE(good({"sync"}).output.annotations);
}

TEST_F(SettingsTest, VerifyNeedsTheTableAndItsServer) {
  (void)read({"status", "-b", "b:9092", "-t", "ev", "--table", "s.ev", "--verify"});
  EXPECT_EQ(problems_.code(), Errc::config);
  EXPECT_EQ(problems_.all().front().message, "no ClickHouse server is named");
  (void)read({"status", "-b", "b:9092", "--clickhouse", "http://h:8123/s", "-t", "ev", "--verify"});
  EXPECT_EQ(problems_.code(), Errc::usage);
  EXPECT_EQ(problems_.all().front().hint, "add --table DB.TABLE");
  const Settings settings = good({"status", "-b", "b:9092", "--clickhouse", "http://h:8123/s", "-t",
                                  "ev", "--table", "ev", "--verify"});
  EXPECT_EQ(settings.pipelines[0].table.value, "s.ev");
  EXPECT_EQ(settings.pipelines[0].group.value, "sluice-ev");
  (void)good({"status", "-b", "b:9092", "-t", "ev"});
}

TEST_F(SettingsTest, VerifyIsNoGateAndAsksNobodyElse) {
  write("sluice.toml", minimal);
  (void)good({"status", "--verify", "2:5", "-o", "json", "-p"});
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{
           {"5:2"},
           {"5:5"},
           {":", "--ask", "127.0.0.1:1"},
           {":", "--wait", "5s"},
           {":", "--watch"},
           {":", "--max-lag", "1"},
           {":", "-o", "tsv"},
           {":", "-o", "prometheus"}}) {
    std::vector<std::string> arguments{"status", "--verify"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    (void)read(arguments);
    ASSERT_FALSE(problems_.empty()) << more.back();
    EXPECT_EQ(problems_.code(), Errc::usage) << problems_.render();
  }
}

TEST_F(SettingsTest, CheckReadsTheVariablesOfRuns) {
  write("sluice.toml", minimal);
  const Settings settings = good({"check"}, {{"SLUICE_SENDERS", "7"}, {"SLUICE_BATCH_ROWS", "5"}});
  EXPECT_EQ(settings.pipelines[0].senders.value, 7u);
  EXPECT_EQ(settings.pipelines[0].senders.origin.describe(), "SLUICE_SENDERS");
  EXPECT_EQ(settings.pipelines[0].batch_rows.value, 5u);
  for (const char* variable : {"SLUICE_SENDERS", "SLUICE_IF_RUNNING", "SLUICE_EXIT_ON_IDLE"}) {
    (void)read({"check"}, {{variable, "x"}});
    EXPECT_EQ(problems_.code(), Errc::config) << variable;
  }
}

TEST_F(SettingsTest, VariablesThatLookLikeThoseOfFlagsAreNamed) {
  write("sluice.toml", minimal);
  EXPECT_EQ(good({"sync"}, {{"SLUICE_BATCH_ROWZ", "5"}, {"SLUICE_YES", "1"}}).warnings,
            (std::vector<std::string>{"SLUICE_BATCH_ROWZ is ignored: there is no such variable; did "
                                      "you mean 'SLUICE_BATCH_ROWS'?",
                                      "SLUICE_YES is ignored: --yes has no variable"}));
  const std::map<std::string, std::string> others{
      {"SLUICE_BIN", "1"},         {"SLUICE_CRASH_AT", "x"},    {"SLUICE_CONFIG", "sluice.toml"},
      {"SLUICE_TEST_KAFKA", "1"},  {"SLUICE_DECODE_TOOL", "1"}, {"SLUICE_NATIVE_BLOCKS", "1"},
      {"SLUICE_VERIFY_TOOL", "1"}, {"SLUICE_SIM_SEEDS", "1"},   {"SLUICE_UPDATE_GOLDEN", "1"},
      {"SLUICE_ASK", "x"},         {"SLUICE_VERBOSE", "1"},     {"SLUICE_SERVICE_HOST", "h"},
      {"SLUICE_PORT", "tcp://h:1"}};
  EXPECT_EQ(good({"sync"}, others).warnings, std::vector<std::string>{});
}

}  // namespace
}  // namespace sluice::cli
