// linux.h - for programs that are compiled for Linux too: what user.h has, in Linux's terms.
#pragma once
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

typedef uint64_t uint64;
typedef unsigned char uchar;

#define PGSIZE 4096
#define WINDOW 0x40000000UL
#if defined(__x86_64__)
#define RETURN "\xc3"
#elif defined(__aarch64__)
#define RETURN "\xc0\x03\x5f\xd6"
#else
#error "which instruction does a function end with here?"
#endif
#define O_CREATE O_CREAT
#define open(name, flags) open(name, flags, 0600)
#define msync(addr, len) msync(addr, len, MS_SYNC)
#define wait(status) waitstatus(status)
#define exec(name, argv) execvp(name, argv)
#define exit(status) (fflush(stdout), _exit(status))
#define printf(...) (printf(__VA_ARGS__), fflush(stdout))

static inline void
newcode(char *p)
{
  __builtin___clear_cache(p, p + sizeof(RETURN));
}

// Linux places mappings from the top down, and rounds a hint down: where the hint is not what is expected, have it take
// that place.
static inline void *
mapat(char *hint, size_t len, int prot, int flags, int fd, off_t off, char *expected)
{
  if (!(flags & MAP_FIXED) && hint != expected) {
    hint = expected;
    flags |= MAP_FIXED_NOREPLACE;
  }
  return mmap(hint, len, prot, flags, fd, off);
}

// A child's exit status; -1 if it was killed.
static inline int
waitstatus(int *status)
{
  int pid = (wait)(status);

  *status = WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  return pid;
}
