// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sluice::cli {

/// From now on a failed CHECK, or an exception that nobody expected, ends the process with exit
/// code 70 and says how to report it, instead of with a signal.
void report_bugs();

/// Whether such an end is also told as a JSON document on stdout.
void set_bug_report_json(bool json);

}  // namespace sluice::cli
