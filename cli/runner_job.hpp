// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "cli/runner.hpp"

/// What a Runner is made of. Only runner*.cpp include this.
namespace sluice::cli {

struct Runner::Job {
  Job(Console& console, MeteredPipeline& metered, Family* of)
      : settings(metered.settings), watch(console, settings, metered.meter), family(of) {}

  const PipelineSettings& settings;
  PipelineWatch watch;
  PipelineResult result;
  Family* const family;             ///< null for a pipeline with one topic
  std::vector<Decision> decisions;  ///< --resolve, until a run has followed it
  bool read_whole = false;  ///< a new topic of a pipeline that is known: from its first record
  bool ended = false;
  bool gone = false;  ///< the topic was not there at the last look
};

struct Runner::Family {
  explicit Family(const PipelineSettings& pipeline) : settings(pipeline) {}

  const PipelineSettings& settings;
  RowsBefore rows_before;
  std::map<std::string, Job*> jobs;  ///< by topic
  bool looked = false;               ///< at least once
  bool taken = false;                ///< what the first look found has been taken
  bool known = false;                ///< one of its topics has committed offsets
  PipelineResult result;             ///< of its own: what keeps it from its topics
};

}  // namespace sluice::cli
