// ut.h - what the files of usertests share: how a test is listed, how it fails, and common steps.
#pragma once

#include "kernel/types.h"
#include "kernel/param.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/fs.h"
#include "kernel/riscv.h"
#include "kernel/memlayout.h"
#include "kernel/vm.h"
#include "kernel/syscall.h"
#include "user/user.h"

// A test runs in a process and a directory of its own, and passes if it returns.
// What it leaves behind, files and processes, is cleared away after it.
struct test {
  void (*run)(void);
  char *name;
  int slow;             // left out by -q
};

#define QUICK(test) {test, #test, 0}
#define SLOW(test)  {test, #test, 1}
#define END_OF_TESTS {0, 0, 0}

// One table for each ut_*.c.
extern struct test arg_tests[];
extern struct test proc_tests[];
extern struct test exec_tests[];
extern struct test pipe_tests[];
extern struct test file_tests[];
extern struct test race_tests[];
extern struct test dir_tests[];
extern struct test mem_tests[];
extern struct test trap_tests[];
extern struct test limit_tests[];

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

// Unless cond holds, prints one line, made as printf would, and ends the process with status 1.
#define expect(cond, fmt, ...)                \
  do {                                        \
    if (!(cond)) {                            \
      printf("  " fmt "\n", ##__VA_ARGS__);   \
      exit(1);                                \
    }                                         \
  } while (0)

// What a child does, given one number or address.
typedef void (*body)(long arg);

#define ROOM "/ut.d"        // the directory that a test runs in

#define BUFSIZE 8192
extern char buf[BUFSIZE];   // scratch memory for any test

// utlib.c
void  equal(int got, int want, const char *what);
int   child(void);
void  ends(int pid, int status);
void  endall(int n);
int   outcome(body run, long arg);
void  dies(body run, long arg, const char *what);
void  crowd(int n, body run);
void  gone(int pid);
void  newpipe(int ends[2]);
int   mustopen(const char *name, int flags);
void  mustclose(int fd);
void  mustwrite(int fd, const void *from, int n);
int   readfull(int fd, void *to, int n);
void  paint(char *at, int n, int seed, int from);
void  painted(const char *at, int n, int seed, int from, const char *what);
void  save(const char *name, int seed, int n);
void  saved(const char *name, int seed, int n);
int   exists(const char *name);
struct stat info(const char *name);
char *numbered(const char *stem, int i);
char *lastpage(void);
int   eatmemory(void);
uint64 badaddr(int i);
uint  rnd(uint *state);
