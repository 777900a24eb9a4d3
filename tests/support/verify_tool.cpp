// SPDX-License-Identifier: Apache-2.0
//
// Verifies ranges of the pipeline in ./sluice.toml, for test_verify.py.
//
//   arguments  PARTITION FIRST NEXT, one after the other
//   stdout     [proof_json, …], a line feed, the sentences; or "error: …"

#include <iostream>
#include <string>
#include <vector>

#include "cli/verify.hpp"

namespace cli = sluice::cli;

int main(int count, char** arguments) {
  const cli::Environment environment = cli::Environment::of_process();
  const sluice::SystemClock clock;
  cli::Problems problems;
  cli::Invocation invocation;
  invocation.command = "status";
  const cli::Settings settings =
      cli::read_settings(invocation, environment, "/nowhere", clock.wall(), problems);
  if (!problems.empty()) {
    std::cout << "error: " << problems.render() << '\n';
    return 1;
  }
  cli::VerifyOptions options;
  for (int at = 1; at + 2 < count; at += 3) {
    options.ranges[sluice::PartitionId{std::stoi(arguments[at])}] = {
        {std::stoll(arguments[at + 1])}, {std::stoll(arguments[at + 2])}};
  }
  const auto connections = cli::make_connections(settings, environment);
  const auto proofs =
      cli::verify_pipeline(settings.pipelines.front(), *connections, options, clock, {});
  if (!proofs.ok()) {
    std::cout << "error: " << proofs.error().message << '\n' << proofs.error().fix << '\n';
    return 1;
  }
  auto list = nlohmann::ordered_json::array();
  std::string sentences;
  for (const cli::PartitionProof& proof : *proofs) {
    list.push_back(cli::proof_json(proof));
    sentences += cli::proof_sentence(settings.pipelines.front().topic.value, proof) + "\n";
  }
  std::cout << list.dump() << '\n' << sentences;
  return 0;
}
