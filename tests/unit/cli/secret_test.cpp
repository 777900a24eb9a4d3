// SPDX-License-Identifier: Apache-2.0
#include "cli/secret.hpp"

#include <gtest/gtest.h>

#include <type_traits>

#include "tests/unit/cli/folder.hpp"

namespace sluice::cli {
namespace {

using Kind = SecretReference::Kind;
using Variables = std::map<std::string, std::string>;

SecretReference reference(Kind kind, std::string name, std::vector<std::string> command = {}) {
  SecretReference out;
  out.kind = kind;
  out.name = std::move(name);
  out.command = std::move(command);
  out.setting = "clickhouse.password";
  out.origin = Origin::flag("--x");
  return out;
}

class SecretTest : public InFolder {
 protected:
  static std::string revealed(const SecretReference& from, const Variables& variables = {}) {
    auto resolved = resolve(from, Environment(variables), Milliseconds(5000));
    EXPECT_TRUE(resolved.ok()) << (resolved.ok() ? "" : resolved.error().message);
    return resolved.ok() ? resolved->secret.reveal() : "";
  }
  static Error refused(const SecretReference& from, const Variables& variables = {},
                       Milliseconds timeout = Milliseconds(5000)) {
    auto resolved = resolve(from, Environment(variables), timeout);
    EXPECT_FALSE(resolved.ok());
    return resolved.ok() ? Error{} : resolved.error();
  }
};

TEST_F(SecretTest, OneLineBreakAtTheEndOfAFileIsDropped) {
  write("p", "canary\n");
  EXPECT_EQ(revealed(reference(Kind::file, "p")), "canary");
  write("p", "canary\r\n");
  EXPECT_EQ(revealed(reference(Kind::file, "p")), "canary");
  write("p", " canary \n\n");
  EXPECT_EQ(revealed(reference(Kind::file, "p")), " canary \n");
}

TEST_F(SecretTest, MissingAndEmptyFilesAreErrorsThatNameSettingAndFile) {
  const Error missing = refused(reference(Kind::file, "nowhere"));
  EXPECT_EQ(missing.code, Errc::config);
  EXPECT_NE(missing.message.find("clickhouse.password"), std::string::npos);
  EXPECT_NE(missing.message.find("nowhere"), std::string::npos);
  write("p", "\n");
  EXPECT_NE(refused(reference(Kind::file, "p")).message.find("empty"), std::string::npos);
  write("p", std::string("a\0b", 3));
  EXPECT_NE(refused(reference(Kind::file, "p")).message.find("NUL"), std::string::npos);
}

TEST_F(SecretTest, AFileThatOthersMayReadIsAWarning) {
  write("p", "canary");
  EXPECT_EQ(resolve(reference(Kind::file, "p"), Environment())->warning, "");
  std::filesystem::permissions("p", std::filesystem::perms(0644));
  const auto open = resolve(reference(Kind::file, "p"), Environment());
  EXPECT_NE(open->warning.find("may be read by others"), std::string::npos);
  EXPECT_EQ(open->warning.find("canary"), std::string::npos);
}

TEST_F(SecretTest, VariablesAndCredentials) {
  EXPECT_EQ(revealed(reference(Kind::environment, "P"), {{"P", "canary"}}), "canary");
  EXPECT_EQ(refused(reference(Kind::environment, "P")).code, Errc::config);
  EXPECT_EQ(refused(reference(Kind::environment, "P"), {{"P", ""}}).code, Errc::config);
  write("credentials/kafka", "canary");
  EXPECT_EQ(
      revealed(reference(Kind::credential, "kafka"), {{"CREDENTIALS_DIRECTORY", "credentials"}}),
      "canary");
  EXPECT_NE(refused(reference(Kind::credential, "kafka")).fix.find("LoadCredential="),
            std::string::npos);
}

TEST_F(SecretTest, ACommandPrintsTheSecretAndNoShellIsInvolved) {
  EXPECT_EQ(revealed(reference(Kind::command, "", {"printf", "%s", "$HOME;`id`"})), "$HOME;`id`");
}

TEST_F(SecretTest, ACommandThatFailsIsUnavailableAndOneThatIsMissingIsConfiguration) {
  const Error failed = refused(reference(Kind::command, "", {"sh", "-c", "echo canary; exit 3"}));
  EXPECT_EQ(failed.code, Errc::unavailable);
  EXPECT_NE(failed.message.find("exit code 3"), std::string::npos) << failed.message;
  EXPECT_EQ(failed.message.find("canary"), std::string::npos);
  EXPECT_EQ(refused(reference(Kind::command, "", {"/no/such/program"})).code, Errc::config);
}

TEST_F(SecretTest, ACommandThatHangsIsEndedWithItsChildren) {
  const auto started = std::chrono::steady_clock::now();
  const Error hung = refused(reference(Kind::command, "", {"sh", "-c", "sleep 30 & sleep 30"}), {},
                             Milliseconds(200));
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
  EXPECT_EQ(hung.code, Errc::unavailable);
  EXPECT_NE(hung.message.find("did not end within"), std::string::npos) << hung.message;
}

TEST_F(SecretTest, ACommandThatFloodsIsEnded) {
  EXPECT_NE(refused(reference(Kind::command, "", {"yes"})).message.find("printed more than"),
            std::string::npos);
}

TEST(Secrets, CannotBeCopiedAndAreWipedWhereTheyWere) {
  static_assert(!std::is_copy_constructible_v<Secret>);
  std::string text = "canary";
  const char* memory = text.data();
  wipe(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(std::string(memory, 6), std::string(6, '\0'));
  Secret first{"canary"};
  const Secret second(std::move(first));
  EXPECT_EQ(second.reveal(), "canary");
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is the point
}

}  // namespace
}  // namespace sluice::cli
