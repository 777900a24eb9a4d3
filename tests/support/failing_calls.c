// SPDX-License-Identifier: Apache-2.0
// LD_PRELOAD: makes the N-th call of one function fail, once, in the main program's process.
//
//   FAILING_CALL=write:7:EIO      the 7th write() returns -1 with errno EIO
//   FAILING_CALL=malloc:1000      the 1000th allocation returns nothing
//   FAILING_CALLS_LOG=FILE        at the end: how often the function was called, one line
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *name = "";
static long wanted = -1;
static int error_number = ENOMEM;
static atomic_long calls;

static int number_of(const char *error) {
  static const struct {
    const char *name;
    int number;
  } known[] = {{"EINTR", EINTR}, {"EIO", EIO}, {"EAGAIN", EAGAIN}, {"ENOSPC", ENOSPC}, {"ENOMEM", ENOMEM}};
  for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
    if (strcmp(error, known[i].name) == 0) return known[i].number;
  }
  return EIO;
}

__attribute__((constructor)) static void begin(void) {
  static char function[32];
  static char error[32];
  const char *what = getenv("FAILING_CALL");
  if (what == NULL) return;
  if (sscanf(what, "%31[^:]:%ld:%31s", function, &wanted, error) < 2) return;
  if (error[0] != '\0') error_number = number_of(error);
  name = function;
}

__attribute__((destructor)) static void end(void) {
  const char *file = getenv("FAILING_CALLS_LOG");
  if (file == NULL) return;
  char line[32];
  const int size = snprintf(line, sizeof line, "%ld\n", atomic_load(&calls));
  name = "";
  const int log = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (log >= 0 && write(log, line, (size_t)size) != size) perror(file);
}

static int fails(const char *function) {
  if (strcmp(name, function) != 0) return 0;
  if (atomic_fetch_add(&calls, 1) + 1 != wanted) return 0;
  errno = error_number;
  return 1;
}

#define REAL(function)                                            \
  static __typeof__(&function) real;                              \
  if (real == NULL) {                                             \
    *(void **)&real = dlsym(RTLD_NEXT, #function);                \
  }

void *malloc(size_t size) {
  REAL(malloc)
  return fails("malloc") ? NULL : real(size);
}

ssize_t read(int file, void *to, size_t size) {
  REAL(read)
  return fails("read") ? -1 : real(file, to, size);
}

ssize_t write(int file, const void *from, size_t size) {
  REAL(write)
  return fails("write") ? -1 : real(file, from, size);
}

ssize_t send(int file, const void *from, size_t size, int flags) {
  REAL(send)
  return fails("send") ? -1 : real(file, from, size, flags);
}

ssize_t recv(int file, void *to, size_t size, int flags) {
  REAL(recv)
  return fails("recv") ? -1 : real(file, to, size, flags);
}

ssize_t sendmsg(int file, const struct msghdr *message, int flags) {
  REAL(sendmsg)
  return fails("sendmsg") ? -1 : real(file, message, flags);
}

ssize_t recvmsg(int file, struct msghdr *message, int flags) {
  REAL(recvmsg)
  return fails("recvmsg") ? -1 : real(file, message, flags);
}

int fsync(int file) {
  REAL(fsync)
  return fails("fsync") ? -1 : real(file);
}
