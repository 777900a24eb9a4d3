// SPDX-License-Identifier: Apache-2.0
//
// A ClickHouse server in a few lines: libchdb is the whole clickhouse-local behind one function, and
// its SQL can open the real HTTP and native listeners. tests/support/stand.py passes the arguments.

#include <signal.h>
#include <stddef.h>
#include <stdio.h>

struct chdb_result;
struct chdb_result* chdb_query_cmdline(int argc, char** argv);
char* chdb_result_error(struct chdb_result* result);

int main(int argc, char** argv) {
  // As the real server does: a client that goes away must not end it.
  signal(SIGPIPE, SIG_IGN);
  struct chdb_result* result = chdb_query_cmdline(argc, argv);
  const char* error = result != NULL ? chdb_result_error(result) : "no result";
  if (error == NULL || *error == '\0') return 0;
  fprintf(stderr, "%s\n", error);
  return 1;
}
